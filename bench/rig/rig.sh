# shellcheck shell=sh disable=SC2154 # what is called by its name; `name` and the devices are the caller's
# The measuring rig, read by vhost.sh and memif.sh: the generator on one CPU, on another one the director or testpmd.
#
#   [ sluice-gen, CPU 0 ] === clients' device === [ sluiced | testpmd io | testpmd macswap, CPU 1 ]
#                         === servers' device ===
#
# A round measures every case once, each with a fresh process in the director's place; rounds follow each other, so what
# disturbs the machine disturbs all cases. Ratios are packets a second of a case by those of testpmd, which touches
# nothing (io) or swaps MACs (macswap).
#
# In a virtual machine the two CPUs may be near each other in one second and far apart in the next, which is worth more
# than a factor of two. So the way of a cache line there and back is measured before and after each case; "near" are
# those where both took less than NEAR ns, "far" those where both took more, and ratios are of medians of the same kind.
#
#   -r ROUNDS    6
#   -s SECONDS   1, of each measurement
#   -c CASES     'flows_1k flows_64k flows_1m conns syn testpmd_io testpmd_macswap', or some of them
#   -w WINDOW    512, packets under way at the same time
#   -n NAME      of the result; vhost or memif
#   -d           keep no result in bench/runs
#
# On a machine that does other work, too, all of this runs at the highest priority there is short of real time.

rounds=6
seconds=1
near=200
window=512
keep=yes
director_cpu=1
generator_cpu=0
cases='flows_1k flows_64k flows_1m conns syn testpmd_io testpmd_macswap'
# Connections of the director's table. SYNs are bounded by it, so that none meets a full table.
connections=4000000
vip=10.0.0.100:80

usage() {
    echo "usage: $0 [-r ROUNDS] [-s SECONDS] [-c CASES] [-w WINDOW] [-n NAME] [-d]" >&2
    exit 2
}
while getopts r:s:c:w:n:d option; do
    case $option in
        r) rounds=$OPTARG ;;
        s) seconds=$OPTARG ;;
        c) cases=$OPTARG ;;
        w) window=$OPTARG ;;
        n) name=$OPTARG ;;
        d) keep= ;;
        *) usage ;;
    esac
