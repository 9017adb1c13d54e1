#!/bin/sh
# sluiced against testpmd, over vhost-user: what stands in the director's place has the vhost side and copies every frame,
# the generator has the virtio side. Options and method: rig.sh.
set -eu

# shellcheck disable=SC2034 # of the result
name=vhost
director_device() { echo "vhost:$1"; }
testpmd_device() { echo "net_vhost$1,iface=$2"; }
generator_device() { echo "virtio_user:$1,queue_size=1024,packed_vq=1"; }

# shellcheck source=bench/rig/rig.sh
. "$(dirname "$0")/rig.sh"
