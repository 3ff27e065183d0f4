"""A way to a resolver inside a namespace that takes some time, over UDP."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.namespaces import Namespace

_LOOK_S = 0.1


@contextmanager
def slow_relay(space: Namespace, address: str, resolver: str, delay_s: float) -> Iterator[None]:
    """Answer at port 53 of `address` as `resolver` does at its port 53, but `delay_s` later."""
    ended, lock = threading.Event(), threading.Lock()
    with space.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 53))
        listening.settimeout(_LOOK_S)

        def relay(query: bytes, client: tuple[str, int]) -> None:
            with lock:
                way = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with way, suppress(OSError):  # the resolver may be silent, or the test over
                way.sendto(query, (resolver, 53))
                answer = way.recv(65535)
                time.sleep(delay_s)
                listening.sendto(answer, client)

        def read() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    query, client = listening.recvfrom(65535)
                    threading.Thread(target=relay, args=(query, client), daemon=True).start()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()
