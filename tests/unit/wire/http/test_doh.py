"""Requests of DNS over HTTPS: which hold a query, and what answers the others; how long an answer may be used."""

from base64 import urlsafe_b64encode

import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.http.doh import (
    HEAD_ANSWER,
    NO_QUERY,
    NOT_FOUND,
    WRONG_METHOD,
    WRONG_TYPE,
    DohQuery,
    max_age_s,
    query_of,
    response_of,
)
from dnsfilter.wire.http.http2_server import Request, Response
from tests.support.row_tables import each_row

DNS = b"application/dns-message"
MESSAGE = bytes(range(200, 256)) * 2
ENCODED = urlsafe_b64encode(MESSAGE).rstrip(b"=")


def get(path: bytes, method: bytes = b"GET") -> Request:
    return Request(1, method, path)


def post(kind: bytes, path: bytes = b"/dns-query") -> Request:
    return Request(1, b"POST", path, kind, MESSAGE)


@each_row(
    "request_, token",
    [
        (get(b"/dns-query?dns=" + ENCODED), None),
        (get(b"/dns-query?ct=application/dns-message&dns=" + ENCODED + b"&x"), None),
        (get(b"/dns-query/gnt-7f3k?dns=" + ENCODED), "gnt-7f3k"),
        (get(b"/dns-query/GNT-7f3k?dns=" + ENCODED), "gnt-7f3k"),
        (post(DNS), None),
        (post(b"Application/DNS-Message; x=y"), None),
        (post(DNS, b"/dns-query?dns=ignored"), None),
        (post(DNS, b"/dns-query/gnt-7f3k"), "gnt-7f3k"),
    ],
)
def test_a_request_with_a_query_gives_its_message_and_token(request_: Request, token: str | None) -> None:
    assert query_of(request_) == DohQuery(MESSAGE, token)


@each_row(
    "request_, response",
    [
        (get(b"/"), NOT_FOUND),
        (get(b"/dns-query/"), NOT_FOUND),
        (get(b"/dns-query/a/b"), NOT_FOUND),
        (get(b"/dns-query/\xff"), NOT_FOUND),
        (get(b"/dns-query/" + b"x" * 64), NOT_FOUND),
        (get(b"/dns-queries?dns=" + ENCODED), NOT_FOUND),
        (get(b"/dns-query"), NO_QUERY),
        (get(b"/dns-query?dns="), NO_QUERY),
        (get(b"/dns-query?dns=AAAA=="), NO_QUERY),
        (get(b"/dns-query?dns=AA+A"), NO_QUERY),
        (get(b"/dns-query?dns=AAAAA"), NO_QUERY),
        (get(b"/dns-query?dns=AAAA&dns=AAAA"), NO_QUERY),
        (get(b"/dns-query?dns=AAAA", b"PUT"), WRONG_METHOD),
        (get(b"/dns-query?dns=AAAA", b"HEAD"), HEAD_ANSWER),
        (post(b""), WRONG_TYPE),
        (post(b"text/plain"), WRONG_TYPE),
    ],
)
def test_a_request_without_a_query_gets_a_response_that_says_why(request_: Request, response: Response) -> None:
    assert query_of(request_) is response


@given(
    st.binary(max_size=60), st.sampled_from((b"GET", b"POST", b"BREW")), st.binary(max_size=30), st.binary(max_size=9)
)
def test_no_request_raises(path: bytes, method: bytes, kind: bytes, body: bytes) -> None:
    for prefix in (b"", b"/dns-query", b"/dns-query?dns="):
        assert isinstance(query_of(Request(1, method, prefix + path, kind, body)), DohQuery | Response)


def record(text: str) -> dns.rrset.RRset:
    name, ttl, *rest = text.split(" ", 4)
    return dns.rrset.from_text(name, int(ttl), *rest)


def answer(*answers: str, authority: tuple[str, ...] = (), rcode: int = 0) -> bytes:
    message = dns.message.make_response(dns.message.make_query("www.example.org", "A"))
    message.answer, message.authority = [*map(record, answers)], [*map(record, authority)]
    message.set_rcode(dns.rcode.Rcode(rcode))
    return message.to_wire()


SOA = "example.org. 900 IN SOA ns. host. 1 2 3 4 {}"


@each_row(
    "message, expected",
    [
        (answer("www.example.org. 300 IN A 192.0.2.1"), 300),
        (answer("www.example.org. 300 IN CNAME a.example.org.", "a.example.org. 20 IN A 192.0.2.1"), 20),
        (answer("www.example.org. 30 IN A 192.0.2.1", authority=("example.org. 5 IN NS ns.example.org.",)), 30),
        (answer("www.example.org. 0 IN A 192.0.2.1"), 0),
        (answer(authority=(SOA.format(600),)), 600),
        (answer(authority=(SOA.format(7200),), rcode=3), 900),
        (answer("www.example.org. 60 IN CNAME a.example.org.", authority=(SOA.format(40),), rcode=3), 40),
        (answer(), 0),
        (answer(rcode=5), 0),
        (answer("www.example.org. 300 IN A 192.0.2.1", rcode=2), 0),
    ],
)
def test_an_answer_may_be_used_again_for_its_least_ttl(message: bytes, expected: int) -> None:
    assert max_age_s(message) == expected
    headers = dict(response_of(message).headers)
    assert headers == {b"content-type": DNS, b"cache-control": b"private, max-age=%d" % expected}
