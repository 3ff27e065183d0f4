"""DNS over HTTPS (RFC 8484): requests to queries, and answers to responses."""

import binascii
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from struct import Struct
from typing import Final

from dnsfilter.wire.compose import MAX_MESSAGE
from dnsfilter.wire.http.http2_server import OK, Headers, Request, Response
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import HEADER_SIZE, MAX_LABEL, skip_name
from dnsfilter.wire.query import HEADER

PATH: Final = "/dns-query"
MEDIA_TYPE: Final = "application/dns-message"
_PATH: Final = PATH.encode()
_TYPE: Final = MEDIA_TYPE.encode()
_TYPE_HEADER: Final = (b"content-type", _TYPE)
_QUESTION_TAIL: Final = 4
_RECORD: Final = Struct("!H2xIH")
_SOA_MINIMUM: Final = 4
_RESPONSE: Final = 0x80
_CONCLUSIVE: Final = (Rcode.NOERROR, Rcode.NXDOMAIN)


def refusal(status: int, text: str, *headers: tuple[bytes, bytes]) -> Response:
    """Return the response to a request that holds no query."""
    fields: Headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"private, max-age=0"),
        *headers,
    )
    return Response(status, fields, f"{text}\n".encode())


NOT_FOUND: Final = refusal(404, f"No DNS here. Use the path {PATH}.")
TOO_LARGE: Final = refusal(413, f"The message has more than {MAX_MESSAGE} bytes.")
NO_QUERY: Final = refusal(
    400, f"No DNS query. Send one by POST, or by GET as {PATH}?dns= in base64url without padding."
)
WRONG_METHOD: Final = refusal(405, "Use GET or POST.", (b"allow", b"GET, POST"))
WRONG_TYPE: Final = refusal(415, f"Use the content type {MEDIA_TYPE}.")
HEAD_ANSWER: Final = Response(405, WRONG_METHOD.headers)
"""A response to HEAD has no body (RFC 9110 section 9.3.2)."""


@dataclass(frozen=True, slots=True)
class DohQuery:
    """A query as it was sent, and the token that its path names, if any."""

    message: bytes
    token: str | None


def query_of(request: Request) -> DohQuery | Response:
    """Return the query of a request, or the response to a request without one."""
    path, _, parameters = request.path.partition(b"?")
    token = None
    if path != _PATH:
        above, _, last = path.rpartition(b"/")
        if above != _PATH or not 0 < len(last) <= MAX_LABEL or not last.isascii():
            return NOT_FOUND
        token = last.decode().lower()
    if request.method == b"POST":
        media_type = request.content_type.partition(b";")[0].strip().lower()
        return DohQuery(request.body, token) if media_type == _TYPE else WRONG_TYPE
    if request.method != b"GET":
        return HEAD_ANSWER if request.method == b"HEAD" else WRONG_METHOD
    message = _message_of(parameters)
    return NO_QUERY if message is None else DohQuery(message, token)


def _message_of(parameters: bytes) -> bytes | None:
    """Return the message of `dns=`. None if there is not exactly one, or it is no base64url without padding."""
    found = [text[4:] for text in parameters.split(b"&") if text.startswith(b"dns=")]
    if len(found) != 1 or not found[0].replace(b"-", b"0").replace(b"_", b"0").isalnum():
        return None
    try:
        return urlsafe_b64decode(found[0] + b"=" * (-len(found[0]) % 4))
    except binascii.Error:
        return None


def may_be_query(message: bytes) -> bool:
    """Return whether a message has a header, and is no response. Others get no answer over any transport."""
    return len(message) >= HEADER_SIZE and message[2] < _RESPONSE


def response_of(answer: bytes) -> Response:
    """Return the response with an answer of ours. Caches that several clients share may not keep it."""
    return Response(OK, (_TYPE_HEADER, (b"cache-control", b"private, max-age=%d" % max_age_s(answer))), answer)


def max_age_s(answer: bytes) -> int:
    """Return for how many seconds a client may use an answer of ours again: 0 for errors, else the least TTL.

    That of records in authority, except a SOA, does not count (section 5.1).
    """
    if answer[3] & 0x0F not in _CONCLUSIVE:
        return 0
    questions, answers, authorities, _ = HEADER.unpack_from(answer)[2:]
    position = HEADER_SIZE
    for _ in range(questions):
        position = skip_name(answer, position) + _QUESTION_TAIL
    least: int | None = None
    for number in range(answers + authorities):
        position = skip_name(answer, position)
        rtype, ttl, size = _RECORD.unpack_from(answer, position)
        position += _RECORD.size + size
        if number >= answers:
            if rtype != Type.SOA:
                continue
            ttl = min(ttl, int.from_bytes(answer[position - _SOA_MINIMUM : position]))
        least = ttl if least is None else min(least, ttl)
    return least or 0
