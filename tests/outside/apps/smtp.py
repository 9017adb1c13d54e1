"""SMTP: mails whose digest the server tells. Called by apps.sh."""

import hashlib
import smtplib
import sys
import time

from aiosmtpd.controller import Controller


class Digest:
    """Says of each mail what came."""

    async def handle_DATA(self, _server, _session, envelope):
        return "250 " + hashlib.sha256(envelope.content).hexdigest()[:16]


def serve():
    Controller(Digest(), hostname="0.0.0.0", port=2525).start()
    while True:
        time.sleep(3600)


def ask(address, seconds):
    text = "".join(f"line {n} of the mail\r\n" for n in range(5000))
    begun, count = time.monotonic(), 0
    while (took := time.monotonic() - begun) < seconds or count < 2:
        with smtplib.SMTP(address, 2525, timeout=15) as client:
            client.ehlo()
            client.mail("from@lab.test")
            client.rcpt("to@lab.test")
            code, said = client.data(text)
            assert code == 250, said
            if count == 0:
                print("content", said.decode())
        count += 1
    print(f"figure {count / took:.1f} mails/s")


if sys.argv[1] == "serve":
    serve()
else:
    ask(sys.argv[2], float(sys.argv[4]))
