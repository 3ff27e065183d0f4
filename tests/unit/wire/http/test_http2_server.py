"""HTTP/2 of a server without I/O: requests and responses, windows, and clients that ask for work without a request."""

from collections.abc import Callable

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.http.http2_server import (
    MAX_BODY,
    MOST_BUFFERED,
    MOST_SPARE,
    HeaderDecoder,
    Http2Server,
    Request,
    Response,
)
from tests.support.http2_client import DNS, Http2Client
from tests.support.row_tables import each_row

TOO_LARGE = Response(413, (), b"too large")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
POST = bytes.fromhex("83 87 41 0f 646e732e6578616d706c652e6f7267 44 0a 2f646e732d7175657279".replace(" ", ""))
"""Headers of a request by POST, in HPACK."""


def pair() -> tuple[Http2Client, Http2Server]:
    client, server = Http2Client(), Http2Server(TOO_LARGE)
    exchange(client, server)
    return client, server


def exchange(client: Http2Client, server: Http2Server) -> list[Request]:
    """Pass on what each side has to send. Return the requests."""
    requests = []
    client.receive(server.take())
    while data := client.take():
        requests += server.receive(data)
        client.receive(server.take())
    return requests


def test_requests_of_a_client_arrive_complete_and_in_order() -> None:
    client, server = pair()
    first, second = client.request("/dns-query?dns=AAAA"), client.request(body=b"q" * 70)
    assert exchange(client, server) == [
        Request(first, b"GET", b"/dns-query?dns=AAAA"),
        Request(second, b"POST", b"/dns-query", DNS.encode(), b"q" * 70),
    ]


def test_responses_reach_the_requests_that_they_are_for() -> None:
    client, server = pair()
    first, second = client.request("/1"), client.request("/2")
    exchange(client, server)
    server.respond(second, Response(200, ((b"content-type", b"text/plain"),), b"two"))
    server.respond(first, Response(404))
    exchange(client, server)
    found = client.responses
    assert [(found[each].status, found[each].body, found[each].is_complete) for each in (first, second)] == [
        (404, b"", True), (200, b"two", True)
    ]  # fmt: skip
    assert found[second].headers["content-type"] == "text/plain"
    assert found[second].headers["content-length"] == "3"


def test_bytes_may_arrive_one_at_a_time() -> None:
    client, server = pair()
    stream = client.request(body=b"query")
    requests = [request for byte in client.take() for request in server.receive(bytes((byte,)))]
    assert requests == [Request(stream, b"POST", b"/dns-query", DNS.encode(), b"query")]


def test_a_client_that_changes_the_size_of_the_header_table_reads_on() -> None:
    client, server = pair()
    for size in (0, 512, 4_096):
        client.connection.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
        exchange(client, server)
        stream = client.request("/")
        exchange(client, server)
        server.respond(stream, Response(200, ((b"cache-control", b"private"),), b"x"))
        exchange(client, server)
        assert client.responses[stream].headers["cache-control"] == "private"


def test_a_body_waits_for_the_clients_window() -> None:
    client, server = pair()
    client.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
    exchange(client, server)
    stream = client.request("/")
    exchange(client, server)
    server.respond(stream, Response(200, (), bytes(range(100))))
    client.receive(server.take())
    assert client.responses[stream].body == bytes(range(10))
    while not client.responses[stream].is_complete:
        client.connection.increment_flow_control_window(30, stream)
        exchange(client, server)
    assert client.responses[stream].body == bytes(range(100))


