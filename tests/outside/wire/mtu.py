"""Links and paths that take less, or more, than 1500 bytes. See peer.py."""
from peer import *

# What is put in front of a packet, by service; an outer IPv6 header takes 20 bytes more.
HEADERS = {NAT: 0, DR: 0, IPIP: 20, GUE: 32, GRE_: 24, OTHER: 20}


def request(family, port, size, **more):
    return datagram(family.client, family.vip, 4000, port, size, **more)


def whole_only(family):
    """What says that a packet must not be cut: IPv6 need not."""
    return {} if family.six else {"flags": "DF"}


def through(family, port, packets):
    """The client's packet as its server finds it."""
    packet = joined(packets)
    return inside(family, port, packet) if port in TUNNELS else packet


def one_hop_later(packet):
    later = packet.copy()
    if packet.version == 6:
        later.hlim -= 1
    else:
        later.ttl -= 1
        del later.chksum
    return raw(later)


def assert_too_big(error, src, dst, mtu, about, least):
    """An error says how much would be taken, and quotes no less than that of what was too large."""
    assert (error.src, error.dst) == (src, dst), error.summary()
    message = error.payload
    if error.version == 6:
        assert (message.type, message.code, message.mtu) == (2, 0, mtu), message.show(dump=True)
    else:
        assert (message.type, message.code, message.nexthopmtu) == (3, 4, mtu), message.show(dump=True)
    quoted = raw(message.payload)
    assert about.startswith(quoted) and len(quoted) >= min(least, len(about)), f"{len(quoted)}: {quoted.hex()}"


# Bytes that an error quotes (RFC 1812 4.3.2.3, RFC 4443 2.4 c).
QUOTED = {False: 576 - 28, True: 1280 - 48}


def narrow(peer):
    """The servers' link takes 1400 bytes."""
    for family in FAMILIES:
        for port, headers in HEADERS.items():
            fits = 1400 - headers - (20 if headers and family.six != (port == OTHER) else 0)
            for size in (1500, fits + 1):
                about = request(family, port, size, **whole_only(family))
                came = peer.carry(("client", about), client=1)
                (error,) = came.client
                assert not came.server, came
                assert_too_big(error, family.vip, family.client, fits, one_hop_later(about), QUOTED[family.six])
            about = request(family, port, fits, **whole_only(family))
            came = peer.carry(("client", about), server=1)
            assert not came.client and len(came.server) == 1, came
            found = through(family, port, came.server)
            assert raw(found.payload.payload) == raw(about.payload.payload), "its data"
            if not family.six:
                about = request(family, port, 1500)
                came = peer.carry(("client", about), server=2)
                assert not came.client and all(len(part) <= 1400 for part in came.server), came
                found = through(family, port, came.server)
                assert raw(found.payload.payload) == raw(about.payload.payload), "its data"
        # In pieces: those of IPv4 are made smaller, those of IPv6 are not.
        about = request(family, NAT, 4000)
        parts = [("client", part) for part in pieces(about, 1500)]
        if family.six:
            (error,) = peer.carry(*parts, client=1).client
            assert (error.src, error.dst, error.payload.mtu) == (family.vip, family.client, 1400), error.summary()
        else:
            came = peer.carry(*parts, server=3)
            assert not came.client and all(len(part) <= 1400 for part in came.server), came
            assert raw(joined(came.server).payload.payload) == raw(about.payload.payload), "its data"


def answers(peer):
    """The clients' link takes 1400 bytes; a server's answer is larger."""
    for family in FAMILIES:
        peer.carry(("client", request(family, NAT, 100)), server=1)
        answer = datagram(family.server, family.client, INSIDE, 4000, 1500, **whole_only(family))
        came = peer.carry(("server", answer), server=1)
        (error,) = came.server
        assert not came.client, came
        assert_too_big(error, family.director, family.server, 1400, raw(answer), QUOTED[family.six])
    answer = datagram(FOUR.server, FOUR.client, INSIDE, 4000, 1500)
    came = peer.carry(("server", answer), client=2)
    assert all(len(part) <= 1400 for part in came.client) and not came.server, came
    assert raw(joined(came.client).payload.payload) == raw(answer.payload.payload), "its data"


