#!/bin/sh
# Installs what the demo and the tests need and a fresh Debian 12 lacks. Says nothing and is quick when all is there.
# Words are further commands, and their packages where these have another name: conf/lab/setup.sh valgrind dig=bind9-dnsutils
set -eu

# The commands of a package, and the package.
commands='
cc          gcc
clang       clang
pkg-config  pkg-config
ip          iproute2
ethtool     ethtool
sysctl      procps
setpriv     util-linux
ping        iputils-ping
nginx       nginx-light
wrk         wrk
curl        curl
dnsmasq     dnsmasq-base
dig         bind9-dnsutils
tcpdump     tcpdump
vsftpd      vsftpd
scapy       python3-scapy
dpdk-testpmd dpdk-dev
'
for command in "$@"; do
    commands="$commands${command%%=*} ${command##*=}
"
done

missing() {
    echo "$commands" | while read -r command package; do
        if [ -n "$command" ] && ! command -v "$command" >/dev/null; then echo "$package"; fi
    done
    [ -e /usr/include/stdlib.h ] || echo libc6-dev
    # It brings every driver as a plug-in; the lab loads librte_net_af_packet.so.
    pkg-config --exists libdpdk 2>/dev/null || echo libdpdk-dev
    if ! ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1; then echo libclang-dev; fi
}

# Packages may not start the services they bring: the lab runs its own. A policy that is there already stays.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
}

PATH=$PATH:/usr/sbin:/sbin
packages=$(missing)
if [ -z "$packages" ]; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
    echo "setup: run as root, or install these: $(echo "$packages" | xargs)" >&2
    exit 1
fi
# Servers of packages, and their services.
services='nginx=nginx redis-server=redis-server pg_ctlcluster=postgresql sshd=ssh rsync=rsync'
fresh=
for service in $services; do
    if ! command -v "${service%%=*}" >/dev/null; then fresh="$fresh ${service##*=}"; fi
done
echo "setup: installing $(echo "$packages" | xargs)"
forbid_services
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -qq -y -o DPkg::Lock::Timeout=120 --no-install-recommends $packages >/dev/null
# Nor at the next start of the machine.
if [ -d /run/systemd/system ]; then
    for service in $fresh; do systemctl --quiet disable "$service" 2>/dev/null || true; done
fi
