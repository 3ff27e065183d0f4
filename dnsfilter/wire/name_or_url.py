"""Find the domain name in what a person types: a name, or the host of a URL."""

import re
from ipaddress import ip_address

from dnsfilter.translatable import Text
from dnsfilter.wire.names import name_text
from dnsfilter.wire.unicode_names import parse_unicode_name

MAX_TYPED_NAME = 4096
"""Maximum number of characters of a name or URL. Pasted URLs have long queries."""
# A browser takes any number of slashes after these schemes. A pasted URL may follow other text.
_SCHEME = re.compile(r"https?:[/\\]*|(?:[^/\\?#]*:)?//", re.IGNORECASE)
_URL_HOST = re.compile(r"[^/\\?#]*")
_NAME = re.compile(r"(?:\\.|[^\\/?#])*\\?", re.DOTALL)
_USER = re.compile(r"(?:\\.|[^\\])*@", re.DOTALL)
_HOST = re.compile(r"[a-z0-9._-]*")
_PORT = re.compile(r"(?P<host>(?:\\.|[^\\:])*):(?P<port>.*)", re.DOTALL)


def parse_typed_name(text: str) -> bytes:
    """Return the name, in folded wire form: `www.tiktok.com` for "https://www.tiktok.com/@x" or "www.tiktok.com:443".

    Drop scheme, user, port, path, query and fragment, and read the name as `parse_unicode_name` does. Raise ValueError
    for an address, or if there is no name. The message repeats neither user nor path.
    """
    scheme = _SCHEME.match(text)
    # In a name a backslash escapes the next character; in a URL it ends the host (WHATWG URL, special schemes).
    authority = _matched(_NAME, text) if scheme is None else _matched(_URL_HOST, text[scheme.end() :])
    host = _without_port(authority.removeprefix(_matched(_USER, authority)))
    if not host:
        raise ValueError(Text("a name is required: write for example www.tiktok.com"))
    _demand_no_address(host)
    name = parse_unicode_name(host)
    if not host.isascii():
        # Letters and digits of other widths become ASCII.
        _demand_no_address(name_text(name))
    if scheme is not None and not _HOST.fullmatch(name_text(name)):
        raise ValueError(Text("{host!r} is not a host name: write for example www.tiktok.com", host=host))
    return name


def _matched(pattern: re.Pattern[str], text: str) -> str:
    """Return the start of the text that matches, or an empty text."""
    found = pattern.match(text)
    return "" if found is None else found.group()


def _without_port(text: str) -> str:
    if _is_address(text) or text.startswith("["):
        return text
    found = _PORT.fullmatch(text)
    if found is None:
        return text
    host, port = found["host"], found["port"]
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise ValueError(
            Text("{port!r} is not a port after {host!r}: write for example www.tiktok.com", port=port, host=host)
        )
    return host


def _demand_no_address(host: str) -> None:
    """Raise ValueError for an address. A host whose last label is a number is also one (WHATWG URL)."""
    if host.startswith("[") or _is_address(host) or host.removesuffix(".").rpartition(".")[2].isdigit():
        raise ValueError(Text("a name is required, not an address: {host}", host=host))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