def path(peer):
    """Routers on the way of tunnels to one server take less and less: the client is told, and so is the next one, at once."""
    before = 1500
    for port, takes in ((IPIP, 1300), (GUE, 1260), (GRE_, 1220)):
        left = takes - HEADERS[port]
        about = request(FOUR, port, min(1400, before - HEADERS[port]), flags="DF")
        came = peer.carry(("client", about), server=1)
        (outer,) = came.server
        assert outer.flags.DF and outer.src == FOUR.director, outer.summary()
        needed = ICMP(type=3, code=4, nexthopmtu=takes)
        complaint = ip(FOUR.router, FOUR.director) / needed / Raw(raw(outer)[: QUOTED[False]])
        came = peer.carry(("server", built(complaint)), client=1)
        (error,) = came.client
        assert not came.server, came
        assert_too_big(error, FOUR.vip, FOUR.client, left, one_hop_later(about), QUOTED[False] - HEADERS[port])
        others = [(f"198.18.0.{n}", 1400) for n in range(20, 24)]
        for client, size in ((FOUR.client, 1400), (FOUR.client, left + 1), *others):
            about = datagram(client, FOUR.vip, 4000, port, size, flags="DF")
            came = peer.carry(("client", about), client=1)
            (error,) = came.client
            assert not came.server, came
            assert_too_big(error, FOUR.vip, client, left, one_hop_later(about), QUOTED[False])
        came = peer.carry(("client", request(FOUR, port, left, flags="DF")), server=1)
        assert len(came.server) == 1 and len(came.server[0]) == takes, came
        # What may be cut is cut for the path, whole or in pieces.
        for about, parts in ((request(FOUR, port, 1400), 1), (request(FOUR, port, 4000), 3)):
            sent = [("client", part) for part in (pieces(about, 1500) if parts > 1 else [about])]
            came = peer.carry(*sent, server=parts + 1)
            assert not came.client and all(len(part) <= takes for part in came.server), came
            found = through(FOUR, port, came.server)
            assert raw(found.payload.payload) == raw(about.payload.payload), "its data"
        before = takes


def step(peer):
    """The clients' link takes 9000 bytes, the servers' 1500."""
    for family in FAMILIES:
        for port, headers in HEADERS.items():
            fits = 1500 - headers - (20 if headers and family.six != (port == OTHER) else 0)
            about = request(family, port, 8900, **whole_only(family))
            (error,) = peer.carry(("client", about), client=1).client
            assert_too_big(error, family.vip, family.client, fits, one_hop_later(about), QUOTED[family.six])
            if not family.six:
                about = request(family, port, 8900)
                came = peer.carry(("client", about), server=6)
                assert all(len(part) <= 1500 for part in came.server), came
                found = through(family, port, came.server)
                assert raw(found.payload.payload) == raw(about.payload.payload), "its data"


def jumbo(peer):
    """Both links take 9000 bytes."""
    size = 8900
    for family in FAMILIES:
        for port in HEADERS:
            about = request(family, port, size, **whole_only(family))
            came = peer.carry(("client", about), server=1)
            assert not came.client and len(came.server) == 1, came
            found = through(family, port, came.server)
            assert found[UDP].dport == (INSIDE if port == NAT else port) and len(found) == size, found.summary()
            assert raw(found.payload.payload) == raw(about.payload.payload), "its data"
        answer = datagram(family.server, family.client, INSIDE, 4000, size, **whole_only(family))
        came = peer.carry(("server", answer), client=1)
        assert not came.server and len(came.client) == 1, came
        (found,) = came.client
        assert (found.src, found[UDP].sport, len(found)) == (family.vip, NAT, size), found.summary()
        assert raw(found.payload.payload) == raw(answer.payload.payload), "its data"
        # What is still larger comes in large pieces.
        about = request(family, NAT, 30000)
        parts = pieces(about, 9000)
        came = peer.carry(*[("client", part) for part in parts], server=len(parts))
        assert [len(part) for part in came.server] == [len(part) for part in parts], came
        assert raw(joined(came.server).payload.payload) == raw(about.payload.payload), "its data"


def oversized(peer):
    """Frames larger than any buffer of the director are lost, and nothing else is."""
    for family in FAMILIES:
        for size in (3000, 8900):
            about = request(family, NAT, size)
            small = request(family, NAT, 500)
            came = peer.carry(("client", about), ("client", small), server=1)
            assert [len(packet) for packet in came.server] == [500] and not came.client, came


tell(globals())
