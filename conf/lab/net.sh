#!/bin/sh
# The lab's network: six namespaces whose names begin with NAME, so that labs beside each other do not clash.
#
#   NAME-client                    NAME-director             NAME-switch           NAME-rs1, -rs2, -rs3
#   eth0 10.0.0.254/24 -- [br1] -- wan        lan ------- trunk [br0] p1, p2, p3 - eth0 10.1.0.11, .12, .13 /24
#                           |      (sluice owns both)                              default via 10.1.0.1
#                           '----------------------------------- f1, f2, f3 ------ eth1, for servers that answer clients
#                                                                                  themselves; no address yet
#
#   net.sh up NAME      makes it; NAME is sl-PID or sl-PID-ANYTHING, where PID is the process that the lab belongs to
#   net.sh down NAME    removes it; the processes inside are their owner's business
#   net.sh sweep        removes the labs of processes that are gone
#
# The kernel sees every frame of the director's interfaces too, so there they have no addresses, no ARP, no IPv6. Offloads
# are off wherever a frame enters a veth: af_packet shows frames as they are, half-made checksums and all.
set -eu

plain() { # NAMESPACE INTERFACE: frames as a cable would carry them
    ip netns exec "$1" ethtool -K "$2" rx off tx off tso off gso off gro off >/dev/null
    ip -n "$1" link set "$2" mtu 1500 up
}

namespace() { # NAMESPACE
    ip netns add "$1"
    # A kernel without IPv6 has nothing to turn off.
    ip netns exec "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true
    ip -n "$1" link set lo up
}

up() { # NAME
    for host in client director switch rs1 rs2 rs3; do
        namespace "$1-$host"
    done

    ip -n "$1-switch" link add br1 type bridge mcast_snooping 0
    ip -n "$1-switch" link set br1 up
    ip -n "$1-switch" link add client type veth peer name eth0 netns "$1-client"
    ip -n "$1-switch" link add out type veth peer name wan netns "$1-director"
    for port in client out; do
        plain "$1-switch" "$port"
        ip -n "$1-switch" link set "$port" master br1
    done
    ip -n "$1-switch" link add trunk type veth peer name lan netns "$1-director"
    for interface in wan lan; do
        ip -n "$1-director" link set "$interface" arp off
        plain "$1-director" "$interface"
    done
    ip netns exec "$1-director" sysctl -qw net.ipv4.ip_forward=0

    plain "$1-client" eth0
    ip -n "$1-client" address add 10.0.0.254/24 dev eth0
    ip -n "$1-client" route add 10.1.0.0/24 via 10.0.0.1

    ip -n "$1-switch" link add br0 type bridge mcast_snooping 0
    ip -n "$1-switch" link set br0 up
    plain "$1-switch" trunk
    ip -n "$1-switch" link set trunk master br0
    for number in 1 2 3; do
        ip -n "$1-switch" link add "p$number" type veth peer name eth0 netns "$1-rs$number"
        plain "$1-switch" "p$number"
        ip -n "$1-switch" link set "p$number" master br0
        plain "$1-rs$number" eth0
        ip -n "$1-rs$number" address add "10.1.0.1$number/24" dev eth0
        ip -n "$1-rs$number" route add default via 10.1.0.1
        ip -n "$1-switch" link add "f$number" type veth peer name eth1 netns "$1-rs$number"
        plain "$1-switch" "f$number"
        ip -n "$1-switch" link set "f$number" master br1
        plain "$1-rs$number" eth1
    done
}

down() { # NAME
    for host in client director switch rs1 rs2 rs3; do
        if [ -e "/run/netns/$1-$host" ]; then
            ip netns delete "$1-$host"
        fi
    done
}

sweep() {
    for namespace in /run/netns/sl-*-*; do
        name=${namespace##*/}
        owner=${name#sl-}
        owner=${owner%%-*}
        case $owner in
            '' | *[!0-9]*) ;;
            *) [ -e "/proc/$owner" ] || ip netns delete "$name" 2>/dev/null || true ;;
        esac
    done
}

case "${1-} $#" in
    'up 2' | 'down 2') "$1" "$2" ;;
    'sweep 1') sweep ;;
    *)
        echo "usage: $0 up NAME | down NAME | sweep" >&2
        exit 2
        ;;
esac
