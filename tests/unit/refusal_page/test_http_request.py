"""The parts of a request that the page needs, and what is no request."""

from http import HTTPStatus

import pytest

from dnsfilter.refusal_page.http_request import BadRequest, parse_request
from dnsfilter.wire.names import name_text


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("www.example.org", "www.example.org"),
        ("WWW.Example.ORG:80", "www.example.org"),
        ("www.example.org.", "www.example.org"),
        ("", None),
        ("a..b", None),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("bücher.example", None),
    ],
)
def test_the_host_is_a_name_without_its_port(host: str, name: str | None) -> None:
    found = parse_request(head("GET / HTTP/1.1", f"Host: {host}", "Accept-Language: nl-BE,fr;q=0.5")).name
    assert (None if found is None else name_text(found)) == name


def test_a_request_has_method_and_languages() -> None:
    found = parse_request(head("HEAD /video?x=1 HTTP/1.0", "accept-language: fr", "HOST:www.example.org"))
    assert (found.method, found.languages) == ("HEAD", "fr")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET /"], HTTPStatus.BAD_REQUEST),
        (["GET / HTTP/2.0", "Host: a.example"], HTTPStatus.BAD_REQUEST),
        (["GET  / HTTP/1.1", "Host: a.example"], HTTPStatus.BAD_REQUEST),
        (["GET / HTTP/1.1"], HTTPStatus.BAD_REQUEST),
        (["GET / HTTP/1.1", "Host: a.example", "Host: b.example"], HTTPStatus.BAD_REQUEST),
        (["GET / HTTP/1.1", "Host: a.example", " folded"], HTTPStatus.BAD_REQUEST),
        (["GET / HTTP/1.1", "Host : a.example"], HTTPStatus.BAD_REQUEST),
        (["POST / HTTP/1.1", "Host: a.example"], HTTPStatus.METHOD_NOT_ALLOWED),
        (["CONNECT a.example:443 HTTP/1.1", "Host: a.example"], HTTPStatus.METHOD_NOT_ALLOWED),
    ],
)
def test_other_requests_get_no_page(lines: list[str], status: HTTPStatus) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(head(*lines))
    assert caught.value.status is status
