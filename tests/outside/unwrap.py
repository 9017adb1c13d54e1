#!/usr/bin/env python3
"""The server's end of a tunnel, for kernels without tunnel devices: unwrap.py KIND, where KIND is ipip, gre or gue.

What arrives is received by the kernel's own sockets, which check the outer header (and GUE's UDP checksum), and what was
inside is given back to the kernel by a TUN device, so that the whole of its stack judges the inner packet.
"""
import fcntl
import os
import socket
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
GUE_PORT = 6080


def checksum_right(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def behind_outer(packet):
    return packet[(packet[0] & 15) * 4 :]


def ipip(packet):
    return behind_outer(packet)


def gre(packet):
    payload = behind_outer(packet)
    flags, protocol = struct.unpack("!HH", payload[:4])
    assert protocol == 0x0800 and flags in (0, 0x8000), payload[:8].hex()
    assert not flags or checksum_right(payload), "GRE checksum"
    return payload[8 if flags else 4 :]


def gue(payload):
    assert payload[:4] == bytes([0, 4, 0, 0]), payload[:4].hex()
    return payload[4:]


def main(kind):
    if kind == "gue":
        arrives = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        arrives.bind(("", GUE_PORT))
    else:
        arrives = socket.socket(socket.AF_INET, socket.SOCK_RAW, {"ipip": 4, "gre": 47}[kind])
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"end", IFF_TUN | IFF_NO_PI))
    os.system("ip link set end up")
    print("ready", flush=True)
    unwrap = {"ipip": ipip, "gre": gre, "gue": gue}[kind]
    while True:
        os.write(device, unwrap(arrives.recv(65535)))


main(sys.argv[1])
