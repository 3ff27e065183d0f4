"""DNS over HTTPS of one connection to an upstream (RFC 8484), without I/O: HTTP/2 by `h2`, each question a POST."""

from collections.abc import Container, Sequence
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error

from dnsfilter.upstream.framing import Arrived, FramingError

MOST_STREAMS: Final = 100
"""Maximum number of questions at a time. A server should allow at least as many (RFC 9113 section 6.5.2)."""
MOST_ANSWER: Final = 65_535
_TYPE: Final = "application/dns-message"


class HttpFraming:
    """Implements `Framing`: the number of a question is its stream, and its id is 0, as caches of HTTP want it."""

    idle_s: float | None = None  # the keepalive option is not for HTTP/2

    def __init__(self, authority: str, path: str) -> None:
        self._connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._connection.initiate_connection()
        self._headers = (
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", authority),
            (":path", path),
            ("accept", _TYPE),
            ("content-type", _TYPE),
        )
        self._bodies: dict[int, bytearray] = {}
        self._faults: dict[int, str] = {}

    @property
    def most_open(self) -> int:
        """Return how many streams the server takes at a time."""
        return min(self._connection.remote_settings.max_concurrent_streams, MOST_STREAMS)

    def ask(self, message: bytes, taken: Container[int]) -> tuple[int, bytes]:
        """Return a stream for a question, and the bytes to send. Raise FramingError without room for it."""
        try:
            number = self._connection.get_next_available_stream_id()
            length = ("content-length", str(len(message)))
            self._connection.send_headers(number, (*self._headers, length))
            self._connection.send_data(number, b"\0\0" + message[2:], end_stream=True)
        except H2Error as error:
            raise FramingError(f"no HTTP/2 stream: {error}") from error
        self._bodies[number] = bytearray()
        return number, self.outgoing()

    def receive(self, data: bytes) -> Sequence[Arrived]:
        """Take bytes, and return what has arrived completely. Raise FramingError if the connection must end."""
        try:
            events = self._connection.receive_data(data)
            return [arrived for event in events for arrived in self._handle(event)]
        except H2Error as error:
            raise FramingError(f"broken HTTP/2: {error}") from error

    def outgoing(self) -> bytes:
        """Return bytes to send that belong to no question."""
        return self._connection.data_to_send()

    def _handle(self, event: Event) -> Sequence[Arrived]:
        match event:
            case ResponseReceived(stream_id=number, headers=headers):
                self._note_headers(number, {bytes(name): bytes(value) for name, value in headers})
            case DataReceived(stream_id=number, data=data, flow_controlled_length=size):
                self._connection.acknowledge_received_data(size, number)
                body = self._bodies.get(number)
                if body is not None and number not in self._faults:
                    body += data
                    if len(body) > MOST_ANSWER:
                        raise FramingError(f"an answer has more than {MOST_ANSWER} bytes")
            case StreamEnded(stream_id=number):
                return self._end(number)
            case StreamReset(stream_id=number):
                self._faults[number] = "the HTTP/2 stream was reset"
                return self._end(number)
            case ConnectionTerminated():
                raise FramingError("the server ends the HTTP/2 connection")
        return ()

    def _note_headers(self, number: int, headers: dict[bytes, bytes]) -> None:
        status, media_type = headers.get(b":status", b""), headers.get(b"content-type", b"")
        if status != b"200":
            text = status[:3].decode("ascii", "replace")
            self._faults[number] = f"HTTP status {text}: compare the path of its URL"
        elif media_type.partition(b";")[0].strip().lower() != _TYPE.encode():
            self._faults[number] = f"its answer is not {_TYPE}"

    def _end(self, number: int) -> Sequence[Arrived]:
        body, fault = self._bodies.pop(number, None), self._faults.pop(number, None)
        return () if body is None else ((number, fault or bytes(body)),)
