"""Clients that hold a connection and give nothing for it: they go on byte by byte, flood, or never read."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import h2.settings
from hyperframe.frame import ContinuationFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.support.engines import PATIENCE_S, query
from tests.support.http2_client import Http2Client

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
_SMALL = 4_096
_MANY = 4_000
"""Queries at a time of a client that never reads: the buffers of the system hold megabytes of answers."""


@dataclass
class Reach:
    """Where a client connects to, from which address, and the TLS that it speaks there, if any."""

    port: int
    source: str
    context: ssl.SSLContext | None = None
    name: str = ""

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        """Connect without TLS."""
        made = socket.socket()
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(PATIENCE_S)
        made.bind((self.source, 0))
        made.connect(("127.0.0.1", self.port))
        return made


class Hostile:
    """A connection, and what its client sends bit by bit."""

    def __init__(self, stream: socket.socket, more: Iterator[bytes]) -> None:
        stream.setblocking(False)
        self._stream, self._more = stream, more

    def go_on(self) -> None:
        """Send the next bit, as far as there is room for it."""
        with suppress(OSError):
            self._stream.send(next(self._more, b""))

    def close(self) -> None:
        self._stream.close()


class Tls:
    """The client's side of a TLS connection. It sees the bytes of each record."""

    def __init__(self, reach: Reach) -> None:
        assert reach.context is not None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = reach.context.wrap_bio(self._incoming, self._outgoing, server_hostname=reach.name)
        self.is_open = False
        """Whether the handshake is complete."""

    def hello(self) -> bytes:
        """Return the first bytes of a handshake."""
        with suppress(ssl.SSLWantReadError):
            self._object.do_handshake()
        return self._outgoing.read()

    def open(self, stream: socket.socket) -> None:
        """Complete the handshake."""
        stream.sendall(self.hello())
        while not self.is_open:
            stream.sendall(self.go_on(stream.recv(65_536)))

    def go_on(self, data: bytes) -> bytes:
        """Take bytes of the server's handshake. Return the next bytes for it."""
        self._incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self._object.do_handshake()
            self.is_open = True
        return self._outgoing.read()

    def unseal(self, data: bytes) -> bytes:
        """Return what the server says with these bytes."""
        self._incoming.write(data)
        found = b""
        with suppress(ssl.SSLError):
            while more := self._object.read(65_536):
                found += more
        return found

    def seal(self, data: bytes) -> bytes:
        """Return the records that bring these bytes to the server."""
        self._object.write(data)
        return self._outgoing.read()


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _bytes_of(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


# In clear text.


def _silent(reach: Reach) -> Hostile:
    return Hostile(reach.connect(), iter(()))


def _message_by_bytes(reach: Reach) -> Hostile:
    return Hostile(reach.connect(), _bytes_of(b"\xff\xff" + bytes(65_535)))


def _unread(reach: Reach) -> Hostile:
    return Hostile(reach.connect(_SMALL), repeat(_framed(query("plain.example.org")) * _MANY))


# Over TLS.


def _half_hello(reach: Reach) -> Hostile:
    stream, hello = reach.connect(), Tls(reach).hello()
    stream.sendall(hello[: len(hello) // 2])
    return Hostile(stream, _bytes_of(hello[len(hello) // 2 : -1]))


def _hello_by_bytes(reach: Reach) -> Hostile:
    return Hostile(reach.connect(), _bytes_of(Tls(reach).hello()))


def _after_handshake(sent: Callable[[Tls], bytes], more: Callable[[Tls], Iterator[bytes]], reach: Reach) -> Hostile:
    stream, tls = reach.connect(_SMALL), Tls(reach)
    tls.open(stream)
    stream.sendall(tls.seal(sent(tls)) if sent(tls) else b"")
    return Hostile(stream, more(tls))


def _says(first: bytes, more: Callable[[Tls], Iterator[bytes]] = lambda _: iter(())) -> Callable[[Reach], Hostile]:
    """Return a client that sends `first` after its handshake, and then what `more` yields."""
    return partial(_after_handshake, lambda _: first, more)


def _record_by_bytes(tls: Tls) -> Iterator[bytes]:
    return _bytes_of(tls.seal(_framed(query("plain.example.org")))[:-1])


def _sealed_again(data: bytes) -> Callable[[Tls], Iterator[bytes]]:
    return lambda tls: (tls.seal(data) for _ in repeat(None))


# HTTP/2.


def _headers(stream: int, *flags: str) -> bytes:
    """Return the first half of a request's headers, unless `flags` end them."""
    frame = HeadersFrame(stream, b"\x82\x87\x84", flags=list(flags))
    return frame.serialize()


def _requests(number: int, window: int) -> bytes:
    """Return as many queries as a client asks at once, whose streams take `window` bytes of answers."""
    client = Http2Client()
    client.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
    sent = client.take()
    for _ in range(number):
        client.request(body=query("plain.example.org"))
        sent += client.take()
    return sent


def _headers_by_bytes(tls: Tls) -> Iterator[bytes]:
    return (tls.seal(each) for each in _bytes_of(_headers(1)))


def _continued(tls: Tls) -> Iterator[bytes]:
    return (tls.seal(ContinuationFrame(1, b"\x40\x01a\x01b" * 100).serialize()) for _ in repeat(None))


def _reset(tls: Tls) -> Iterator[bytes]:
    ends = ("END_HEADERS", "END_STREAM")
    return (
        tls.seal(b"".join(_headers(at, *ends) + RstStreamFrame(at).serialize() for at in range(at, at + 40, 2)))
        for at in range(1, 1_000_001, 40)
    )


CLEAR: Mapping[str, Callable[[Reach], Hostile]] = {
    "silent": _silent,
    "message by bytes": _message_by_bytes,
    "never reads": _unread,
}
TLS: Mapping[str, Callable[[Reach], Hostile]] = {
    "silent": _silent,
    "half a hello": _half_hello,
    "hello by bytes": _hello_by_bytes,
    "silent after the handshake": _says(b""),
}
DOT: Mapping[str, Callable[[Reach], Hostile]] = {
    **TLS,
    "record by bytes": _says(b"", _record_by_bytes),
    "half a message": _says(b"\xff\xff\0"),
    "never reads": _says(b"", _sealed_again(_framed(query("plain.example.org")) * _MANY)),
}
DOH: Mapping[str, Callable[[Reach], Hostile]] = {
    **TLS,
    "preface": _says(_PREFACE),
    "half of HEADERS": _says(_PREFACE + _headers(1)[:-2]),
    "HEADERS by bytes": _says(_PREFACE, _headers_by_bytes),
    "CONTINUATION": _says(_PREFACE + _headers(1), _continued),
    "window of 0": _says(_requests(20, 0)),
    "bodies without end": _says(_PREFACE + b"".join(_headers(at, "END_HEADERS") for at in range(1, 400, 2))),
    "pings": _says(_PREFACE, _sealed_again(PingFrame(0, b"12345678").serialize())),
    "resets": _says(_PREFACE, _reset),
    "never reads": _says(_requests(90, 65_535), _sealed_again(PingFrame(0, b"12345678").serialize() * 20)),
}
