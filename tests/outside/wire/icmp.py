"""ICMP errors about packets of connections, from servers, clients and routers. See peer.py."""
from peer import *

# Port unreachable, time exceeded, and too large with the MTU that a router names: type, code, rest of the header.
KINDS = {
    False: [(3, 3, b"\0\0\0\0"), (11, 0, b"\0\0\0\0"), (3, 4, b"\0\0\x04\xb0")],
    True: [(1, 4, b"\0\0\0\0"), (3, 0, b"\0\0\0\0"), (2, 0, b"\0\0\x05\x14")],
}


def error(src, dst, kind, quote):
    """An ICMP error, its checksum right."""
    number, code, rest = kind
    message = bytes([number, code, 0, 0]) + rest + quote
    if ":" in src:
        packet = IPv6(src=src, dst=dst, nh=58) / Raw(message)
        sum_ = in6_chksum(58, packet, message)
    else:
        packet = ip(src, dst, proto=1) / Raw(message)
        sum_ = checksum(message)
    packet[Raw].load = message[:2] + sum_.to_bytes(2, "big") + message[4:]
    return built(packet)


def assert_error(packet, src, dst, kind, quote):
    """It is of that kind and quotes that; peer.py has looked at its checksums."""
    number, code, rest = kind
    assert (packet.src, packet.dst) == (src, dst), packet.summary()
    message = raw(packet.payload)
    assert message[:2] == bytes([number, code]) and message[4:8] == rest, message[:8].hex()
    assert message[8:] == quote, f"quoted\n{message[8:].hex()}, wanted\n{quote.hex()}"


def rewritten(packet, **ends):
    """A packet with another end, as a quote of NAT has it: its own checksum right, that of UDP as it was."""
    other = packet.copy()
    for field, value in ends.items():
        setattr(other[UDP] if field.endswith("port") else other, field, value)
    if other.version == 4:
        del other.chksum
    return raw(other)


def quotes(packet):
    """All of it, and as little as is allowed: its header and eight bytes (RFC 792)."""
    return len(raw(packet)), (40 if packet.version == 6 else 20) + 8


def exchange(peer, family, port):
    """The client's packet as its server finds it, and what the server's answer is to the client."""
    came = peer.carry(("client", datagram(family.client, family.vip, 4000, port, 500)), server=1)
    (request,) = came.server
    if port == NAT:
        came = peer.carry(("server", datagram(family.server, family.client, INSIDE, 4000, 500)), client=1)
        (answer,) = came.client
        return request, answer
    return request, datagram(family.vip, family.client, port, 4000, 500)


def assert_told(peer, side, ends, kind, quote, told_by, seen):
    """An error from one end to another is told at the other side, by whom it should be, quoting what that side knows."""
    (sender, receiver), other = ends, "client" if side == "server" else "server"
    came = peer.carry((side, error(sender, receiver, kind, quote)), **{other: 1})
    assert not getattr(came, side), came
    (told,) = getattr(came, other)
    assert_error(told, *told_by, kind, seen)


def nat(peer):
    """Both ways, from who is at the end and from who is in between."""
    for family in FAMILIES:
        request, answer = exchange(peer, family, NAT)
        there, back = rewritten(request, dst=family.vip, dport=NAT), rewritten(answer, src=family.server, sport=INSIDE)
        for kind in KINDS[family.six]:
            for most in quotes(request):
                for teller in (family.server, family.router):
                    ends, told_by = (teller, family.client), (family.vip, family.client)
                    assert_told(peer, "server", ends, kind, raw(request)[:most], told_by, there[:most])
                for teller in (family.client, family.router):
                    ends, told_by = (teller, family.vip), (teller, family.server)
                    assert_told(peer, "client", ends, kind, raw(answer)[:most], told_by, back[:most])
        # A wrong checksum is not made good.
        spoilt = bytearray(raw(error(family.server, family.client, kind, raw(request))))
        spoilt[-1] ^= 1
        came = peer.carry(("server", request.__class__(bytes(spoilt))))
        assert not came.client and not came.server, came


def cut(peer):
    """About the first of several pieces, as who waits in vain for the others says."""
    for family in FAMILIES:
        kind = ((3, 1) if family.six else (11, 1)) + (b"\0\0\0\0",)
        parts = pieces(datagram(family.client, family.vip, 4000, NAT, 4000), 1280)
        request = peer.carry(*[("client", part) for part in parts], server=len(parts)).server[0]
        parts = pieces(datagram(family.server, family.client, INSIDE, 4000, 4000), 1280)
        answer = peer.carry(*[("server", part) for part in parts], client=len(parts)).client[0]
        there, back = rewritten(request, dst=family.vip, dport=NAT), rewritten(answer, src=family.server, sport=INSIDE)
        for most in len(request), 56 if family.six else 28:
            ends, told_by = (family.server, family.client), (family.vip, family.client)
            assert_told(peer, "server", ends, kind, raw(request)[:most], told_by, there[:most])
            ends, told_by = (family.client, family.vip), (family.client, family.server)
            assert_told(peer, "client", ends, kind, raw(answer)[:most], told_by, back[:most])


def past(peer):
    """With direct routing and tunnels errors go on as they are."""
    for family in FAMILIES:
        for port in (DR, IPIP, OTHER):
            request, answer = exchange(peer, family, port)
            for kind in KINDS[family.six]:
                complaint = error(family.router, family.vip, kind, raw(answer))
                came = peer.carry(("client", complaint), server=1)
                (packet,) = came.server
                if port != DR:
                    packet = inside(family, port, packet)
                assert_error(packet, family.router, family.vip, kind, raw(answer))
                if port == DR:
                    complaint = error(family.router, family.client, kind, raw(request))
                    came = peer.carry(("server", complaint), client=1)
                    assert_error(came.client[0], family.router, family.client, kind, raw(request))


def tunnel(peer):
    """Who complains to the director about a packet in a tunnel means the client's own."""
    for port in (IPIP, GUE, GRE_):
        outer, _ = exchange(peer, FOUR, port)
        for kind in ((3, 1, b"\0\0\0\0"), (11, 0, b"\0\0\0\0")):
            came = peer.carry(("server", error(FOUR.router, FOUR.director, kind, raw(outer))), client=1)
            assert not came.server, came
            assert_error(came.client[0], FOUR.vip, FOUR.client, kind, raw(inside(FOUR, port, outer)))


tell(globals())
