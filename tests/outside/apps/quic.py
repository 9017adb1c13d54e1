"""QUIC, which carries HTTP/3: streams that are echoed. Called by apps.sh."""

import asyncio
import hashlib
import ssl
import sys
import time

from aioquic.asyncio import connect
from aioquic.asyncio import serve as listen
from aioquic.quic.configuration import QuicConfiguration


async def serve(directory, address):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["lab"])
    configuration.load_cert_chain(f"{directory}/cert", f"{directory}/key")

    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.write_eof()

    await listen(
        address, 4433, configuration=configuration, stream_handler=lambda *ends: asyncio.ensure_future(echo(*ends))
    )
    await asyncio.Future()


async def exchange(client, data):
    reader, writer = await client.create_stream()
    writer.write(data)
    writer.write_eof()
    return await asyncio.wait_for(reader.read(), 30)


async def ask(address, seconds):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["lab"], verify_mode=ssl.CERT_NONE)
    async with connect(address, 4433, configuration=configuration) as client:
        data = bytes(n * 7 % 251 for n in range(300_000))
        print("content", hashlib.sha256(await exchange(client, data)).hexdigest()[:16])
        begun, count = time.monotonic(), 0
        while (took := time.monotonic() - begun) < seconds:
            assert await exchange(client, data[:20_000]) == data[:20_000]
            count += 20_000
        print(f"figure {2 * count * 8 / took / 1e6:.1f} Mbit/s")


if sys.argv[1] == "serve":
    asyncio.run(serve(*sys.argv[2:4]))
else:
    asyncio.run(ask(sys.argv[2], float(sys.argv[4])))
