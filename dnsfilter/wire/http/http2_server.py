"""A server's side of one HTTP/2 connection, without I/O: bytes of the client go in, requests and bytes for it come out.

h2 keeps to the protocol, and bounds streams and headers. What it leaves open is bounded here: bodies, answers that the
client does not take, and frames that bring no request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack import Decoder, Encoder
from hpack.struct import HeaderTuple

OK: Final = 200
"""The status of an answer. To import the library's `http` for it costs each start a millisecond."""
MAX_BODY: Final = 65_535
MOST_BUFFERED: Final = 256 * 1024
"""Bytes of incomplete bodies, and of answers that wait for the client's window, each."""
MOST_SPARE: Final = 1_000
"""Events that a client may cause without a request: pings, settings, windows, priorities, empty frames."""
PER_REQUEST: Final = 8
"""Events that a request makes up for. One takes three or four."""
PER_RESET: Final = 16
"""Events for which a cancelled request counts (CVE-2023-44487, CVE-2025-8671)."""
MOST_STREAMS: Final = 100
MOST_HEADERS: Final = 16_384
"""Bytes of a request's headers, as HPACK counts them."""
_STREAM_WINDOW: Final = 2 * MAX_BODY
"""Bytes of a body before its end, so that a body that is too large is seen."""
_SLICE: Final = 4_096
"""Bytes that are read at a time, so that few events precede a look at their number."""
_WINDOW_STEP: Final = 16_384
"""Bytes of bodies after which the connection's window is opened again."""
_MOST_KNOWN: Final = 16
_LARGEST_KNOWN: Final = 64
"""Header blocks that a connection keeps decoded, and bytes of each."""
_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path"))
_REQUIRED: Final = frozenset((b":method", b":scheme", b":path"))
_NOT_IN_HTTP2: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_LAST_GOAWAY: Final = bytes.fromhex("000008 07 00 00000000 7fffffff 00000000")
"""GOAWAY that ends no open stream: the client sends no more requests (RFC 9113 section 6.8)."""

