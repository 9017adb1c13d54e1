"""The clients, routers and servers of a director: packets of scapy, carried by `sluice-gen frames`.

A script of stories ends with `tell(globals())`; it is called with the story, the generator, the directory of the
director's sockets, queues, MTU and kind of device. When the story is over it says `done`, and stays until its input ends.
"""
import itertools
import os
import queue
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

from scapy.config import conf

conf.ipv6_enabled = True
from scapy.all import ARP, GRE, ICMP, IP, UDP, Ether, IPv6, Raw, defragment, fragment, raw
from scapy.layers.inet import IPOption_Router_Alert, IPOption_Timestamp
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    PadN,
    defragment6,
    fragment6,
    in6_chksum,
)
from scapy.utils import checksum

GATEWAY_MAC, SERVER_MAC = "02:00:00:00:01:fe", "02:00:00:00:02:01"
STATION = {"client": GATEWAY_MAC, "server": SERVER_MAC}
DIRECTOR = {"client": "10.0.0.1", "server": "10.1.0.1"}
NEIGHBOR = {"client": "10.0.0.254", "server": "10.1.0.11"}
# Where reports of groups go (RFC 3810).
REPORTS = "ff02::16"
# Who takes part, by family: a client behind a router, the virtual address, a real server, somebody behind it, and the
# director on the servers' side.
FOUR = SimpleNamespace(
    client="198.18.0.7", vip="10.0.0.100", server="10.1.0.11", router="203.0.113.9", director="10.1.0.1", six=False
)
SIX = SimpleNamespace(
    client="fd00:c::7", vip="fd00::100", server="fd00:1::11", router="fd00:9::9", director="fd00:1::1", six=True
)
FAMILIES = (FOUR, SIX)
# Ports of the services.
NAT, DR, IPIP, GUE, GRE_, OTHER = range(80, 86)
TUNNELS = (IPIP, GUE, GRE_, OTHER)
INSIDE = 8080

numbers = itertools.count(1000)


