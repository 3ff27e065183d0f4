"""DNS over HTTPS without I/O, against the server's side of `h2`."""

from contextlib import suppress

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.upstream.framing import FramingError, LengthFraming
from dnsfilter.upstream.http2_client import MOST_ANSWER, MOST_STREAMS, HttpFraming
from tests.unit.upstream.streaming import query

QUERY = query("example.org")
ANSWERED = ((":status", "200"), ("content-type", "application/dns-message"))


class Served:
    """A client, and the server's side of its connection."""

    def __init__(self) -> None:
        self.client = HttpFraming("dns.example.org", "/dns-query")
        self.server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.server.initiate_connection()
        self.requests: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}

    def ask(self) -> int:
        number, sent = self.client.ask(QUERY, ())
        self.to_server(sent)
        return number

    def to_server(self, sent: bytes) -> None:
        for event in self.server.receive_data(sent):
            if isinstance(event, RequestReceived):
                self.requests[event.stream_id] = {str(name): str(value) for name, value in event.headers}
            elif isinstance(event, DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data

    def to_client(self) -> list[tuple[int, bytes | str]]:
        return list(self.client.receive(self.server.data_to_send()))

    def answer(self, number: int, body: bytes, headers: tuple[tuple[str, str], ...] = ANSWERED) -> None:
        self.server.send_headers(number, headers)
        self.server.send_data(number, body, end_stream=True)


def test_question_is_a_post_with_id_zero() -> None:
    served = Served()
    number = served.ask()
    assert served.bodies[number] == b"\0\0" + QUERY[2:]
    assert served.requests[number] == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": "dns.example.org",
        ":path": "/dns-query",
        "accept": "application/dns-message",
        "content-type": "application/dns-message",
        "content-length": str(len(QUERY)),
    }


def test_answers_arrive_in_any_order() -> None:
    served = Served()
    first, second = served.ask(), served.ask()
    served.answer(second, b"second")
    served.answer(first, b"first")
    assert served.to_client() == [(second, b"second"), (first, b"first")]


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (((":status", "404"), ("content-type", "text/plain")), "HTTP status 404: compare the path of its URL"),
        (((":status", "200"), ("content-type", "text/html")), "its answer is not application/dns-message"),
        (((":status", "200"),), "its answer is not application/dns-message"),
    ],
)
def test_other_answers_are_faults(headers: tuple[tuple[str, str], ...], fault: str) -> None:
    served = Served()
    number = served.ask()
    served.answer(number, b"<html>", headers)
    assert served.to_client() == [(number, fault)]


def test_reset_stream_is_a_fault() -> None:
    served = Served()
    number = served.ask()
    served.server.reset_stream(number)
    assert served.to_client() == [(number, "the HTTP/2 stream was reset")]


def test_end_of_the_connection_is_an_error() -> None:
    served = Served()
    served.ask()
    served.server.close_connection()
    with pytest.raises(FramingError, match="ends the HTTP/2 connection"):
        served.to_client()


def test_answer_that_is_too_large_ends_the_connection() -> None:
    served = Served()
    number = served.ask()
    served.server.send_headers(number, ANSWERED)
    for _ in range(6):
        served.server.send_data(number, bytes(10_000))
        assert served.to_client() == []
        served.to_server(served.client.outgoing())
    served.server.send_data(number, bytes(10_000))
    with pytest.raises(FramingError, match=f"more than {MOST_ANSWER} bytes"):
        served.to_client()


def test_servers_limit_of_streams_is_kept() -> None:
    served = Served()
    assert served.client.most_open == MOST_STREAMS
    served.ask()
    served.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 3})
    served.to_client()
    assert served.client.most_open == 3


def test_windows_are_opened_again() -> None:
    served = Served()
    for _ in range(40):
        number = served.ask()
        served.answer(number, bytes(8_000))
        assert served.to_client() == [(number, bytes(8_000))]
        served.to_server(served.client.outgoing())


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_taken_or_end_the_connection(data: bytes, after_settings: bool) -> None:
    served = Served()
    number = served.ask()
    if after_settings:
        served.to_client()
    with suppress(FramingError):
        arrived = served.client.receive(data)
        assert {asked for asked, _ in arrived} <= {number}


@given(st.lists(st.binary(min_size=2, max_size=40), max_size=5), st.integers(1, 7))
def test_messages_after_their_length_are_taken_from_any_pieces(messages: list[bytes], size: int) -> None:
    framing = LengthFraming()
    sent = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    arrived = [each for at in range(0, len(sent), size) for each in framing.receive(sent[at : at + size])]
    assert arrived == [(int.from_bytes(message[:2], "big"), message) for message in messages]