_SETTINGS: Final = {
    SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
    SettingCodes.MAX_HEADER_LIST_SIZE: MOST_HEADERS,
    SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
}

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request. `content_type` is empty without one."""

    stream: int
    method: bytes
    path: bytes
    content_type: bytes = b""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What answers a request. The names of `headers` are in lower case, and values have at most 126 bytes."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(slots=True)
class _Incoming:
    """A request whose end has not come."""

    method: bytes
    path: bytes
    content_type: bytes
    body: bytearray = field(default_factory=bytearray)


class _Encoder(Encoder):
    """Writes headers as literals, which takes a tenth of the time of compression. They are short."""

    def encode(self, headers: Iterable[Any], huffman: bool = True) -> bytes:
        if self.header_table.resized:  # the client expects to read of the new size
            return super().encode(headers, huffman)
        return b"".join(map(_literal, headers))


class HeaderDecoder(Decoder):
    """Keeps the headers of blocks that leave the table of headers as it is. Clients repeat them for each query."""

    def __init__(self) -> None:
        super().__init__(MOST_HEADERS)
        self._known: dict[bytes, Iterable[HeaderTuple]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        known = self._known.get(data) if raw else None
        if known is not None:
            return known
        before, newest = self._sizes(), self._newest()
        headers = super().decode(data, raw)
        has_changed = self._newest() is not newest or self._sizes() != before
        if has_changed or len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        if raw and not has_changed and len(data) <= _LARGEST_KNOWN:
            self._known[bytes(data)] = headers
        return headers

    def _sizes(self) -> tuple[int, int]:
        return self.header_table.maxsize, len(self.header_table.dynamic_entries)

    def _newest(self) -> tuple[bytes, bytes] | None:
        """Return the newest entry. Each entry that is added is another object."""
        entries = self.header_table.dynamic_entries
        return entries[0] if entries else None


class _Connection(H2Connection):
    MAX_CLOSED_STREAMS = 256
    DEFAULT_MAX_HEADER_LIST_SIZE = MOST_HEADERS


class Http2Server:
    """One connection. Send what `take` returns after each call of another method."""

    def __init__(self, too_large: Response) -> None:
        """Initialize. `too_large` answers requests with more than MAX_BODY bytes."""
        # Nothing is passed on to another server, so that a few checks of headers are enough: `_parse_headers`.
        config = H2Configuration(
            client_side=False,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._connection = _Connection(config)
        self._connection.encoder = _Encoder()
        self._connection.decoder = HeaderDecoder()
        self._connection.local_settings = Settings(client=False, initial_values=_SETTINGS)
        self._connection.initiate_connection()
        self._too_large = too_large
        self._incoming: dict[int, _Incoming] = {}
        self._buffered = 0
        self._asked: set[int] = set()
        self._unsent: dict[int, memoryview] = {}
        self._consumed = 0
        self._spare = MOST_SPARE
        self._last_words = b""
        self.has_ended = False
        """Whether either side has ended the connection. Nothing more is read or answered."""

    @property
    def has_unsent(self) -> bool:
        """Return whether an answer waits for the client's window."""
        return bool(self._unsent) and not self.has_ended

    def receive(self, data: bytes) -> list[Request]:
        """Return the requests that are complete with these bytes. A client's mistake ends the connection."""
        requests: list[Request] = []
        for start in range(0, len(data), _SLICE):
            try:
                for event in self._connection.receive_data(data[start : start + _SLICE]):
                    request = self._handle(event)
                    if request is not None:
                        requests.append(request)
                if self._unsent:
                    self._send_unsent()
            except H2Error:
                self.has_ended = True
            if self._spare < 0:
                self.end(is_flooded=True)
            if self.has_ended:
                return []
        self._open_window()
        return requests

    def respond(self, stream: int, response: Response) -> None:
        """Answer a request. Does nothing if the client has cancelled it, or the connection has ended."""
        if stream not in self._asked or self.has_ended:
            return
        self._asked.discard(stream)
        if response.status != OK:
            self._spare -= PER_RESET  # no limit of queries counts it
        self._send(stream, response)

    def announce_end(self) -> None:
        """Ask the client for no more requests. Those that it has sent are answered."""
        if not self.has_ended:
            self._last_words = _LAST_GOAWAY

    def end(self, *, is_flooded: bool = False) -> None:
        """End the connection, perhaps because the client asks too much. Open requests get no answer."""
        if not self.has_ended:
            self.has_ended = True
            self._connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM if is_flooded else ErrorCodes.NO_ERROR)

    def take(self) -> bytes:
        """Return the bytes to send to the client."""
        data = self._connection.data_to_send() + self._last_words
        self._last_words = b""
        return data

    def _handle(self, event: Event) -> Request | None:
        """Return the request that is complete with an event, if one is."""
        self._spare -= 1
        if isinstance(event, DataReceived):
            self._take_data(event.stream_id, event.data, event.flow_controlled_length)
        elif isinstance(event, RequestReceived):
            self._begin(event.stream_id, event.headers)
        elif isinstance(event, StreamEnded):
            incoming = self._forget(event.stream_id)
            if incoming is not None:
                self._spare = min(self._spare + PER_REQUEST, MOST_SPARE)
                self._asked.add(event.stream_id)
                body = bytes(incoming.body)
                return Request(event.stream_id, incoming.method, incoming.path, incoming.content_type, body)
        elif isinstance(event, StreamReset):
            self._spare -= PER_RESET
            self._forget(event.stream_id)
            self._asked.discard(event.stream_id)
            self._unsent.pop(event.stream_id, None)
        elif isinstance(event, ConnectionTerminated):
            self.has_ended = True
        return None

    def _begin(self, stream: int, headers: Headers) -> None:
        incoming = _parse_headers(headers)
        if incoming is None:
            self._reset(stream, ErrorCodes.PROTOCOL_ERROR)
        else:
            self._incoming[stream] = incoming

    def _take_data(self, stream: int, data: bytes, flow_controlled: int) -> None:
        self._consumed += flow_controlled
        incoming = self._incoming.get(stream)
        if incoming is None:
            return
        incoming.body += data
        self._buffered += len(data)
        if len(incoming.body) > MAX_BODY:
            self._forget(stream)
            self._send(stream, self._too_large)
            self._reset(stream, ErrorCodes.NO_ERROR)
        elif self._buffered > MOST_BUFFERED:
            self._reset(stream, ErrorCodes.ENHANCE_YOUR_CALM)

    def _forget(self, stream: int) -> _Incoming | None:
        """Return an incomplete request and forget it."""
        incoming = self._incoming.pop(stream, None)
        if incoming is not None:
            self._buffered -= len(incoming.body)
        return incoming

    def _reset(self, stream: int, error: ErrorCodes) -> None:
        """End a stream, of which nothing more is read or sent."""
        self._spare -= PER_RESET
        self._forget(stream)
        self._unsent.pop(stream, None)
        held = self._connection.streams.get(stream)
        if held is not None and not held.closed:
            self._connection.reset_stream(stream, error)

    def _send(self, stream: int, response: Response) -> None:
        headers = [(b":status", b"%d" % response.status), *response.headers]
        if response.body:
            headers.append((b"content-length", b"%d" % len(response.body)))  # BIND's dig reads no body without it
        self._connection.send_headers(stream, headers, end_stream=not response.body)
        if response.body:
            self._send_body(stream, memoryview(response.body))

    def _send_body(self, stream: int, body: memoryview) -> None:
        """Send what the client's window admits, and keep the rest."""
        connection = self._connection
        while body:
            size = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size, len(body))
            if size <= 0:
                self._unsent[stream] = body
                if sum(map(len, self._unsent.values())) > MOST_BUFFERED:
                    self._reset(stream, ErrorCodes.ENHANCE_YOUR_CALM)
                return
            connection.send_data(stream, bytes(body[:size]), end_stream=size == len(body))
            body = body[size:]

    def _send_unsent(self) -> None:
        for stream in list(self._unsent):
            self._send_body(stream, self._unsent.pop(stream))

    def _open_window(self) -> None:
        """Let the client send as much again as it has sent."""
        if self._consumed >= _WINDOW_STEP:
            self._connection.increment_flow_control_window(self._consumed)
            self._consumed = 0


def _parse_headers(headers: Headers) -> _Incoming | None:
    """Return the request of these headers, None if they are malformed (RFC 9113 section 8)."""
    pseudo: dict[bytes, bytes] = {}
    content_type = b""
    is_begun = False
    for name, value in headers:
        if name[:1] == b":":
            if is_begun or name in pseudo or name not in _PSEUDO:
                return None
            pseudo[name] = value
            continue
        is_begun = True
        if name == b"content-type":
            content_type = value
        elif not name or name in _NOT_IN_HTTP2 or name != name.lower():
            return None
    if not pseudo.keys() >= _REQUIRED:
        return None
    return _Incoming(pseudo[b":method"], pseudo[b":path"], content_type)


def _literal(header: tuple[bytes, bytes]) -> bytes:
    """Return a header without indexing (RFC 7541 section 6.2.2). Index 8 is `:status`."""
    name, value = header
    head = b"\x08" if name == b":status" else b"\0" + bytes((len(name),)) + name
    return head + bytes((len(value),)) + value
