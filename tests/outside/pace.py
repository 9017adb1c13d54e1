"""Packets at a steady pace, for tests that flood a director or count what it says.

pace.py udp RATE SECONDS ADDRESS:PORT...      empty datagrams to each in turn, from 64 ports in turn
pace.py syn RATE SECONDS SOURCE TARGET        SYNs to ports 20000 to 24095 of an address
pace.py large RATE SECONDS SOURCE TARGET      datagrams of 1450 bytes that must not be fragmented; prints how many were sent,
                                              and how many errors said "fragmentation needed"
"""

import socket
import struct
import sys
import time

DF = 0x4000


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, target, protocol, payload):
    """A packet; the kernel fills in its length, identification and header checksum."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, DF, 64, protocol, 0) + ends + payload


def syn(source, target, port):
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!HHIIBBHHH", 30000, port, port, 0, 5 << 4, 2, 65535, 0, 0)
    total = checksum(ends + struct.pack("!HH", 6, len(header)) + header)
    return ipv4(source, target, 6, header[:16] + struct.pack("!H", total) + header[18:])


def raw():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def pace(rate, seconds, send):
    """Calls `send` with 0, 1, 2, ... as often as it is due; returns how often."""
    begun, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        while sent < passed * rate:
            send(sent)
            sent += 1
        time.sleep(0.002)
    return sent


def main():
    mode, rate, seconds, *rest = sys.argv[1:]
    rate, seconds = float(rate), float(seconds)
    if mode == "udp":
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
        targets = [(address, int(port)) for address, port in (target.rsplit(":", 1) for target in rest)]
        pace(rate, seconds, lambda n: sockets[n // len(targets) % 64].sendto(b"", targets[n % len(targets)]))
        return
    source, target = rest
    if mode == "syn":
        packets = [syn(source, target, 20000 + n) for n in range(4096)]
        out = raw()
        pace(rate, seconds, lambda n: out.sendto(packets[n % 4096], (target, 0)))
        return
    heard = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    heard.settimeout(1)
    packet = ipv4(source, target, 17, struct.pack("!HHHH", 30000, 9, 1430, 0) + bytes(1422))
    out = raw()
    sent = pace(rate, seconds, lambda _: out.sendto(packet, (target, 0)))
    told = 0
    try:
        while True:
            message = heard.recv(2048)[20:]
            told += message[:2] == b"\x03\x04"
    except socket.timeout:
        print(sent, told)


main()
