"""Packets in pieces, through a director. See peer.py."""
import random
import time

from peer import *

SIZE = 4000


def orders(parts):
    """In order, the other way round, and in any."""
    shuffled = random.Random(4).sample(parts, len(parts))
    return parts, parts[::-1], shuffled


def request(family, port, size=SIZE, sport=4000):
    return datagram(family.client, family.vip, sport, port, size)


def at(side, parts):
    return [(side, part) for part in parts]


def assert_same(packet, src, dst, sport, dport, about, ttl=63):
    """A packet is `about` with other addresses and ports, one hop later."""
    wanted = datagram(src, dst, sport, dport, len(raw(about)), ttl=ttl)
    assert (packet.src, packet.dst) == (src, dst), packet.summary()
    assert (packet.hlim if packet.version == 6 else packet.ttl) == ttl, packet.summary()
    assert raw(packet[UDP]) == raw(wanted[UDP]), "ports, length, checksum or data"


def assert_cut(parts, most):
    """It came in pieces, and no link was asked for more."""
    assert len(parts) > 1 and all(is_piece(part) and len(raw(part)) <= most for part in parts), [len(p) for p in parts]


def nat(peer):
    """Large datagrams both ways, whatever the order of their pieces."""
    for family in FAMILIES:
        for most in (1500, 1280):
            about = request(family, NAT)
            for parts in orders(pieces(about, most)):
                came = peer.carry(*at("client", parts), server=len(parts))
                assert not came.client, came
                assert_cut(came.server, most)
                assert_same(joined(came.server), family.client, family.server, 4000, INSIDE, about)
            answer = datagram(family.server, family.client, INSIDE, 4000, SIZE)
            for parts in orders(pieces(answer, most)):
                came = peer.carry(*at("server", parts), client=len(parts))
                assert not came.server, came
                assert_cut(came.client, most)
                assert_same(joined(came.client), family.vip, family.client, NAT, 4000, answer)
        # Of no connection: routed.
        other = datagram(family.server, family.client, 9999, 4000, SIZE)
        parts = pieces(other, 1280)
        came = peer.carry(*at("server", parts), client=len(parts))
        assert_same(joined(came.client), family.server, family.client, 9999, 4000, other)


def past(peer):
    """To servers that answer clients themselves: as they came, or wrapped and the wrapping in pieces."""
    for family in FAMILIES:
        for port in (DR, *TUNNELS):
            about = request(family, port)
            for parts in orders(pieces(about, 1280)):
                came = peer.carry(*at("client", parts), server=len(parts) - 1)
                assert not came.client, came
                assert_cut(came.server, 1280 if port == DR else 1500)
                packet = joined(came.server)
                if port != DR:
                    packet = inside(family, port, packet)
                assert_same(packet, family.client, family.vip, 4000, port, about)


