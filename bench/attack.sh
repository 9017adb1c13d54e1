#!/bin/sh
# What an outsider can make dear, in instructions by callgrind, the same in every run: each case as usual and under attack.
# Fails where an attack makes an operation cost more than twice as much. Words are the cases to run; without, all.
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet --release -p bench
bench=target/release/bench
[ -z "${CARGO_TARGET_DIR:-}" ] || bench=$CARGO_TARGET_DIR/release/bench

# Instructions of an operation.
cost() {
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect=bench::attack::measured \
        --callgrind-out-file=/dev/null "$bench" attack "$1" "$2" 2>&1 |
        awk 'NF == 1 && /^[0-9]+$/ { of = $1 } /Collected/ { printf "%.0f\n", $4 / of }'
}

dear=0
for case in ${*:-$("$bench" attack)}; do
    usual=$(cost "$case" usual)
    attacked=$(cost "$case" attacked)
    awk -v name="attack_$case" -v usual="$usual" -v attacked="$attacked" 'BEGIN {
        printf "%s %d of %d instructions, %.2f times\n", name, attacked, usual, attacked / usual
        exit attacked > 2 * usual
    }' || dear=1
done
if [ $dear = 1 ]; then echo "attack.sh: an attack costs more than twice as much" >&2; fi
exit $dear