done
[ $OPTIND -gt $# ] || usage

cd "$(dirname "$0")/../.." || exit 1
fail() {
    echo "rig: $*" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail 'run it as root'
[ "$(nproc)" -ge 2 ] || fail 'it needs two CPUs'
conf/lab/setup.sh dpdk-testpmd=dpdk-dev >&2
cargo build --quiet --release --workspace --bins
built=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release

dir=$(mktemp -d /tmp/sluice-rig.XXXXXX)
# Of DPDK: its own files go where ours go.
RUNTIME_DIRECTORY=$dir
export RUNTIME_DIRECTORY
middle=
generator=
priority=$(sed -n 's/.* nice //p' /proc/self/autogroup 2>/dev/null || true)

end() { # PID: asks, then insists
    kill "$1" 2>/dev/null || return 0
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
clean_up() {
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    for process in $generator $middle; do
        end "$process"
    done
    [ -z "$priority" ] || echo "$priority" >/proc/self/autogroup 2>/dev/null || true
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Where the kernel groups processes by session, niceness counts only within the group; this is that of the group.
load=$(cut -d' ' -f1-3 /proc/loadavg)
[ -z "$priority" ] || echo -20 >/proc/self/autogroup 2>/dev/null || true

service() { # PROTOCOL
    printf '\n[[service]]\nprotocol = "%s"\naddress = "%s"\nscheduler = "rr"\n' "$1" "$vip"
    for server in 11 12 13; do
        printf '\n[[service.server]]\naddress = "10.1.0.%s:8080"\nforward = "nat"\n' $server
    done
}
configuration() {
    cat <<END
schema = 1

[dataplane]
workers = [$director_cpu]
main_cpu = $generator_cpu
connections = $connections
eal = ["--no-huge", "-m", "1024"]

[control]
socket = "$dir/control.sock"

[[interface]]
name = "wan"
device = "$(director_device "$dir/clients.sock")"
addresses = ["10.0.0.1/24"]
mac = "02:00:00:00:00:01"

[[interface]]
name = "lan"
device = "$(director_device "$dir/servers.sock")"
addresses = ["10.1.0.1/24"]
mac = "02:00:00:00:00:02"

[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
END
    service udp
    service tcp
}
configuration >"$dir/sluice.toml"
mkfifo "$dir/nothing"

await() { # COMMAND...: until it succeeds, while what is in the middle runs
    tries=0
    until "$@" >/dev/null 2>&1; do
        kill -0 "$middle" 2>/dev/null || fail "what is in the middle ended: $(tail -n 5 "$dir/middle.log")"
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "what is in the middle does not come up: $(tail -n 5 "$dir/middle.log")"
        sleep 0.1
    done
}
start_director() {
    "$built/sluiced" --config "$dir/sluice.toml" >"$dir/middle.log" 2>&1 &
    middle=$!
    await "$built/sluice" --socket "$dir/control.sock" status
}
start_testpmd() { # MODE; it ends when its standard input does
    stdbuf -oL dpdk-testpmd --no-pci --no-huge -m 1024 --lcores "0@$generator_cpu,1@$director_cpu" --no-telemetry \
        --file-prefix "sluice-rig-$$" --vdev "$(testpmd_device 0 "$dir/clients.sock")" \
        --vdev "$(testpmd_device 1 "$dir/servers.sock")" -- --forward-mode="$1" --auto-start --nb-cores=1 \
        --total-num-mbufs=16384 --rxd=1024 --txd=1024 --disable-link-check <>"$dir/nothing" >"$dir/middle.log" 2>&1 &
    middle=$!
    await grep -q '^Press enter to exit' "$dir/middle.log"
}
generate() { # ARGUMENT...
    RUST_LOG=error "$built/sluice-gen" "$@" --cpu "$generator_cpu" --seconds "$seconds" --window "$window" --verify 64 \
        --client "$(generator_device "$dir/clients.sock")" --server "$(generator_device "$dir/servers.sock")" \
        --vip "$vip" >"$dir/figures" 2>"$dir/generator.log" &
    generator=$!
    wait $generator || fail "the generator failed: $(cat "$dir/generator.log")"
    generator=
}
distance() { # ROUND CASE WHEN
    "$built/sluice-gen" distance --cpu "$generator_cpu" --other-cpu "$director_cpu" |
        sed "s/^cpu_distance/$1 $2 distance_$3/" >>"$dir/raw"
}
measure() { # ROUND CASE
    rm -f "$dir/clients.sock" "$dir/servers.sock" "$dir/middle.log"
    distance "$1" "$2" before
    case $2 in
        testpmd_*) start_testpmd "${2#testpmd_}" ;;
        *) start_director ;;
    esac
    case $2 in
        flows_1k) generate flows --flows 1000 ;;
        flows_64k) generate flows --flows 64000 ;;
        flows_1m) generate flows --flows 1000000 ;;
        conns) generate conns --in-flight 256 ;;
        syn) generate syn --flows $((connections - 100000)) ;;
        testpmd_*) generate forward --flows 64000 ;;
        *) fail "there is no case $2" ;;
    esac
    end "$middle"
    middle=
    distance "$1" "$2" after
    sed "s/^/$1 $2 /" "$dir/figures" >>"$dir/raw"
    echo "round $1 $2: $(sed -n 's/^rate \([0-9]*\).*/\1/p' "$dir/figures") packets/s" >&2
}

began=$(date +%s)
round=1
while [ $round -le "$rounds" ]; do
    for case in $cases; do
        measure $round "$case"
    done
    round=$((round + 1))
done

