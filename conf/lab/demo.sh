#!/bin/sh
# The demo: a client, a director and three web servers on this machine, in network namespaces, without hugepages.
# Leaves nothing behind. It needs the packages of setup.sh, cargo, and root.
set -eu

cd "$(dirname "$0")/../.."
lab=conf/lab
name=sl-$$
vip=10.0.0.100
seconds=5
processes=
director=

bold=
plain=
if [ -t 1 ]; then
    bold=$(printf '\033[1m')
    plain=$(printf '\033[0m')
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    exit 1
}
show() { # COMMAND...: shows it as one would type it, and runs it
    echo "  \$ $*"
    "$@" | sed 's/^/  /'
}

ended() { # PID: waits up to three seconds
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.2
    done
    return 1
}
end() { # PID
    kill "$1" 2>/dev/null || return 0
    ended "$1" || kill -9 "$1" 2>/dev/null || true
}
clean_up() {
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    if [ "$status" -gt 0 ] && [ "$status" -lt 128 ] && [ -s "$dir/sluiced.log" ]; then
        printf '\nThe last words of sluiced:\n' >&2
        tail -n 20 "$dir/sluiced.log" | sed 's/^/  /' >&2
    fi
    for process in $director $processes; do
        end "$process"
    done
    $lab/net.sh down "$name" || true
    rm -rf "$dir"
    exit "$status"
}

[ "$(id -u)" = 0 ] || fail 'it makes network namespaces, so run it as root'

say 'Building sluiced and sluice'
cargo build --release --workspace --bins
built=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
PATH=$built:$PATH:/usr/sbin:/sbin

dir=$(mktemp -d /tmp/sluice-demo.XXXXXX)
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
SLUICE_SOCKET=$dir/control.sock
export SLUICE_SOCKET
RUNTIME_DIRECTORY=$dir # of DPDK
export RUNTIME_DIRECTORY

say 'The lab'
cat <<'END'

  client ----------- wan  [ sluiced ]  lan ------+--- rs1  10.1.0.11:8080  nginx
  10.0.0.254    10.0.0.1               10.1.0.1  +--- rs2  10.1.0.12:8080  nginx
           VIP 10.0.0.100:80                     +--- rs3  10.1.0.13:8080  nginx
END
$lab/net.sh sweep
$lab/net.sh up "$name"
# `ip netns exec` becomes the program it runs, so that $! is the program's own.
for number in 1 2 3; do
    mkdir "$dir/rs$number"
    sed "s|@NAME@|rs$number|; s|@DIR@|$dir/rs$number|" $lab/nginx.conf >"$dir/rs$number/nginx.conf"
    ip netns exec "$name-rs$number" nginx -e "$dir/rs$number/error.log" -c "$dir/rs$number/nginx.conf" &
    processes="$processes $!"
done

# The same file as in the repository, with a socket of its own; on a machine with one CPU the worker shares it.
sed "s|^socket = .*|socket = \"$SLUICE_SOCKET\"|" $lab/veth.toml >"$dir/veth.toml"
if [ "$(nproc)" = 1 ]; then sed -i 's/^workers = .*/workers = [0]/' "$dir/veth.toml"; fi
ip netns exec "$name-director" sluiced --config "$dir/veth.toml" 2>"$dir/sluiced.log" &
director=$!
tries=0
until sluice status >/dev/null 2>&1; do
    kill -0 $director 2>/dev/null || fail 'sluiced did not start'
    tries=$((tries + 1))
    [ $tries -lt 150 ] || fail 'sluiced did not come up in 30 seconds'
    sleep 0.2
done

say 'Pages through the virtual address'
echo
for _ in 1 2 3 4 5 6; do
    echo "  client \$ curl http://$vip/"
    ip netns exec "$name-client" curl -sS --noproxy "*" --max-time 10 http://$vip/ >"$dir/page" || fail 'no page came through'
    tee -a "$dir/pages" <"$dir/page" | sed 's/^/  /'
done
[ "$(sort -u "$dir/pages" | wc -l)" = 3 ] || fail 'not every server served'

say "$seconds seconds of load from 50 connections"
echo
echo "  client \$ wrk -t 1 -c 50 -d ${seconds}s http://$vip/"
ip netns exec "$name-client" timeout --foreground 30 wrk -t 1 -c 50 -d ${seconds}s http://$vip/ >"$dir/wrk" || fail 'wrk failed'
sed 's/^ */  /' "$dir/wrk"
if grep -qE 'Socket errors|Non-2xx' "$dir/wrk"; then fail 'some requests failed'; fi

say 'Who served how many pages'
echo
sleep 0.5 # until nginx has written its logs
cat "$dir"/rs?/access.log | wc -l >"$dir/all"
for number in 1 2 3; do
    served=$(wc -l <"$dir/rs$number/access.log")
    printf '  rs%s  %8d  %2d %%\n' $number "$served" $((served * 100 / $(cat "$dir/all")))
done

say 'The director, as ipvsadm shows it'
echo
show sluice ipvsadm -Ln
echo
show sluice ipvsadm -Ln --stats

say 'Its counters'
echo
show sluice stats

say 'It stops when told to'
echo
echo '  $ kill -TERM sluiced'
kill "$director"
status=0
ended "$director" || fail 'it does not end'
wait "$director" || status=$?
[ $status = 0 ] || fail "it ended with status $status"
[ ! -e "$SLUICE_SOCKET" ] || fail 'it left its socket behind'
echo '  exit status 0, the socket is gone'
director=

say 'From here to a real NIC'
cat <<'END'

  1. Hugepages:   echo 1024 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
  2. The NIC:     modprobe vfio-pci
                  dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0 0000:3b:00.1      (package dpdk)
                  dpdk-devbind.py --status shows the addresses; a bound port is no longer the kernel's.
                  Ports of Mellanox (mlx5) stay with their kernel driver and need no binding.
  3. The file:    cp conf/sluice.toml /etc/sluice/sluice.toml
                  device = "pci:0000:3b:00.0", your addresses, VIPs, services, and the CPUs of the workers
  4. Try it:      sluiced --config /etc/sluice/sluice.toml --check
  5. Run it:      sluiced --config /etc/sluice/sluice.toml
                  and everything you know of ipvsadm works as `sluice ipvsadm ...`

  docs/operating.md says the rest.
END
