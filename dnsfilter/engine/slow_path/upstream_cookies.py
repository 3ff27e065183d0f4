"""Cookies in questions over UDP (RFC 7873): an answer must return the client cookie, which a forger must guess."""

from dnsfilter.wire.answer import Answer
from dnsfilter.wire.edns import cookie_option, is_cookie
from dnsfilter.wire.iana import OptionCode


def with_cookie(message: bytes, cookie: bytes) -> bytes:
    """Return a query with this cookie in its OPT, which is empty and last."""
    option = cookie_option(cookie)
    return message[:-2] + len(option).to_bytes(2, "big") + option


def returned_cookie(answer: Answer | None, client_cookie: bytes) -> bytes | None:
    """Return the cookie of an answer, empty if it has none; None if it is wrong. An answer of None was not readable."""
    data = None if answer is None or answer.edns is None else answer.edns.option(OptionCode.COOKIE)
    if data is None:
        return b""
    return data if is_cookie(data) and data.startswith(client_cookie) else None
