"""gRPC without a schema: echoes of single messages and of streams. Called by apps.sh."""

import hashlib
import sys
import time
from concurrent import futures

import grpc

ONE, MANY = "/lab.Echo/One", "/lab.Echo/Many"


def serve():
    class Echo(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method == ONE:
                return grpc.unary_unary_rpc_method_handler(lambda message, _: message)
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)

    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Echo()])
    server.add_insecure_port("0.0.0.0:5005")
    server.start()
    server.wait_for_termination()


def ask(address, seconds):
    # A proxy of the environment is not for the lab.
    with grpc.insecure_channel(f"{address}:5005", options=[("grpc.enable_http_proxy", 0)]) as channel:
        one, many = channel.unary_unary(ONE), channel.stream_stream(MANY)
        digest = hashlib.sha256()
        for message in many((bytes([n % 251]) * 10_000 for n in range(500)), timeout=20):
            digest.update(message)
        print("content", digest.hexdigest()[:16])
        begun, count = time.monotonic(), 0
        while (took := time.monotonic() - begun) < seconds:
            assert one(b"x" * 100, timeout=10) == b"x" * 100
            count += 1
        print(f"figure {count / took:.0f} calls/s")


if sys.argv[1] == "serve":
    serve()
else:
    ask(sys.argv[2], float(sys.argv[4]))
