"""Parse a server to ask: an address, or a `tls://` or `https://` URL with the proof by which the server is known."""

import base64
import binascii
import re
from dataclasses import replace
from typing import Final

from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.config.node_config import DOT_PORT, HTTPS_PORT, PIN, Endpoint, Tls

PIN_BYTES: Final = 32
_LABEL: Final = r"[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_PATH: Final = re.compile(r"/[!-\"$-~]{0,255}")
_PORTS: Final = {"tls": DOT_PORT, "https": HTTPS_PORT}
_EXAMPLE: Final = '"tls://192.0.2.1#dns.example.org"'


def parse_server(text: str) -> Endpoint:
    """Return the server of "192.0.2.1:53", "tls://192.0.2.1#dns.example.org" or "https://192.0.2.1/dns-query#name".

    After "#" comes the name in the server's certificate, or `pin-sha256=` with the digest of its key, or several pins
    with "&" between them. Raise ValueError that says what to write.
    """
    scheme, separator, rest = text.partition("://")
    if not separator and "#" in text:
        place, _, proof = text.partition("#")
        example = f"tls://{place.partition('@')[0]}#{proof}"
        raise ValueError(f'{text!r} has a name, which only servers with TLS have: write for example "{example}"')
    if not separator:
        return parse_endpoint(text)
    if scheme not in _PORTS:
        raise ValueError(f"{text!r} begins with {scheme}://: write an address, or for example {_EXAMPLE}")
    location, _, proof = rest.partition("#")
    place, slash, path = location.partition("/")
    try:
        endpoint = parse_endpoint(place, _PORTS[scheme])
    except ValueError as error:
        example = f"{scheme}://192.0.2.1{slash}{path}#{proof or place}"
        raise ValueError(f'{text!r} needs an address in place of {place!r}: write for example "{example}"') from error
    if not proof:
        example = f"{scheme}://{location}#dns.example.org"
        raise ValueError(f'{text!r} lacks the name in its certificate: write for example "{example}"')
    tls = _parse_proof(proof, text)
    if scheme == "https":
        tls = replace(tls, path=_parse_path(slash + path, text))
    elif path:
        raise ValueError(f'{text!r} has a path, which only https:// has: remove "/{path}"')
    return Endpoint(endpoint.address, endpoint.port, tls)


def _parse_path(path: str, text: str) -> str:
    path = path.removesuffix("{?dns}")  # as operators publish it (RFC 8484 section 4.1)
    if _PATH.fullmatch(path) is None:
        raise ValueError(f'{text!r} lacks a path: write for example "https://192.0.2.1/dns-query#dns.example.org"')
    return path


def _parse_proof(proof: str, text: str) -> Tls:
    if "=" in proof:
        return Tls("", tuple(_parse_pin(part, text) for part in proof.split("&")))
    name = proof.removesuffix(".")
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{proof!r} in {text!r} is not the name of a server: write for example {_EXAMPLE}")
    return Tls(name.lower())


def _parse_pin(part: str, text: str) -> str:
    digest = part.removeprefix(PIN)
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not part.startswith(PIN) or len(raw) != PIN_BYTES:
        raise ValueError(f'{part!r} in {text!r} is not "{PIN}" with the 44 characters of a SHA-256 digest in base64')
    return digest