def odd(peer):
    """What else comes in pieces: echo requests, packets with further headers, to nobody, and as large as can be."""
    for family in FAMILIES:
        # The director answers in pieces.
        echo = (ICMPv6EchoRequest if family.six else ICMP)(id=7, seq=9) / Raw(patterned(SIZE))
        parts = pieces(built(ip(family.client, family.vip) / echo), 1280)
        came = peer.carry(*at("client", parts), client=3)
        packet = joined(came.client)
        assert (packet.src, packet.dst) == (family.vip, family.client) and not came.server, packet.summary()
        assert packet.payload.type == (129 if family.six else 0) and raw(packet.payload)[8:] == patterned(SIZE)
        # Nobody listens, and the error quotes what is whole.
        about = request(family, 99)
        came = peer.carry(*at("client", pieces(about, 1280)), client=1)
        (error,) = came.client
        assert (error.payload.type, error.payload.code) == ((1, 4) if family.six else (3, 3)), error.summary()
        assert raw(error.payload.payload)[48:] == raw(about)[48 : len(error.payload.payload)], "what it quotes"
        # Options that each piece has, and options that only the first has.
        if family.six:
            hops = IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])
            header = ip(family.client, family.vip) / hops / IPv6ExtHdrFragment(id=77)
            parts = fragment6(header / UDP(sport=4000, dport=NAT) / Raw(patterned(SIZE)), 1280)
        else:
            header = ip(family.client, family.vip, options=[IPOption_Timestamp(pointer=5, flg=0), IPOption_Router_Alert()])
            parts = fragment(built(header / UDP(sport=4000, dport=NAT) / Raw(patterned(SIZE))), 1200)
        came = peer.carry(*at("client", parts), server=len(parts))
        packet = joined(came.server)
        assert (packet.dst, packet[UDP].dport) == (family.server, INSIDE), packet.summary()
        assert raw(packet[UDP].payload) == patterned(SIZE), "its data"
        # Without a checksum, which IPv4 allows: NAT makes one.
        if not family.six:
            header = ip(family.client, family.vip) / UDP(sport=4000, dport=NAT, chksum=0)
            parts = fragment(built(header / Raw(patterned(SIZE))), 1200)
            packet = joined(peer.carry(*at("client", parts), server=len(parts)).server)
            assert packet[UDP].chksum != 0 and raw(packet[UDP].payload) == patterned(SIZE), packet.summary()
        # As large as can be: scapy counts the fragment header among what IPv6 counts.
        largest = 65535 + (40 - 8 if family.six else 0)
        about = request(family, NAT, largest)
        parts = pieces(about, 1500)
        came = peer.carry(*at("client", parts), server=len(parts))
        assert_same(joined(came.server), family.client, family.server, 4000, INSIDE, about)
        # No packet holds it together with the headers of a tunnel, but that IPv6 does not count its own around IPv4.
        for port in TUNNELS if family.six else TUNNELS[:-1]:
            came = peer.carry(*at("client", pieces(request(family, port, largest), 1280)))
            assert not came.client and not came.server, came


def hostile(peer):
    """Pieces that no honest sender makes. The test counts what became of them."""
    four, six = ((family.client, family.vip) for family in FAMILIES)
    data = patterned(2000)

    def vanish(*parts):
        came = peer.carry(*at("client", parts))
        assert not came.client and not came.server, came

    for ends in four, six:
        # Overlapping: both go, and the piece that would have completed the packet finds none of it.
        vanish(piece(*ends, 1, 0, data[:1000], True), piece(*ends, 1, 992, data[992:], False))
        # Two ends.
        vanish(piece(*ends, 2, 800, data[800:1600], False), piece(*ends, 2, 1600, data[1600:], False))
        # Beyond the end of the largest packet: IPv4 looks when all is there.
        rest = range(0, 65528, 1480) if ends == four else []
        rest = [piece(*ends, 3, start, bytes(min(1480, 65528 - start)), True) for start in rest]
        vanish(piece(*ends, 3, 65528, data[:800], False), *rest)
        # The same piece again is ignored, and the packet is whole nevertheless.
        about = datagram(*ends, 4000, NAT, SIZE)
        first, *others = pieces(about, 1280)
        came = peer.carry(*at("client", [first, first, *others]), server=len(others) + 1)
        joined(came.server)
        # TCP in so small a first piece that a filter would not see its flags.
        vanish(piece(*ends, 5, 0, data[:8], True, protocol=6), piece(*ends, 5, 8, data[8:16], False, protocol=6))
    # IPv6: a length that is no multiple of eight is told, with the place of the length.
    came = peer.carry(("client", piece(*six, 6, 0, data[:1001], True)), client=1)
    (error,) = came.client
    assert (error.src, error.dst) == six[::-1] and not came.server
    assert (error.payload.type, error.payload.code, error.payload.ptr) == (4, 0, 4), error.summary()
    # A packet that says it is a piece and is all there is (RFC 6946).
    about = datagram(*six, 4000, NAT, 500)
    header = IPv6(src=six[0], dst=six[1]) / IPv6ExtHdrFragment(id=7, nh=17)
    came = peer.carry(("client", header / about.payload), server=1)
    assert_same(joined(came.server), SIX.client, SIX.server, 4000, INSIDE, about)


