#!/usr/bin/env python3
"""A VLAN device for kernels without any: tagger.py DEVICE VLAN NAME makes a TAP device NAME with DEVICE's address. What is
sent by it leaves DEVICE with a tag; what comes by DEVICE with that tag is received by it, without.
"""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
VLAN_VALID = 0x10
ETH_P_ALL, TPID = 3, 0x8100


def vlan_of(ancillary):
    """The kernel takes tags out of frames, and tells of them beside."""
    for level, kind, data in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", data[:20])
            return tag & 0xFFF if status & VLAN_VALID else None
    return None


def main(device, vlan, name):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind((device, ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    mac = open(f"/sys/class/net/{device}/address").read().strip()
    os.system(f"ip link set {name} address {mac} up")
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([wire, tap], [], [])
        if wire in ready:
            frame, ancillary, _, sender = wire.recvmsg(65535, 256)
            if sender[2] != PACKET_OUTGOING and vlan_of(ancillary) == vlan:
                os.write(tap, frame)
        if tap in ready:
            frame = os.read(tap, 65535)
            wire.send(frame[:12] + struct.pack("!HH", TPID, vlan) + frame[12:])


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
