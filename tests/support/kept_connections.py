"""Clients that keep a connection to DoT or DoH open, ask by it all the time, and connect again once it is closed."""

import select
import socket
import ssl
from collections import Counter
from contextlib import closing
from threading import Event, Thread

import dns.message
import dns.rcode

from tests.support.engines import PATIENCE_S, query
from tests.support.http2_client import Http2Client
from tests.support.nodes import eventually

PAUSE_S = 0.01


class KeptConnection:
    """A client of `port` that asks for `name` all the time, with `with`. A query without an answer is asked again.

    `host` is the name in the handshake, and the authority of `context` is trusted. With `path`, it asks by DoH.
    """

    def __init__(
        self, port: int, source: str, context: ssl.SSLContext, host: str, name: str, path: str | None = None
    ) -> None:
        self._port, self._source, self._context, self._host = port, source, context, host
        self._message, self._path = query(name, id=0), path
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self.rcodes: Counter[int] = Counter()
        self.connections = 0
        self.asked_again = 0
        """Queries that the end of a connection crossed."""
        self.broken: list[str] = []
        """How connections ended that the node did not end in order."""

    def __enter__(self) -> "KeptConnection":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def is_dot(self) -> bool:
        return self._path is None

    @property
    def answered(self) -> int:
        return self.rcodes.total()

    def until_answered(self, more: int) -> None:
        """Wait until so many more answers have come."""
        wanted = self.answered + more
        assert eventually(lambda: self.answered >= wanted), (self.rcodes, self.broken)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                stream = self._connected()
            except OSError:  # between two nodes
                self._stop.wait(PAUSE_S)
                continue
            self.connections += 1
            with closing(stream):
                try:
                    (self._ask_by_dot if self.is_dot else self._ask_by_doh)(stream)
                except ConnectionError:
                    self.asked_again += 1
                except OSError as error:
                    self.broken.append(repr(error))

    def _connected(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S, (self._source, 0))
        return self._context.wrap_socket(plain, server_hostname=self._host, suppress_ragged_eofs=False)

    def _ask_by_dot(self, stream: ssl.SSLSocket) -> None:
        """Ask until the node ends the connection, or until the end."""
        while not self._stop.is_set() and not self._has_said(stream):
            stream.sendall(len(self._message).to_bytes(2, "big") + self._message)
            found = b""
            while len(found) < 2 or len(found) < 2 + int.from_bytes(found[:2], "big"):
                data = stream.recv(65_536)
                if not data:
                    self.asked_again += 1
                    return
                found += data
            self._note(found[2:])
        if not self._stop.is_set() and stream.recv(1):
            self.broken.append("data without a query")

    def _ask_by_doh(self, stream: ssl.SSLSocket) -> None:
        client = Http2Client()
        asked = 0
        while not self._stop.is_set():
            is_waiting = asked > 0 and not client.responses[asked].is_complete
            if is_waiting or client.asked_to_end or self._has_said(stream):
                data = stream.recv(65_536)
                if not data:
                    self.asked_again += is_waiting
                    self.broken += [] if client.asked_to_end else ["no GOAWAY"]
                    return
                client.receive(data)
                if is_waiting and client.responses[asked].is_complete:
                    self._note(client.responses[asked].body)
                continue
            asked = client.request(self._path or "", self._message)
            stream.sendall(client.take())

    def _has_said(self, stream: ssl.SSLSocket) -> bool:
        """Pause. Return whether the node has said something that is not read."""
        return stream.pending() > 0 or bool(select.select([stream], [], [], PAUSE_S)[0])

    def _note(self, message: bytes) -> None:
        self.rcodes[dns.message.from_wire(message).rcode()] += 1
