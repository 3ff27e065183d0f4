"""An upstream on loopback that works, but is slow: it truncates every answer, and takes its time over TCP."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.scripted import Asked, Scripted, reply, truncated


@contextmanager
def slow_upstream(delay_s: float) -> Iterator[str]:
    """Run the upstream in threads. Yield its address and port."""
    with Scripted(lambda asked: [truncated(asked)]) as upstream, _Streams(upstream, delay_s) as streams:
        ended = threading.Event()

        def answer() -> None:
            while not ended.wait(0.01):
                upstream.serve()

        threads = [threading.Thread(target=answer), threading.Thread(target=streams.serve_forever, args=(0.05,))]
        for thread in threads:
            thread.start()
        try:
            yield f"{upstream.endpoint.address}:{upstream.endpoint.port}"
        finally:
            ended.set()
            streams.shutdown()
            for thread in threads:
                thread.join()


class _Streams(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, upstream: Scripted, delay_s: float) -> None:
        super().__init__((str(upstream.endpoint.address), upstream.endpoint.port), _Stream)
        self.delay_s = delay_s


class _Stream(socketserver.BaseRequestHandler):
    server: _Streams
    request: socket.socket

    def handle(self) -> None:
        """Answer each query of the connection after the delay, so that one does not wait for another."""
        with self.request.makefile("rb") as reader:
            while size := reader.read(2):
                message = reader.read(int.from_bytes(size, "big"))
                answer = reply(Asked(message, "", "A", by_stream=True, peer=("", 0)))
                timer = threading.Timer(self.server.delay_s, self._send, [answer])
                timer.daemon = True
                timer.start()

    def _send(self, answer: bytes) -> None:
        with suppress(OSError):  # the client has closed the connection
            self.request.sendall(len(answer).to_bytes(2, "big") + answer)