def test_a_client_that_takes_no_answer_loses_those_beyond_the_bound() -> None:
    client, server = pair()
    client.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
    exchange(client, server)
    streams = [client.request("/") for _ in range(MOST_BUFFERED // MAX_BODY + 2)]
    exchange(client, server)
    for stream in streams:
        server.respond(stream, Response(200, (), bytes(MAX_BODY)))
    exchange(client, server)
    reset = [client.responses[stream].reset for stream in streams]
    assert reset == [None] * (len(streams) - 2) + [ErrorCodes.ENHANCE_YOUR_CALM] * 2


def test_many_bodies_pass_through_the_connections_window() -> None:
    client, server = pair()
    for _ in range(30):
        client.request(body=bytes(10_000))
        assert len(exchange(client, server)) == 1


def test_the_largest_body_is_accepted() -> None:
    client, server = pair()
    client.request(body=bytes(MAX_BODY))
    assert [len(request.body) for request in exchange(client, server)] == [MAX_BODY]


def test_a_larger_body_gets_the_response_for_it() -> None:
    client, server = pair()
    stream = client.request(body=bytes(MAX_BODY + 1))
    assert exchange(client, server) == []
    assert (client.responses[stream].status, client.responses[stream].body) == (413, TOO_LARGE.body)
    assert not server.has_ended


def test_incomplete_bodies_beyond_the_bound_are_cancelled() -> None:
    client, server = pair()
    streams = [client.request(body=bytes(60_000), ends=False) for _ in range(MOST_BUFFERED // 60_000 + 1)]
    exchange(client, server)
    assert [client.responses[stream].reset for stream in streams][-2:] == [None, ErrorCodes.ENHANCE_YOUR_CALM]


def test_a_drained_connection_answers_what_was_asked() -> None:
    client, server = pair()
    stream = client.request("/")
    exchange(client, server)
    server.announce_end()
    client.receive(server.take())
    assert client.asked_to_end
    assert not server.has_ended
    server.respond(stream, Response(200, (), b"answer"))
    client.receive(server.take())
    assert client.responses[stream].body == b"answer"
    server.end()
    client.receive(server.take())
    assert client.ended == ErrorCodes.NO_ERROR


def test_a_cancelled_request_gets_no_answer() -> None:
    client, server = pair()
    stream = client.request("/")
    client.connection.reset_stream(stream)
    exchange(client, server)
    server.respond(stream, Response(200, (), b"answer"))
    assert server.take() == b""
    assert not server.has_ended


def _headers(stream: int, *, ends: bool = True, block: bytes = POST) -> HeadersFrame:
    flags = ["END_HEADERS", *(["END_STREAM"] if ends else [])]
    return HeadersFrame(stream, block, flags=flags)


def _resets(number: int) -> list[Frame]:
    return [_headers(2 * number + 1), RstStreamFrame(2 * number + 1, error_code=8)]


FLOODS: dict[str, Callable[[int], list[Frame]]] = {
    "rapid resets": _resets,
    "resets without a query": lambda n: [_headers(2 * n + 1, ends=False), RstStreamFrame(2 * n + 1, error_code=8)],
    "pings": lambda _: [PingFrame(0, bytes(8))],
    "settings": lambda n: [SettingsFrame(0, {4: n})],
    "windows": lambda _: [WindowUpdateFrame(0, 1)],
    "priorities": lambda n: [PriorityFrame(2 * n + 1, 0, 15)],
    "empty data": lambda n: [*([_headers(1, ends=False)] if n == 0 else []), DataFrame(1, b"")],
    "windows that overflow": lambda n: [_headers(2 * n + 1, ends=False), WindowUpdateFrame(2 * n + 1, 2**31 - 1)],
    "malformed requests": lambda n: [_headers(2 * n + 1, block=b"\x83")],
}


@each_row("name", FLOODS)
def test_a_client_that_floods_is_ended(name: str) -> None:
    server = Http2Server(TOO_LARGE)
    server.receive(PREFACE)
    for number in range(MOST_SPARE + 2):
        server.receive(b"".join(frame.serialize() for frame in FLOODS[name](number)))
        if server.has_ended:
            break
    sent = server.take()
    assert server.has_ended
    assert sent[-4:] == ErrorCodes.ENHANCE_YOUR_CALM.to_bytes(4, "big")


@each_row(
    "frames",
    [
        [ContinuationFrame(1, b"")],
        [_headers(1, ends=False, block=b"\xff\xff\xff\xff\xff\xff")],
        [HeadersFrame(1, b""), *[ContinuationFrame(1, b"")] * 100],
        [_headers(2)],
        [DataFrame(1, b"x")],
        [WindowUpdateFrame(0, 2**31 - 1)],
        [SettingsFrame(0, {5: 1})],
        [SettingsFrame(0, {4: 2**31})],
        [_headers(2 * number + 1, ends=False) for number in range(101)],
    ],
)
def test_a_client_that_breaks_the_protocol_is_ended(frames: list[Frame]) -> None:
    server = Http2Server(TOO_LARGE)
    assert server.receive(PREFACE + b"".join(frame.serialize() for frame in frames)) == []
    assert server.has_ended
    assert server.receive(b"more") == []


@each_row("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n"])
def test_another_protocol_is_ended(data: bytes) -> None:
    server = Http2Server(TOO_LARGE)
    assert server.receive(data) == []
    assert server.has_ended


_frames = st.one_of(
    st.builds(lambda n, b, e: _headers(n, ends=e, block=b), st.integers(1, 9), st.binary(max_size=40), st.booleans()),
    st.builds(lambda n, e: _headers(n, ends=e), st.integers(1, 9), st.booleans()),
    st.builds(lambda n, b: DataFrame(n, b), st.integers(1, 9), st.binary(max_size=40)),
    st.builds(lambda n: RstStreamFrame(n), st.integers(1, 9)),
    st.builds(lambda n, i: WindowUpdateFrame(n, i), st.integers(0, 9), st.integers(1, 2**31 - 1)),
    st.builds(lambda s: SettingsFrame(0, s), st.dictionaries(st.integers(0, 9), st.integers(0, 2**32 - 1))),
    st.builds(lambda n: ContinuationFrame(n, b""), st.integers(1, 9)),
).map(lambda frame: frame.serialize())


def _raw_frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


_raw = st.builds(_raw_frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=40))


@given(st.lists(st.one_of(_frames, _raw, st.binary(max_size=20)), max_size=20))
def test_no_bytes_raise(chunks: list[bytes]) -> None:
    server = Http2Server(TOO_LARGE)
    server.receive(PREFACE)
    answered = []
    for chunk in chunks:
        for request in server.receive(chunk):
            server.respond(request.stream, Response(200, (), bytes(50)))
            answered.append(request.stream)
        server.take()
    assert len(set(answered)) == len(answered), "each request is returned once"
    server.announce_end()
    server.end()
    assert server.has_ended
    server.take()


HEADER_FIELDS = st.sampled_from(
    [(b":method", b"POST"), (b":path", b"/dns-query"), (b"accept", b"a"), (b"content-length", b"40"), (b"x", b"y" * 60)]
)


@given(
    blocks=st.lists(st.tuples(st.lists(HEADER_FIELDS, max_size=4), st.sampled_from([0, 80, 200, 4096])), max_size=12)
)
def test_headers_are_those_that_the_library_decodes(
    blocks: list[tuple[list[tuple[bytes, bytes]], int]],
) -> None:
    encoder, ours, library = Encoder(), HeaderDecoder(), Decoder()
    for fields, size in blocks:
        encoder.header_table_size = size
        for _ in range(3):
            block = encoder.encode(fields)
            assert ours.decode(block, raw=True) == library.decode(block, raw=True) == fields
            assert list(ours.header_table.dynamic_entries) == list(library.header_table.dynamic_entries)
