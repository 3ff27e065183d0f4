"""A client's side of one HTTP/2 connection, without I/O."""

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
from hyperframe.frame import GoAwayFrame

DNS = "application/dns-message"
NO_MORE = GoAwayFrame(0, 2**31 - 1).serialize()


@dataclass
class Received:
    """A response, as far as it has come."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers[":status"])


class Http2Client:
    """Send what `take` returns after each call of another method."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self.responses: dict[int, Received] = {}
        self._bodies: dict[int, tuple[bytes, bool]] = {}
        self.asked_to_end = False
        self.ended: int | None = None
        """The code of the server's GOAWAY."""

    def take(self) -> bytes:
        """Return the bytes to send to the server: of bodies what its windows admit."""
        for stream, (body, ends) in list(self._bodies.items()):
            while body and (size := min(self.connection.local_flow_control_window(stream), 16_384, len(body))):
                self.connection.send_data(stream, body[:size], end_stream=ends and size == len(body))
                body = body[size:]
            self._bodies[stream] = (body, ends)
            if not body:
                del self._bodies[stream]
        return self.connection.data_to_send()

    def request(
        self,
        path: str = "/dns-query",
        body: bytes | None = None,
        *,
        method: str | None = None,
        kind: str = DNS,
        ends: bool = True,
    ) -> int:
        """Request a path, by POST if there is a body. Return the stream."""
        stream = self.connection.get_next_available_stream_id()
        method = method or ("GET" if body is None else "POST")
        headers = [(":method", method), (":scheme", "https"), (":authority", "dns.example.org"), (":path", path)]
        headers += [] if body is None else [("content-type", kind)]
        self.responses[stream] = Received()
        self.connection.send_headers(stream, headers, end_stream=not body)
        if body:
            self._bodies[stream] = (body, ends)
        return stream

    def receive(self, data: bytes) -> None:
        """Read what the server has sent. Windows are opened at once.

        h2 must not see a GOAWAY for later requests, because it would read nothing after it.
        """
        if NO_MORE in data:
            self.asked_to_end, data = True, data.replace(NO_MORE, b"")
        for event in self.connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived(stream_id=stream, headers=headers):
                    self.responses[stream].headers = {str(name): str(value) for name, value in headers}
                case h2.events.DataReceived(stream_id=stream, data=part, flow_controlled_length=size):
                    self.responses[stream].body += part
                    self.connection.acknowledge_received_data(size, stream)
                case h2.events.StreamEnded(stream_id=stream):
                    self.responses[stream].is_complete = True
                case h2.events.StreamReset(stream_id=stream, error_code=code):
                    self._bodies.pop(stream, None)
                    self.responses[stream].reset = code
                case h2.events.ConnectionTerminated(error_code=code):
                    self.ended = code
