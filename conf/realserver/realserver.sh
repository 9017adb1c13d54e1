#!/bin/sh
# Makes a Linux host a real server for direct routing or tunnels: it holds virtual addresses, and does not answer ARP for them.
#
#   realserver.sh dr start VIP...     VIP on lo
#   realserver.sh tun start VIP...    VIP on tunl0 (IP in IP), an IPv6 one on ip6tnl0; DEVICE=NAME names another
#   realserver.sh stop [VIP...]       takes these away, or all; with the last one everything is as it was before
#   realserver.sh status              0 all is as it should be, 1 something is not, 3 not started
#
# What it changes, and remembers in /run/sluice-realserver (STATE=DIRECTORY names another) until the last `stop`:
#
#   the address, as one host            /32 or /128: no route to others comes with it
#   net.ipv4.conf.all.arp_ignore = 1    ARP is answered for addresses of the interface that it came by, not for those of lo
#   net.ipv4.conf.all.arp_announce = 2  ARP is never asked in the name of VIP
#   tun: the device is up; net.ipv4.conf.DEVICE.rp_filter = 2, since clients' packets come out of the tunnel but are
#        answered by the default route
#
# `all` stands for every interface: of the two values of a setting, the higher one counts. Starting twice is starting once,
# and so is stopping. Addresses that were there before are left alone. IPv6 needs no settings: an address of lo is not
# answered for elsewhere.
set -eu

state=${STATE:-/run/sluice-realserver}
sysctl=/proc/sys/net/ipv4/conf

fail() { # TEXT
    echo "realserver.sh: $1" >&2
    exit 1
}

usage() {
    echo "usage: $0 dr|tun start VIP... | stop [VIP...] | status" >&2
    exit 2
}

is_v6() { # VIP
    case $1 in *:*) ;; *) return 1 ;; esac
}

has() { # VIP DEVICE
    if is_v6 "$1"; then family=-6; else family=-4; fi
    [ -n "$(ip "$family" -o address show dev "$2" to "$1" 2>/dev/null)" ]
}

setting() { # FILE VALUE [OTHER VALUE THAT WILL DO]...: writes the first, and remembers what was there
    file=$1 wanted=$2
    old=$(cat "$file") || fail "cannot read $file"
    shift
    for value in "$@"; do
        [ "$old" != "$value" ] || return 0
    done
    grep -qs "^$file " "$state/settings" || echo "$file $old" >>"$state/settings"
    echo "$wanted" 2>/dev/null >"$file" || fail "cannot write $wanted to $file"
}

tunnel_device() { # VIP
    if [ -n "${DEVICE-}" ]; then
        echo "$DEVICE"
    elif is_v6 "$1"; then
        echo ip6tnl0
    else
        echo tunl0
    fi
}

open_tunnel() { # DEVICE
    case $1 in
        tunl0) module=ipip ;;
        ip6tnl0) module=ip6_tunnel ;;
        *) module= ;;
    esac
    if [ ! -e "$sysctl/$1" ] && [ -n "$module" ]; then
        modprobe "$module" 2>/dev/null || true
    fi
    [ -e "$sysctl/$1" ] || fail "there is no device $1${module:+; its module is $module}"
    if ! ip -o link show dev "$1" up | grep -q .; then
        echo "$1" >>"$state/links"
        ip link set dev "$1" up || fail "cannot set $1 up"
    fi
    setting "$sysctl/$1/rp_filter" 2
}

hold() { # METHOD VIP
    device=lo
    [ "$1" = dr ] || device=$(tunnel_device "$2")
    [ "$1" = dr ] || open_tunnel "$device"
    if has "$2" "$device"; then
        # Made by others, unless it is in the list: held as well, and left there.
        grep -qs "^$2 " "$state/addresses" || echo "$2 $device found" >>"$state/addresses"
        return
    fi
    forget "$2"
    echo "$2 $device ours" >>"$state/addresses"
    if is_v6 "$2"; then
        ip address add "$2/128" dev "$device" nodad || refused "$2" "$device"
    else
        ip address add "$2/32" dev "$device" || refused "$2" "$device"
    fi
}

