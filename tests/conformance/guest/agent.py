"""The hands of the recorder inside the guest: a stage in fresh network namespaces, raw frames on its wires, commands and
files as its director sees them. What a scenario means is not known here, but to the recorder, which asks.

A request is a line of standard input, ["verb", arguments...]; its answer a line of standard output, {"ok": value} or
{"error": text}. The other ends of the director's links, pc and ps, are in a namespace without addresses of its own.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

WIRES = {"client": "pc", "server": "ps"}
NEW_NETWORK = 0x40000000  # CLONE_NEWNET
ALL_PROTOCOLS = 3  # ETH_P_ALL
FORCE_RECEIVE_BUFFER = 33  # SO_RCVBUFFORCE
SETTLING = 0.05  # seconds; the kernel's work queues see that links are up
LONGEST_REQUEST = 20  # seconds; the agent ends then, and the recorder starts another

# No address filter, no redirects, no limit on errors, and no chatter of IPv6's autoconfiguration.
PER_INTERFACE = {
    "ipv4/conf/%s/rp_filter": "0",
    "ipv4/conf/%s/send_redirects": "0",
    "ipv6/conf/%s/accept_dad": "0",
    "ipv6/conf/%s/accept_ra": "0",
    "ipv6/conf/%s/router_solicitations": "0",
}
SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_ratemask": "0",
    "ipv6/icmp/ratelimit": "0",
}
# Every frame leaves complete: checksums made, in one segment.
OFFLOADS = "rx off tx off sg off tso off gso off gro off".split()

libc = ctypes.CDLL(None, use_errno=True)
wires = {}


def called(code):
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def new_network():
    """Moves into a network namespace of its own; how to come back to it."""
    called(libc.unshare(NEW_NETWORK))
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def must(*argv, stdin=None):
    subprocess.run(argv, input=stdin, text=True, check=True, capture_output=True)


def sysctl(name, value):
    with open("/proc/sys/net/" + name, "w") as file:
        file.write(value)


def stage(links, rest):
    """Builds a new stage by two batches of ip(8): links, up to their being there, and all the rest."""
    while wires:
        wires.popitem()[1].close()
    there = new_network()
    here = new_network()
    must("ip", "-batch", "-", stdin=links.replace("WIRE", f"/proc/{os.getpid()}/fd/{there}"))
    for interface in ("all", "default", "dc", "ds"):
        for name, value in PER_INTERFACE.items():
            sysctl(name % interface, value)
    for name, value in SETTINGS.items():
        sysctl(name, value)
    for interface in ("dc", "ds"):
        must("ethtool", "-K", interface, *OFFLOADS)
    called(libc.setns(there, NEW_NETWORK))
    listen()
    called(libc.setns(here, NEW_NETWORK))
    os.close(there)
    os.close(here)  # the process keeps it, up to the next stage
    must("ip", "-batch", "-", stdin=rest)
    time.sleep(SETTLING)


def listen():
    """The other ends of the links, up, without a stack of their own."""
    for interface in WIRES.values():
        sysctl(f"ipv6/conf/{interface}/disable_ipv6", "1")
    ups = [f"link set {interface} arp off mtu 9000 up\n" for interface in WIRES.values()]
    must("ip", "-batch", "-", stdin="".join(ups))
    for leg, interface in WIRES.items():
        wires[leg] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        wires[leg].setsockopt(socket.SOL_SOCKET, FORCE_RECEIVE_BUFFER, 8 << 20)
        wires[leg].bind((interface, ALL_PROTOCOLS))
        wires[leg].setblocking(False)


def inject(leg, frame):
    """Sends a frame; what came because of it at once, as most does."""
    wires[leg].send(bytes.fromhex(frame))
    return drain()


def drain():
    """What has come since the last time: leg and frame."""
    return [[leg, frame.hex()] for leg, wire in wires.items() for frame in arrived(wire)]


def arrived(wire):
    while True:
        try:
            frame, sender = wire.recvfrom(65535)
        except BlockingIOError:
            return
        if sender[2] != socket.PACKET_OUTGOING:  # not what we have injected
            yield frame


def run(argv, stdin):
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True)
    return [done.returncode, done.stdout, done.stderr]


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


VERBS = {verb.__name__: verb for verb in (stage, inject, drain, run, read, write)}


def answer(verb, *arguments):
    try:
        return {"ok": VERBS[verb](*arguments)}
    except subprocess.CalledProcessError as error:
        return {"error": f"{error}: {error.stderr.strip()}"}
    except OSError as error:
        return {"error": str(error)}


for line in sys.stdin:
    signal.alarm(LONGEST_REQUEST)
    print(json.dumps(answer(*json.loads(line))), flush=True)
    signal.alarm(0)
