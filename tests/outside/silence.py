"""How long a director is silent: silence.py DIRECTOR BEHIND

Asks who has the director's address (ARP) and sends an echo request to a host behind it, each a few hundred times a second,
until it is interrupted. Then it prints the longest times without an answer of each kind in milliseconds, and the answers:
arp MS COUNT echo MS COUNT
"""

import select
import signal
import socket
import struct
import sys
import time

INTERFACE = "eth0"
PERIOD = 0.003


def address_of(wire):
    """The MAC of the interface, and its first IPv4 address."""
    import fcntl

    query = struct.pack("256s", INTERFACE.encode())
    ipv4 = fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8915, query)[20:24]
    return wire.getsockname()[4], ipv4


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Kind:
    """Answers of one kind."""

    def __init__(self):
        self.last, self.longest, self.count = time.monotonic(), 0.0, 0

    def hear(self, now):
        self.longest, self.last, self.count = max(self.longest, now - self.last), now, self.count + 1

    def end(self, now):
        return f"{max(self.longest, now - self.last) * 1000:.1f} {self.count}"


def main(director, behind):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    wire.bind((INTERFACE, 0x0806))
    mac, own = address_of(wire)
    ask = b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    ask += mac + own + bytes(6) + socket.inet_aton(director)
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    echo = struct.pack("!BBHHH", 8, 0, 0, 0x5117, 1)
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    over = []
    signal.signal(signal.SIGINT, lambda *_: over.append(True))
    arp, echoes, due = Kind(), Kind(), time.monotonic()
    print("begins", flush=True)
    while not over:
        now = time.monotonic()
        if now >= due:
            due = now + PERIOD
            wire.send(ask)
            icmp.sendto(echo, (behind, 0))
        ready, _, _ = select.select([wire, icmp], [], [], max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if wire in ready:
            frame = wire.recv(2048)
            if frame[20:22] == b"\x00\x02" and frame[28:32] == socket.inet_aton(director):
                arp.hear(now)
        if icmp in ready:
            packet = icmp.recv(2048)
            if packet[20] == 0 and packet[24:26] == b"\x51\x17":
                echoes.hear(now)
    now = time.monotonic()
    print("arp", arp.end(now), "echo", echoes.end(now), flush=True)


main(*sys.argv[1:])
