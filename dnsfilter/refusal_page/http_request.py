"""The few parts of an HTTP/1 request that the page needs (RFC 9112). Pure."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import NameFault, parse_name

METHODS = ("GET", "HEAD")
_LINE = re.compile(rb"([A-Z]{1,20}) [\x21-\x7e]+ HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


class BadRequest(Exception):
    """A request that is answered with this status and no page."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """The method, the name of the host without its port, and the accepted languages. None: no name, as an address."""

    method: str
    name: WireName | None
    languages: str


def parse_request(head: bytes) -> Request:
    """Return a request from its head, which ends with an empty line. Raise BadRequest."""
    first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if (method := line[1].decode()) not in METHODS:
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED)
    hosts, languages = list[str](), ""
    for each in rest:
        field = _FIELD.fullmatch(each)
        if field is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        name, value = field[1].lower(), field[2].decode("latin-1").strip()
        if name == b"host":
            hosts.append(value)
        elif name == b"accept-language":
            languages = value
    if len(hosts) != 1:
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    return Request(method, _name_of(hosts[0]), languages)


def _name_of(host: str) -> WireName | None:
    """Return the name of a Host field, or None if it holds no name."""
    try:
        return parse_name(re.sub(r":[0-9]{0,5}$", "", host))
    except NameFault:
        return None
