#!/bin/sh
# Large tables under traffic, one figure a line: name, value, unit. Instructions of an edit, counted by callgrind, are the
# same in every run. Two to six minutes, two gigabytes of memory.
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet --release -p bench
bench=target/release/bench
[ -z "${CARGO_TARGET_DIR:-}" ] || bench=$CARGO_TARGET_DIR/release/bench
"$bench" scale
for services in 1000 100000; do
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect=bench::scale::run_edits \
        --callgrind-out-file=/dev/null "$bench" "edits=$services" 2>&1 | awk -v name="instr_edit_$((services / 1000))k" \
        'NF == 1 && /^[0-9]+$/ { of = $1 } /Collected/ { printf "%s %.0f instructions\n", name, $4 / of }'
done
