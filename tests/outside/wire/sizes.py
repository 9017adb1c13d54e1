"""Datagrams of many sizes, in fragments where one frame does not hold them, through a director. See peer.py."""
from peer import *

# Bytes of data; behind 28 bytes of headers.
SIZES = (100, 1400, 1472, 1473, 2000, 4000, 8000, 9108, 9109, 20000, 60000)


def frames(packet):
    return pieces(packet, 1500) if len(packet) > 1500 else [packet]


def carried(peer, side, packet):
    """What comes at the other side because of a packet from this one, whole."""
    sent = frames(packet)
    other = "server" if side == "client" else "client"
    came = peer.carry(*((side, frame) for frame in sent), **{other: len(sent)})
    assert not getattr(came, side), came
    return joined(getattr(came, other))


def every(peer):
    """By NAT there and back, and as echo requests to the director and past it."""
    for size in SIZES:
        about = datagram(FOUR.client, FOUR.vip, 4000, NAT, size + 28)
        assert raw(carried(peer, "client", about)[UDP].payload) == raw(about[UDP].payload), size
        answer = datagram(FOUR.server, FOUR.client, INSIDE, 4000, size + 28)
        assert raw(carried(peer, "server", answer)[UDP].payload) == raw(answer[UDP].payload), size
        past = built(ip(FOUR.client, FOUR.server) / ICMP(type=8, id=7) / Raw(patterned(size)))
        assert raw(carried(peer, "client", past)[ICMP]) == raw(past[ICMP]), size
        sent = frames(built(ip(NEIGHBOR["client"], DIRECTOR["client"]) / ICMP(type=8, id=7) / Raw(patterned(size))))
        came = peer.carry(*(("client", frame) for frame in sent), client=len(sent))
        assert raw(joined(came.client)[ICMP].payload) == patterned(size), size


tell(globals())
