#!/usr/bin/env python3
"""A flood from sources that nobody has: flood.py KIND PORT SECONDS RATE, where KIND is syn or udp.

Sends frames of its own making to 10.0.0.100:PORT, RATE a second, from addresses of 198.18.0.0/15 (RFC 2544), and says how
many it has sent. Whose MAC the virtual address has is known from a packet that went there before.
"""
import random
import socket
import struct
import sys
import time

VIP = "10.0.0.100"
FRAMES = 20_000


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def mac_of(address):
    with open("/proc/net/arp", encoding="ascii") as entries:
        macs = [entry.split()[3] for entry in entries if entry.split()[0] == address]
    return bytes.fromhex(macs[0].replace(":", ""))


def syn(source, target, sport, port):
    pseudo = source + target + struct.pack("!BBH", 0, 6, 20)
    header = struct.pack("!HHIIBBHHH", sport, port, random.getrandbits(32), 0, 0x50, 2, 64240, 0, 0)
    return header[:16] + struct.pack("!H", checksum(pseudo + header)) + header[18:]


def udp(_source, _target, sport, port):
    return struct.pack("!HHHH", sport, port, 11, 0) + b"???"


def frame(kind, ethernet, port):
    transport = {"syn": syn, "udp": udp}[kind]
    source = struct.pack("!I", 0xC6120000 | random.getrandbits(17))
    target = socket.inet_aton(VIP)
    segment = transport(source, target, random.randrange(1024, 65536), port)
    protocol = 6 if kind == "syn" else 17
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, protocol, 0) + source + target
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return ethernet + header + segment


def main(kind, port, seconds, rate):
    random.seed(7)
    ethernet = mac_of(VIP) + bytes.fromhex("020000000066") + b"\x08\x00"
    frames = [frame(kind, ethernet, port) for _ in range(FRAMES)]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("eth0", 0))
    start, sent = time.monotonic(), 0
    print("begins", flush=True)
    while (passed := time.monotonic() - start) < seconds:
        while sent < passed * rate:
            try:
                wire.send(frames[sent % FRAMES])
            except OSError:
                pass  # a full queue: it would be lost on a wire, too
            sent += 1
        time.sleep(0.001)
    print("sent", sent, flush=True)


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