def patterned(size):
    """Bytes that tell where they were."""
    return bytes((n * 7 + n // 251) & 0xFF for n in range(size))


def ip(src, dst, ttl=64, **more):
    """A header of either family."""
    if ":" in src:
        return IPv6(src=src, dst=dst, hlim=ttl)
    return IP(src=src, dst=dst, ttl=ttl, id=next(numbers) & 0xFFFF, **more)


def built(packet):
    """The packet as it is on the wire: lengths and checksums filled in."""
    return packet.__class__(raw(packet))


def datagram(src, dst, sport, dport, size, **more):
    """A UDP packet of so many bytes in all."""
    headers = (40 if ":" in src else 20) + 8
    return built(ip(src, dst, **more) / UDP(sport=sport, dport=dport) / Raw(patterned(size - headers)))


def pieces(packet, most):
    """Pieces of a packet, none larger than `most`."""
    if packet.version == 6:
        header = IPv6(src=packet.src, dst=packet.dst, hlim=packet.hlim)
        return fragment6(header / IPv6ExtHdrFragment(id=next(numbers), nh=packet.nh) / packet.payload, most)
    return fragment(packet, (most - 20) // 8 * 8)


def piece(src, dst, number, offset, data, more, protocol=17):
    """One piece, whatever it belongs to. `offset` is in bytes."""
    if ":" in src:
        header = IPv6ExtHdrFragment(id=number, offset=offset // 8, m=more, nh=protocol)
        return IPv6(src=src, dst=dst) / header / Raw(data)
    return IP(src=src, dst=dst, id=number, frag=offset // 8, flags="MF" if more else 0, proto=protocol) / Raw(data)


def joined(packets):
    """What pieces are one packet of: the only one, and it is right."""
    assert packets, "nothing came"
    if not is_piece(packets[0]):
        (whole,) = packets
    elif packets[0].version == 6:
        whole = built(defragment6(packets))
    else:
        (whole,) = map(built, defragment(packets))
    assert not is_piece(whole), f"something is missing: {whole.summary()}"
    assert_sums(whole)
    return whole


def is_piece(packet):
    return IPv6ExtHdrFragment in packet or IP in packet and (packet[IP].frag > 0 or bool(packet[IP].flags.MF))


def assert_sums(packet):
    """Lengths and checksums are those that scapy computes: of a piece those of its IP header, for the rest is the whole's."""
    fresh = packet.copy()
    layer, alone = fresh, is_piece(packet)
    while layer and "error" not in type(layer).__name__:
        for field in ("len", "plen", "chksum", "cksum"):
            none = isinstance(layer, UDP) and field == "chksum" and layer.chksum == 0
            if field in layer.fields and not none:
                delattr(layer, field)
        # What an ICMP error quotes is as it was.
        layer = None if alone else layer.payload
    difference = f"{raw(packet).hex()}, wanted\n{raw(fresh).hex()}"
    assert raw(fresh) == raw(packet), f"lengths or checksums of {packet.summary()}:\n{difference}"


def inside(family, port, packet):
    """The client's packet in a server's tunnel, which is of the other family on its port."""
    outer = FAMILIES[family.six != (port == OTHER)]
    assert (packet.src, packet.dst) == (outer.director, outer.server), packet.summary()
    if port in (IPIP, OTHER):
        return packet.payload
    if port == GRE_:
        assert raw(packet[GRE])[:2] == b"\0\0", "no checksum"
        return packet[GRE].payload
    header, inner = raw(packet[UDP].payload)[:4], raw(packet[UDP].payload)[4:]
    assert packet[UDP].dport == 6080 and packet[UDP].chksum != 0, packet[UDP].summary()
    assert header == bytes([0, 41 if family.six else 4, 0, 0]), header.hex()
    return IPv6(inner) if family.six else IP(inner)


class Came:
    """What came, by side, and the queues it came by."""

    def __init__(self):
        self.client, self.server, self.queues = [], [], {side: [] for side in STATION}

    def __repr__(self):
        told = [[f"{packet.summary()}, {len(packet)} bytes" for packet in side] for side in (self.client, self.server)]
        return "for the client {}; for the server {}".format(*(", ".join(side) or "nothing" for side in told))


class Peer:
    """Both ends of the wire."""

    def __init__(self, generator, directory, queues, mtu, device):
        command = ["setpriv", "--pdeathsig", "KILL", generator, "frames", "--seconds=110"]
        command += [f"--queues={queues}", f"--mtu={mtu}"]
        ends = [f"--{side}={device}:{directory}/{side}s.sock" for side in STATION]
        # DPDK's own files go where the director's do.
        environment, pipe = dict(os.environ, RUNTIME_DIRECTORY=directory), subprocess.PIPE
        self.process = subprocess.Popen(command + ends, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.queues, self.turns, self.serial = int(queues), itertools.count(), 0
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        assert self.next_line(30) == "ready\n", "the carrier says it is ready"
        self.macs = {side: self.ask(side) for side in STATION}

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def next_line(self, seconds):
        line = self.lines.get(timeout=seconds)
        assert line, "the carrier ended"
        return line

    def receive(self, seconds):
        """The next frame, with its side and its queue."""
        place, data = self.next_line(seconds).split()
        return *place.split("."), Ether(bytes.fromhex(data))

    def put(self, side, frame, lane=0):
        self.process.stdin.write(f"{side}.{lane} {raw(frame).hex()}\n")

    def ask(self, side):
        """The director's MAC, by ARP."""
        question = ARP(op=1, hwsrc=STATION[side], psrc=NEIGHBOR[side], pdst=DIRECTOR[side])
        self.put(side, Ether(src=STATION[side], dst="ff:ff:ff:ff:ff:ff") / question)
        self.process.stdin.flush()
        while True:
            where, _, frame = self.receive(10)
            if where == side and ARP in frame and frame[ARP].op == 2:
                assert frame[ARP].psrc == DIRECTOR[side] and frame.dst == STATION[side], frame.summary()
                return frame[ARP].hwsrc

    def send(self, side, packet, lane=None):
        """Hands a packet to the director, by a queue or by the one whose turn it is."""
        lane = next(self.turns) % self.queues if lane is None else lane
        self.put(side, Ether(src=STATION[side], dst=self.macs[side]) / packet, lane)

    def carry(self, *sent, client=0, server=0, seconds=20):
        """Sends what is given as (side, packet), by each queue in turn. Returns the packets that come because of it: at
        least so many, and all that come before the answer to an echo request that is sent behind."""
        for step in sent:
            self.send(*step)
        self.process.stdin.flush()
        came, deadline = Came(), time.monotonic() + seconds
        while len(came.client) < client or len(came.server) < server:
            try:
                self.sort(self.receive(max(deadline - time.monotonic(), 0.01)), came)
            except queue.Empty:
                raise AssertionError(f"{client} for the client, {server} for the server wanted; {came}") from None
        self.echo(came)
        return came

    def echo(self, came):
        """Everything that was sent before has been dealt with when all answers are there."""
        self.serial += 1
        asked = set()
        for side in STATION:
            for lane in range(self.queues):
                asked.add((side, lane))
                echo = ICMP(type=8, id=lane, seq=self.serial)
                self.send(side, ip(NEIGHBOR[side], DIRECTOR[side]) / echo, lane)
        self.process.stdin.flush()
        while asked:
            side, lane, frame = self.receive(10)
            answer = frame.getlayer(ICMP)
            if answer and (answer.type, answer.seq) == (0, self.serial):
                asked.discard((side, answer.id))
            else:
                self.sort((side, lane, frame), came)

    def sort(self, arrived, came):
        """Keeps IP packets, but not the director's own about neighbours and groups. They are from the director and right."""
        side, lane, frame = arrived
        packet = frame.payload
        announced = isinstance(packet.payload, ICMPv6ND_NA) or isinstance(packet, IPv6) and packet.dst == REPORTS
        if not isinstance(packet, (IP, IPv6)) or announced:
            return
        assert (frame.src, frame.dst) == (self.macs[side], STATION[side]), frame.summary()
        assert_sums(packet)
        getattr(came, side).append(packet)
        came.queues[side].append(int(lane))


def tell(stories):
    """Plays the story that the command line names."""
    name, *stage = sys.argv[1:]
    stories[name](Peer(*stage))
    print("done", flush=True)
    sys.stdin.read()
