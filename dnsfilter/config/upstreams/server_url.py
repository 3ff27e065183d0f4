"""Parse a server to ask: an address, or a `tls://` URL with the proof by which it is known."""

import base64
import binascii
import re
from typing import Final

from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.config.node_config import DOT_PORT, PIN, Endpoint, Tls

PIN_BYTES: Final = 32
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z])?(\.[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z])?)*"
)
_EXAMPLE: Final = '"tls://192.0.2.1#dns.example.org"'


def parse_server(text: str) -> Endpoint:
    """Return the server of "192.0.2.1", "192.0.2.1:53" or "tls://192.0.2.1#dns.example.org". Or raise ValueError.

    After "#" comes the name in the server's certificate, or `pin-sha256=` with the digest of its key, or several pins
    with "&" between them.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return parse_endpoint(text)
    if scheme != "tls":
        raise ValueError(f"{text!r} begins with {scheme}://: write an address, or for example {_EXAMPLE}")
    place, separator, proof = rest.partition("#")
    try:
        endpoint = parse_endpoint(place.removesuffix("/"), DOT_PORT)
    except ValueError as error:
        raise ValueError(
            f"{text!r} needs the server's address before its name: write for example {_EXAMPLE}"
        ) from error
    if not separator or not proof:
        example = f"{scheme}://{place}#dns.example.org"
        raise ValueError(f'{text!r} needs the name in the server\'s certificate: write for example "{example}"')
    return Endpoint(endpoint.address, endpoint.port, _parse_proof(proof, text))


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
    except binascii.Error:
        raw = b""
    if not part.startswith(PIN) or len(raw) != PIN_BYTES:
        raise ValueError(f'{part!r} in {text!r} is not "{PIN}" with the 44 characters of a SHA-256 digest in base64')
    return digest
