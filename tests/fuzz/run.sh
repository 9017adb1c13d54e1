#!/bin/sh
# Runs every fuzz target: tests/fuzz/run.sh [SECONDS each, 60 unless told] [TARGET...]
#
# A plain stable toolchain suffices, with clang or gcc for libFuzzer itself, which libfuzzer-sys brings along: coverage
# is LLVM's pass, asked for by flags that stable rustc takes. What is left out is the address sanitizer, which only a
# nightly compiler has and which finds little in crates that deny unsafe code; `cargo +nightly fuzz run TARGET` (with
# --fuzz-dir tests/fuzz) works on the same layout.
#
# Inputs worth keeping are gathered in target/corpus; those in corpus/ are the seeds, a few each and made by hand. Input
# that broke something is left in target/broken: run it again with target/.../TARGET FILE, and make a test of it.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- frame quoted stream fragments ndisc sctp ftp sip control_line config ipvsadm

host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-$PWD/target}
coverage="-Cpasses=sancov-module -Ccodegen-units=1 -Clink-dead-code --cfg fuzzing"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-$option"
done
# With a target named, build scripts and macros are built without these flags.
RUSTFLAGS=$coverage cargo build --release --target "$host"

broken=0
for target; do
    mkdir -p "$out/corpus/$target" "$out/broken/$target"
    echo "$target: $seconds seconds"
    "$out/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -verbosity=0 -artifact_prefix="$out/broken/$target/" "$out/corpus/$target" "corpus/$target" || broken=1
done
exit $broken
