"""Datagrams of many sizes, one at a time, and whether they come back as they went.

sizes.py serve ADDRESS PORT                   sends back whatever comes
sizes.py ask ADDRESS PORT SIZE...             prints "SIZE came", "SIZE differs" or "SIZE lost"; a size with a minus sign in
                                              front is one that is expected to be lost, and not waited for as long
"""

import socket
import sys
import time


def patterned(size, number):
    """Bytes that tell where they were, and in which datagram."""
    return bytes((n * 7 + n // 251 + number) & 0xFF for n in range(size))


def serve(ends):
    ends.bind((sys.argv[2], int(sys.argv[3])))
    print("ready", flush=True)
    while True:
        data, whence = ends.recvfrom(65536)
        ends.sendto(data, whence)


def answer(ends, sent, patience):
    """What came because of it. One that is late has another beginning."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        ends.settimeout(left)
        try:
            came = ends.recv(65536)
        except socket.timeout:
            break
        if came[:8] == sent[:8]:
            return "came" if came == sent else "differs"
    return "lost"


def main():
    ends = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Of two datagrams that arrive whole, in 60,000 bytes each, the second must not be refused.
    ends.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if sys.argv[1] == "serve":
        serve(ends)
    ends.connect((sys.argv[2], int(sys.argv[3])))
    for number, size in enumerate(map(int, sys.argv[4:])):
        sent = patterned(abs(size), number * 31)
        ends.send(sent)
        print(abs(size), answer(ends, sent, 2 if size < 0 else 10), flush=True)


main()