refused() { # VIP DEVICE
    forget "$1"
    fail "cannot add $1 to $2"
}

forget() { # VIP
    touch "$state/addresses"
    grep -v "^$1 " "$state/addresses" >"$state/addresses.new" || true
    mv "$state/addresses.new" "$state/addresses"
}

start() { # METHOD VIP...
    method=$1
    shift
    mkdir -p "$state" || fail "cannot make $state"
    # Where not even the first address can be held, nothing stays changed.
    trap '[ -s "$state/addresses" ] || restore' EXIT
    # Before the address is there: nothing may be announced.
    setting "$sysctl/all/arp_ignore" 1 1 2 8
    setting "$sysctl/all/arp_announce" 2
    for vip in "$@"; do
        hold "$method" "$vip"
    done
}

stop() { # [VIP...]
    [ -d "$state" ] || return 0
    touch "$state/addresses"
    # shellcheck disable=SC2046 # addresses are words
    [ $# -gt 0 ] || set -- $(cut -d' ' -f1 "$state/addresses")
    for vip in "$@"; do
        # shellcheck disable=SC2046 # a device, and whose work the address is
        set -- $(sed -n "s|^$vip ||p" "$state/addresses")
        [ $# -gt 0 ] || continue
        device=$1 whose=$2
        length=32
        ! is_v6 "$vip" || length=128
        if [ "$whose" = ours ] && has "$vip" "$device"; then
            ip address del "$vip/$length" dev "$device" || fail "cannot take $vip from $device"
        fi
        forget "$vip"
    done
    [ -s "$state/addresses" ] || restore
}

restore() {
    if [ -e "$state/links" ]; then
        while read -r device; do
            ip link set dev "$device" down || true
        done <"$state/links"
    fi
    if [ -e "$state/settings" ]; then
        while read -r file old; do
            [ ! -e "$file" ] || echo "$old" >"$file" || fail "cannot write $old to $file"
        done <"$state/settings"
    fi
    rm -f "$state/addresses" "$state/links" "$state/settings"
    rmdir "$state" 2>/dev/null || true
}

check() { # WHAT FILE VALUE...
    what=$1 found=$(cat "$2" 2>/dev/null || echo nothing)
    shift 2
    for value in "$@"; do
        if [ "$found" = "$value" ]; then
            echo "$what is $found"
            return
        fi
    done
    echo "$what is $found, and should be $1"
    code=1
}

status() {
    if [ ! -s "$state/addresses" ]; then
        echo "not started"
        exit 3
    fi
    code=0
    while read -r vip device whose; do
        if has "$vip" "$device"; then
            echo "$vip is on $device$([ "$whose" = ours ] || echo ', as it was before')"
        else
            echo "$vip is not on $device, and should be"
            code=1
        fi
        if [ "$device" != lo ]; then
            check "rp_filter of $device" "$sysctl/$device/rp_filter" 2
        fi
    done <"$state/addresses"
    check arp_ignore "$sysctl/all/arp_ignore" 1 2 8
    check arp_announce "$sysctl/all/arp_announce" 2
    exit $code
}

wants_addresses() { # VIP...
    for vip in "$@"; do
        case $vip in
            '' | *[!0-9a-fA-F.:]*) fail "\"$vip\" is not an address as 10.0.0.100 or fd00::100" ;;
        esac
        ip route get "$vip" >/dev/null 2>&1 || case $? in
            1) fail "\"$vip\" is not an address as 10.0.0.100 or fd00::100" ;;
        esac
    done
}

may() {
    [ "$(id -u)" = 0 ] || fail "must be run by root"
    command -v ip >/dev/null || fail "ip is not installed; it comes with iproute2"
}

case "${1-} ${2-}" in
    'dr start' | 'tun start')
        [ $# -gt 2 ] || usage
        may
        method=$1
        shift 2
        wants_addresses "$@"
        start "$method" "$@"
        ;;
    'stop '*)
        may
        shift
        wants_addresses "$@"
        stop "$@"
        ;;
    'status ') status ;;
    *) usage ;;
esac
