#!/usr/bin/python3
"""Reads wrapped packets with scapy, which knows nothing of the director: one a line, `KIND INNER WRAPPED`, the packets in
hexadecimal from their IP headers on. KIND is ipip, gue, gue-sum, gre or gre-sum. Says how many were right, or what is wrong."""
import sys

from scapy.all import GRE, IP, UDP, IPv6, raw

GUE_PORT = 6080


def whole(data):
    """A packet of either family, whose lengths and header checksum are right."""
    if data[0] >> 4 == 6:
        packet = IPv6(data)
        assert packet.plen == len(data) - 40, "payload length"
        return packet, packet.nh, packet.hlim, packet.tc
    packet = IP(data)
    assert packet.len == len(data) and resummed(packet, IP) == packet.chksum, "length or checksum of the outer header"
    return packet, packet.proto, packet.ttl, packet.tos


def resummed(packet, layer):
    """The checksum that scapy gives a layer of a packet."""
    fresh = packet.copy()
    del fresh[layer].chksum
    return fresh.__class__(raw(fresh))[layer].chksum


def unwrapped(kind, data):
    packet, protocol, ttl, tos = whole(data)
    if kind == "ipip":
        assert protocol in (4, 41), protocol
        return protocol, raw(packet.payload), ttl, tos
    if kind.startswith("gre"):
        header = packet[GRE]
        assert bool(header.chksum_present) == kind.endswith("-sum"), "GRE flags"
        assert not header.chksum_present or resummed(packet, GRE) == header.chksum, "GRE checksum"
        return {0x0800: 4, 0x86DD: 41}[header.proto], raw(header.payload), ttl, tos
    datagram = packet[UDP]
    assert datagram.dport == GUE_PORT and datagram.sport >= 0x8000 and datagram.len == len(raw(datagram)), "UDP"
    assert datagram.chksum == (resummed(packet, UDP) if kind.endswith("-sum") else 0), "UDP checksum"
    header, inner = raw(datagram.payload)[:4], raw(datagram.payload)[4:]
    assert header[0] == 0 and header[2:] == b"\0\0", "GUE header"
    return header[1], inner, ttl, tos


count = 0
for line in sys.stdin:
    kind, inner, data = line.split()
    inner, data = bytes.fromhex(inner), bytes.fromhex(data)
    try:
        protocol, found, ttl, tos = unwrapped(kind, data)
        _, _, inner_ttl, inner_tos = whole(inner)
        assert found == inner, "what is inside"
        assert protocol == (41 if inner[0] >> 4 == 6 else 4), "what it says is inside"
        assert (ttl, tos) == (inner_ttl, inner_tos), "time to live, type of service"
    except (AssertionError, KeyError, IndexError) as wrong:
        sys.exit(f"{line.strip()}: {wrong!r}")
    count += 1
print(count)