# Raw lines are ROUND CASE NAME VALUE UNIT.
summary() {
    awk -v near="$near" '
    function sort(n,    i, j, t) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    }
    # Fills v with the values of rounds of a kind, sorted; how many there are.
    function collect(case_, name, kind,    r, n) {
        n = 0
        for (r = 1; r <= rounds; r++)
            if ((r, case_, name) in value && (kind == "all" || kind_of[r, case_] == kind)) v[++n] = value[r, case_, name]
        sort(n)
        return n
    }
    function median(case_, name, kind,    n) {
        n = collect(case_, name, kind)
        return n == 0 ? 0 : n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    function spread(case_, name, kind, unit,    label, middle, n) {
        label = case_ (kind == "all" ? "" : "_" kind) "_" name
        middle = median(case_, name, kind)
        n = collect(case_, name, kind)
        if (n == 0) return
        printf "%s_median %.1f %s\n%s_min %.1f %s\n%s_max %.1f %s\n", label, middle, unit, label, v[1], unit, label, v[n], unit
    }
    function ratio(case_, base, kind,    a, b) {
        a = median(case_, "rate", kind)
        b = median(base, "rate", kind)
        if (a && b) printf "%s_%s_by_%s %.3f ratio\n", case_, kind, base, a / b
    }
    {
        if (!($2 in known)) { known[$2] = 1; order[++cases] = $2 }
        rounds = $1
        value[$1, $2, $3] = $4
        total[$2, $3] += $4
    }
    END {
        for (c = 1; c <= cases; c++) for (r = 1; r <= rounds; r++) {
            name = order[c]
            before = value[r, name, "distance_before"] < near
            after = value[r, name, "distance_after"] < near
            kind_of[r, name] = before && after ? "near" : before || after ? "mixed" : "far"
        }
        split("all near far", kinds, " ")
        for (c = 1; c <= cases; c++) {
            name = order[c]
            spread(name, "rate", "all", "packets/s")
            spread(name, "packet_time", "all", "ns")
            spread(name, "connections_per_second", "all", "1/s")
            printf "%s_lost %d packets\n%s_wrong %d packets\n", name, total[name, "lost"], name, total[name, "wrong"]
            for (k = 1; k <= 3; k++) {
                kind = kinds[k]
                n = collect(name, "rate", kind)
                if (kind != "all") printf "%s_%s_rounds %d rounds\n", name, kind, n
                if (n == 0) continue
                if (kind != "all") printf "%s_%s_packet_time_median %.1f ns\n", name, kind, median(name, "packet_time", kind)
                printf "%s_%s_generator_idle_median %.1f percent\n", name, kind, median(name, "generator_idle", kind)
                # A ratio of near to far would say more about the machine than about the director.
                if (kind == "all" || name ~ /^testpmd_/) continue
                ratio(name, "testpmd_io", kind)
                ratio(name, "testpmd_macswap", kind)
            }
        }
    }' "$dir/raw"
}
about() {
    echo "# bench/rig/${0##*/} -r $rounds -s $seconds -w $window, $(($(date +%s) - began)) s, $(date -u '+%Y-%m-%d %H:%M UTC')"
    echo "# sluice $(git rev-parse --short HEAD 2>/dev/null || echo '?')$(git diff --quiet HEAD 2>/dev/null || echo ' and changes')," \
        "$("$built/sluiced" --version), $(dpdk-testpmd -v 2>&1 | sed -n 's/.*RTE Version: .\(.*\)./testpmd of \1/p' | head -n 1)"
    echo "# $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs, Linux $(uname -r), load before $load"
    echo '# no huge pages; one queue a device; frames of 60 bytes'
}
{
    about
    summary
} | tee "$dir/result"
if [ -n "$keep" ]; then
    file=bench/runs/$(date +%F)-$name.txt
    count=2
    while [ -e "$file" ]; do
        file=bench/runs/$(date +%F)-$name-$count.txt
        count=$((count + 1))
    done
    {
        cat "$dir/result"
        echo '# round case name value unit'
        cat "$dir/raw"
    } >"$file"
    echo "kept in $file" >&2
fi
