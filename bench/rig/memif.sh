#!/bin/sh
# sluiced against testpmd, over memif: both ends copy every frame once. Options and method: rig.sh.
set -eu

# shellcheck disable=SC2034 # of the result
name=memif
director_device() { echo "memif:$1,role=server"; }
testpmd_device() { echo "net_memif$1,role=server,socket=$2,socket-abstract=no"; }
generator_device() { echo "memif:$1,role=client"; }

# shellcheck source=bench/rig/rig.sh
. "$(dirname "$0")/rig.sh"
