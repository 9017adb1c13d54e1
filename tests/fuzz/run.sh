#!/bin/sh
# Runs the fuzz targets: tests/fuzz/run.sh [SECONDS each, 600 unless told | replay | keep] [TARGET...]
#   SECONDS  tries new inputs for so long, then keeps what was learned
#   replay   puts what is kept in corpus/ through each target once, which takes seconds, and changes nothing
#   keep     keeps what another run learned (of another CARGO_TARGET_DIR, or one that was ended)
#
# A plain stable toolchain suffices, with clang or gcc for libFuzzer itself, which libfuzzer-sys brings along: coverage
# is LLVM's pass, asked for by flags that stable rustc takes. What is left out is the address sanitizer, which only a
# nightly compiler has and which finds little in crates that deny unsafe code; `cargo +nightly fuzz run TARGET` (with
# --fuzz-dir tests/fuzz) works on the same layout.
#
# corpus/TARGET holds seeds made by hand, which have names, and inputs that runs found, named by their hash. A run
# gathers thousands in target/corpus/TARGET. Kept are the fewest of them that reach every branch of the code that all of
# them reach and corpus/TARGET does not yet (libFuzzer's merge by set cover; how often a branch is taken does not count,
# or there would be thousands). That is asked twice, since hash tables branch by chance. So the repository has some hundred
# small files a target, each a branch or more; a run only adds, and a commit shows what it learned. To choose anew, remove
# those named by a hash first.
#
# Input that broke something is left in target/broken: run it again with target/.../TARGET FILE, and make a test of it.
# The other targets go on.
set -eu
cd "$(dirname "$0")"
what=${1:-600}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- frame headers fragments quoted stream ndisc sctp ftp sip control_line config ipvsadm

host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-$PWD/target}
coverage="-Cpasses=sancov-module -Ccodegen-units=1 -Clink-dead-code --cfg fuzzing"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-$option"
done
# With a target named, build scripts and macros are built without these flags.
RUSTFLAGS=$coverage cargo build --release --target "$host"

# A target with options, and what all runs have in common.
run() {
    name=$1
    shift
    "$out/$host/release/$name" -timeout=30 -rss_limit_mb=2048 -verbosity=0 -artifact_prefix="$out/broken/$name/" "$@"
}

keep() {
    name=$1
    chosen=$out/chosen/$name
    rm -rf "$chosen"
    mkdir -p "$out/chosen"
    cp -r "corpus/$name" "$chosen"
    merge "$chosen" "$out/corpus/$name" && merge "corpus/$name" "$chosen" || return 1
    echo "$name: $(find "corpus/$name" -type f | wc -l) inputs kept"
}

# Copies to the first directory what reaches more than is there.
merge() {
    run "$name" -merge=1 -set_cover_merge=1 -use_counters=0 "$@"
}

broken=0
for target; do
    mkdir -p "corpus/$target" "$out/corpus/$target" "$out/broken/$target"
    echo "$target: $what"
    case $what in
        replay) run "$target" -runs=0 "corpus/$target" || broken=1 ;;
        keep) keep "$target" || broken=1 ;;
        *)
            run "$target" -max_total_time="$what" -print_final_stats=1 "$out/corpus/$target" "corpus/$target" || broken=1
            keep "$target" || broken=1
            ;;
    esac
done
exit $broken
