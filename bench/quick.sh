#!/bin/sh
# Every figure of bench/, one a line: name, value, unit. Times are worth comparing within one run only; instructions per
# packet, counted by callgrind, are the same in every run.
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet --release -p bench
bench=target/release/bench
[ -z "${CARGO_TARGET_DIR:-}" ] || bench=$CARGO_TARGET_DIR/release/bench
"$bench"

# The bench says how many packets a counted round has.
packets=$("$bench" packets)
instructions() {
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect="bench::$1" --callgrind-out-file=/dev/null \
        "$bench" instructions 2>&1 | awk -v name="$2" -v packets="$packets" \
        '/Collected/ { printf "%s %.0f instructions\n", name, $4 / packets }'
}
instructions run_floor floor_instr
instructions run_nat instr_nat4
