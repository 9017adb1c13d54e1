#!/bin/sh
# Every figure of bench/, one a line: name, value, unit. Times are worth comparing within one run only; instructions per
# packet, counted by callgrind, are the same in every run.
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet --release -p bench
bench=target/release/bench
[ -z "${CARGO_TARGET_DIR:-}" ] || bench=$CARGO_TARGET_DIR/release/bench
# Huge pages for the tables of both the director and the floor, as conf/sluice.service has it.
GLIBC_TUNABLES=glibc.malloc.hugetlb=1 "$bench"

# The bench says how many packets and how many connections a counted round has.
counted=$("$bench" counted)
instructions() {
    valgrind --tool=callgrind --collect-atstart=no "--toggle-collect=bench::$2" --callgrind-out-file=/dev/null \
        "$bench" instructions "$1" 2>&1 | awk -v name="$3" -v of="$4" \
        '/Collected/ { printf "%s %.0f instructions\n", name, $4 / of }'
}
instructions floor run_floor floor_instr "${counted% *}"
for traffic in nat4 nat4_shifted nat6 dr4 tun4; do
    instructions $traffic 'run_director*' instr_$traffic "${counted% *}"
done
instructions newconn lives::run_syn instr_newconn "${counted#* }"