def unfinished(peer):
    """A first piece without the others is told of when its time is over; others without the first are not."""
    began, left = time.monotonic(), {30: FOUR, 60: SIX}
    for family in FAMILIES:
        first, second, *_ = pieces(request(family, NAT), 1280)
        _, other, *_ = pieces(request(family, NAT, sport=4001), 1280)
        came = peer.carry(("client", first), ("client", other))
        assert not came.client and not came.server, came
        answer = datagram(family.server, family.client, INSIDE, 4000, SIZE)
        came = peer.carry(("server", pieces(answer, 1280)[0]))
        assert not came.client and not came.server, came
    for seconds, family in left.items():
        came = peer.carry(client=1, server=1, seconds=seconds + 20)
        took = time.monotonic() - began
        assert seconds <= took < seconds + 20, f"{took} s"
        (error,) = came.client
        assert (error.src, error.dst) == (family.vip, family.client), error.summary()
        assert (error.payload.type, error.payload.code) == ((3, 1) if family.six else (11, 1)), error.summary()
        quoted = pieces(request(family, NAT), 1280)[0]
        assert same_but_id(raw(error.payload.payload), raw(built(quoted))), "the first piece is quoted"


def same_but_id(quoted, packet):
    """What an error quotes is the begin of a packet, whatever its identification and the checksum that covers it."""
    start = 48 if packet[0] >> 4 == 6 else 12
    return len(quoted) > 500 and quoted[start:] == packet[start : len(quoted)]


def flood(peer):
    """Thousands of first pieces without the others: whoever begins a packet meanwhile can end it."""
    for family in FAMILIES:
        honest, *rest = pieces(request(family, NAT, sport=5000), 1280)
        peer.carry(("client", honest))
        # One source, and many packets.
        hostile = "fd00:c::bad" if family.six else "198.18.0.66"
        peer.carry(*at("client", [piece(hostile, family.vip, n, 0, patterned(512), True) for n in range(1000)]))
        came = peer.carry(*at("client", rest), server=len(rest) + 1)
        assert_same(joined(came.server), family.client, family.server, 5000, INSIDE, request(family, NAT, sport=5000))
        # Many sources. What began before may be lost, what begins afterwards is not.
        source = (lambda n: f"fd00:c:1::{n:x}") if family.six else (lambda n: f"198.18.{1 + n // 250}.{1 + n % 250}")
        flood = [piece(source(n), family.vip, 1, 0, patterned(512), True) for n in range(1500)]
        peer.carry(*at("client", flood))
        parts = pieces(request(family, NAT, sport=5001), 1280)
        came = peer.carry(*at("client", parts), server=len(parts))
        assert_same(joined(came.server), family.client, family.server, 5001, INSIDE, request(family, NAT, sport=5001))


def crossing(peer):
    """Pieces that come by different queues meet, and leave by the queue of one worker."""
    queues = set()
    for n in range(16):
        for family in FAMILIES:
            client = f"fd00:c::{100 + n:x}" if family.six else f"198.18.0.{100 + n}"
            about = datagram(client, family.vip, 4000 + n, NAT, SIZE)
            parts = pieces(about, 1280)
            came = peer.carry(*at("client", parts), server=len(parts))
            assert_same(joined(came.server), client, family.server, 4000 + n, INSIDE, about)
            answer = datagram(family.server, client, INSIDE, 4000 + n, SIZE)
            back = peer.carry(*at("server", pieces(answer, 1280)), client=len(parts))
            assert_same(joined(back.client), family.vip, client, NAT, 4000 + n, answer)
            (there,), (here,) = set(came.queues["server"]), set(back.queues["client"])
            assert there == here, "one worker sends all pieces, and those of the answer"
            queues.add(there)
    assert queues == {0, 1}, "every worker has connections"


tell(globals())
