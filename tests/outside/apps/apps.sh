#!/bin/sh
# Real applications, as the tests use them. Servers run in the foreground; those that would answer datagrams from another
# address than they were asked at listen on the one that is given.
#
#   apps.sh APP ports                       prints what they listen on: tcp:6379
#   apps.sh APP needs                       says what is missing here, if anything is
#   apps.sh APP serve DIRECTORY ADDRESS     the server
#   apps.sh APP ask ADDRESS DIRECTORY SECONDS
#                                           the client; prints
#                                             content TEXT        equal, whatever lies between
#                                             figure NUMBER UNIT  how much came through, in about so many seconds (0: of
#                                                                 redis and postgres the content alone)
#                                             lost PART OF        what did not come, where the application bears that
set -eu

here=$(cd "$(dirname "$0")" && pwd)
app=$1
verb=$2
PATH=$PATH:/usr/sbin:/sbin
for directory in /usr/lib/postgresql/*/bin; do PATH=$directory:$PATH; done

missing() { # COMMAND...
    for command in "$@"; do
        command -v "$command" >/dev/null || echo "$command is not installed"
    done
}
python_with() { # MODULE: a python that has it
    for python in /usr/bin/python3 python3; do
        if "$python" -c "import $1" 2>/dev/null; then echo "$python" && return; fi
    done
    echo "no python3 has the module $1" >&2
    return 1
}
digest() { sha256sum | cut -c 1-16; }
content() { echo "content $1"; }
figure() { echo "figure $1 $2"; }
lines() { # COUNT FORMAT: FORMAT is of printf, with the number of the line twice
    awk -v count="$1" -v format="$2\n" 'BEGIN { for (n = 1; n <= count; n++) printf format, n, n }'
}
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }

redis_ports() { echo tcp:6379; }
redis_needs() { missing redis-server redis-cli redis-benchmark; }
redis_serve() {
    exec redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --appendonly no --dir "$1"
}
redis_ask() {
    lines 10000 'SET key:%d value-%d' | redis-cli -h "$1" --pipe >"$2/piped"
    grep -q 'errors: 0, replies: 10000' "$2/piped"
    # shellcheck disable=SC2046 # a list of words
    content "$(redis-cli -h "$1" MGET $(lines 10000 'key:%d') | digest)"
    [ "$3" != 0 ] || return 0
    requests=$(($3 * 20000))
    redis-benchmark -h "$1" -t get -n $requests -P 16 -c 20 --csv >"$2/benchmark"
    figure "$(tail -n 1 "$2/benchmark" | cut -d '"' -f 4)" requests/s
}

postgres_ports() { echo tcp:5432; }
postgres_needs() { missing initdb postgres psql pgbench; }
postgres_serve() {
    mkdir -p "$1/data"
    chown postgres "$1/data"
    cd /
    as_postgres initdb -A trust -N -D "$1/data" -E UTF8 --locale=C
    echo 'host all all 0.0.0.0/0 trust' >>"$1/data/pg_hba.conf"
    # Killed, it would leave its shared memory behind.
    exec setpriv --pdeathsig INT --reuid postgres --regid postgres --clear-groups \
        postgres -D "$1/data" -c listen_addresses='*' -c unix_socket_directories= -c fsync=off
}
postgres_ask() {
    sql() { psql -X -q -h "$address" -U postgres "$@"; }
    address=$1
    until sql -c 'select 1' >/dev/null 2>&1; do sleep 0.1; done
    sql -c 'drop table if exists rows; create table rows (n int primary key, text text)'
    lines 10000 '%d	row %d' | sql -c 'copy rows from stdin'
    content "$(sql -c 'copy (select n, text, md5(text) from rows order by n) to stdout' | digest)"
    [ "$3" != 0 ] || return 0
    pgbench -i -q -h "$1" -U postgres postgres >/dev/null 2>&1
    pgbench -n -h "$1" -U postgres -c 4 -j 1 -T "$3" postgres >"$2/pgbench" 2>/dev/null
    grep -q 'failed transactions: 0 ' "$2/pgbench"
    figure "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$2/pgbench")" transactions/s
}

iperf_tcp_ports() { echo tcp:5201; }
iperf_tcp_needs() { missing iperf3; }
iperf_tcp_serve() { exec iperf3 -s -B "$2"; }
iperf_tcp_ask() {
    iperf3 -c "$1" -t "$3" -f m >"$2/iperf"
    content whole
    figure "$(sed -n 's/.* \([0-9.]*\) Mbits.*receiver/\1/p' "$2/iperf")" Mbit/s
}

iperf_udp() { # ADDRESS DIRECTORY SECONDS BYTES
    iperf3 -c "$1" -u -b 100M -l "$4" -t "$3" -f m >"$2/iperf"
    content whole
    figure "$(sed -n 's/.* \([0-9.]*\) Mbits.*receiver/\1/p' "$2/iperf")" Mbit/s
    sed -n 's|.* \([0-9]*\)/\([0-9]*\) (.*receiver.*|lost \1 \2|p' "$2/iperf"
}
iperf_udp_ports() { echo tcp:5201 udp:5201; }
iperf_udp_needs() { missing iperf3; }
iperf_udp_serve() { exec iperf3 -s -B "$2"; }
iperf_udp_ask() { iperf_udp "$@" 1400; }
iperf_large_ports() { iperf_udp_ports; }
iperf_large_needs() { missing iperf3; }
iperf_large_serve() { exec iperf3 -s -B "$2"; }
iperf_large_ask() { iperf_udp "$@" 8000; }

nginx_serve() { # DIRECTORY LISTEN MORE
    mkdir -p "$1/www"
    lines 300000 'line %d of the page, and again %d' >"$1/www/large"
    echo small >"$1/www/small"
    cat >"$1/nginx.conf" <<END
daemon off; master_process off; pid $1/pid; error_log $1/error.log;
events { worker_connections 1024; }
http {
    access_log off; client_body_temp_path $1/body; proxy_temp_path $1/proxy; fastcgi_temp_path $1/fastcgi;
    uwsgi_temp_path $1/uwsgi; scgi_temp_path $1/scgi; keepalive_requests 100000000;
    server { listen $2; root $1/www; $3 }
}
END
    exec nginx -e "$1/error.log" -c "$1/nginx.conf"
}
http1_ports() { echo tcp:8088; }
http1_needs() { missing nginx wrk curl; }
http1_serve() { nginx_serve "$1" 8088 ''; }
http1_ask() {
    content "$(curl -sSf --noproxy '*' --max-time 20 "http://$1:8088/large" | digest)"
    wrk -t 1 -c 20 -d "$3s" "http://$1:8088/small" >"$2/wrk"
    if grep -qE 'Socket errors|Non-2xx' "$2/wrk"; then cat "$2/wrk" >&2 && exit 1; fi
    figure "$(sed -n 's|^Requests/sec: *||p' "$2/wrk")" requests/s
}
http2_ports() { echo tcp:8443; }
http2_needs() { missing nginx curl openssl; }
http2_serve() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab \
        -keyout "$1/key" -out "$1/cert" 2>/dev/null
    nginx_serve "$1" '8443 ssl http2' "ssl_certificate $1/cert; ssl_certificate_key $1/key;"
}
http2_ask() {
    content "$(curl -sSfk --http2 --noproxy '*' --max-time 20 "https://$1:8443/large" | digest)"
    [ "$(curl -sSfk --http2 --noproxy '*' -o /dev/null -w '%{http_version}' "https://$1:8443/small")" = 2 ]
    requests=$(($3 * 1000))
    begun=$(date +%s%N)
    curl -sSfk --http2 --noproxy '*' -Z --parallel-max 50 "https://$1:8443/small?[1-$requests]" >"$2/pages"
    took=$(($(date +%s%N) - begun))
    [ "$(grep -c small "$2/pages")" = $requests ]
    figure $((requests * 1000000000 / took)) requests/s
}

dns_ports() { echo udp:53 tcp:53; }
dns_needs() { missing dnsmasq dig; }
dns_serve() {
    set -- # a name whose answer has 3,600 bytes
    for n in $(seq 1 18); do set -- "$@" "--txt-record=large.test,$(printf '%0190d' "$n")"; done
    exec dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= --edns-packet-max=4096 \
        --synth-domain=small.test,10.9.0.0/16 "$@"
}
dns_ask() {
    content "$(dig "@$1" +bufsize=4096 +notcp +ignore +short +tries=3 +timeout=3 large.test TXT | sort | digest)"
    lines $(($3 * 200)) '%d %d' | awk '{ print "10.9." int($1 / 250) "." $1 % 250 }' | sort >"$2/wanted"
    sed 's/\./-/g; s/$/.small.test A +short/' "$2/wanted" >"$2/questions"
    begun=$(date +%s%N)
    dig "@$1" +tries=1 +timeout=2 -f "$2/questions" >"$2/said" || true
    took=$(($(date +%s%N) - begun))
    grep -v '^;' "$2/said" | sort >"$2/answers"
    # Each question has an answer of its own: one that nobody asked for, or that came twice, is wrong.
    if comm -13 "$2/wanted" "$2/answers" | grep .; then exit 1; fi
    answered=$(wc -l <"$2/answers")
    figure $((answered * 1000000000 / took)) answers/s
    echo "lost $(($3 * 200 - answered)) $(($3 * 200))"
}

sip_ports() { echo udp:5060; }
sip_needs() { missing sipp; }
sip_serve() {
    cd "$1"
    exec sipp -sn uas -i "$2" -p 5060 -nostdin
}
sip_ask() {
    cd "$2"
    calls=$(($3 * 50))
    begun=$(date +%s%N)
    timeout 60 sipp -sn uac -d 10 -r 100 -m $calls -nostdin -trace_stat -stf "$2/calls" "$1" >"$2/sipp" 2>&1 || true
    took=$(($(date +%s%N) - begun))
    content whole
    # The 16th and 18th columns: calls that succeeded and failed so far.
    good=$(tail -n 1 "$2/calls" | cut -d ';' -f 16)
    figure $((good * 1000000000 / took)) calls/s
    echo "lost $((calls - good)) $calls"
}

ssh_ports() { echo tcp:2222; }
ssh_needs() { missing sshd ssh ssh-keygen unshare; }
# One key for both servers and the client: a directory that takes its name whole, and keeps it.
ssh_key() { # DIRECTORY
    mkdir "$1/key"
    ssh-keygen -q -t ed25519 -N '' -f "$1/key/id" </dev/null
    mv -nT "$1/key" "$1/../key" || true
    [ -e "$1/../key/id.pub" ]
}
ssh_serve() {
    lines 300000 'line %d of the file, and again %d' >"$1/file"
    ssh-keygen -q -t ed25519 -N '' -f "$1/host" </dev/null
    ssh_key "$1"
    cp "$1/../key/id.pub" "$1/allowed"
    # It wants its directory in /run, and gets one that nobody else sees.
    # shellcheck disable=SC2016 # the inner shell's
    exec unshare --mount sh -c 'mount -t tmpfs -o mode=755 run /run && mkdir /run/sshd && exec "$@"' sh \
        "$(command -v sshd)" -D -e -p 2222 -h "$1/host" -o UsePAM=no -o StrictModes=no \
        -o "AuthorizedKeysFile=$1/allowed" -o PermitRootLogin=yes -o "ForceCommand=cat $1/file" -o PidFile=none
}
ssh_ask() {
    get() {
        ssh -q -p 2222 -i "$2/../key/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
            -o BatchMode=yes "root@$1" </dev/null
    }
    content "$(get "$@" | digest)"
    begun=$(date +%s%N)
    for _ in $(seq 1 $(($3 * 2))); do get "$@" | wc -c; done >"$2/bytes"
    took=$(($(date +%s%N) - begun))
    figure $(($(awk '{ sum += $1 } END { printf "%d", sum }' "$2/bytes") * 8000 / took)) Mbit/s
}

rsync_ports() { echo tcp:8873; }
rsync_needs() { missing rsync; }
rsync_serve() {
    mkdir -p "$1/tree"
    for n in $(seq 1 200); do lines 2000 "file $n, line %d and %d" >"$1/tree/$n"; done
    printf 'use chroot = no\nuid = root\ngid = root\n[tree]\npath = %s\n' "$1/tree" >"$1/rsyncd.conf"
    exec rsync --daemon --no-detach --port 8873 --config "$1/rsyncd.conf"
}
rsync_ask() {
    begun=$(date +%s%N)
    for n in $(seq 1 "$3"); do rsync -a "rsync://$1:8873/tree/" "$2/copy$n/"; done
    took=$(($(date +%s%N) - begun))
    content "$(cat "$2/copy$3"/* | digest)"
    figure $(($(cat "$2"/copy*/* | wc -c) * 8000 / took)) Mbit/s
    rm -rf "$2"/copy*
}

grpc_ports() { echo tcp:5005; }
grpc_needs() { python_with grpc 2>&1 >/dev/null || true; }
quic_ports() { echo udp:4433; }
quic_needs() { python_with aioquic 2>&1 >/dev/null || true; missing openssl; }
smtp_ports() { echo tcp:2525; }
smtp_needs() { python_with aiosmtpd 2>&1 >/dev/null || true; }
quic_serve() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout "$1/key" -out "$1/cert" 2>/dev/null
    exec "$(python_with aioquic)" -B "$here/quic.py" serve "$@"
}
quic_ask() { exec "$(python_with aioquic)" -B "$here/quic.py" ask "$@"; }
grpc_serve() { exec "$(python_with grpc)" -B "$here/grpc_app.py" serve "$1"; }
grpc_ask() { exec "$(python_with grpc)" -B "$here/grpc_app.py" ask "$@"; }
smtp_serve() { exec "$(python_with aiosmtpd)" -B "$here/smtp.py" serve "$1"; }
smtp_ask() { exec "$(python_with aiosmtpd)" -B "$here/smtp.py" ask "$@"; }

shift 2
"$(echo "$app" | tr - _)_$verb" "$@"
