"""Fleets: ranges of devices outside the office, which ask by a name instead of from an address.

A fleet's prefix is a /96 of the discard block (RFC 6666), where no client has its address. A query that comes by one
of its names counts as the range's, wherever it comes from.
"""

import hashlib
import re
from base64 import b32encode
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dnsfilter.translatable import Text

FLEET_BLOCK = IPv6Network("100::/64")
"""RFC 6666: addresses that a network discards."""
FLEET_HALF = FLEET_BLOCK.network_address.packed[:8]
"""The first half of the address of every fleet's client."""
FLEET_TEXT, FLEET_LENGTH = "100::", "/96"
"""Beginning and end of a fleet's prefix as text. No other prefix that can be registered has both."""
NO_FLEET = FLEET_HALF + bytes(4)
"""The first 12 bytes of an address in the block of fleets that is in no fleet, because fleets count from 1."""
NO_FLEET_NETWORK = "100::/48"
"""The network that nodes report for clients in the block of fleets that are in no fleet."""
FLEET_WITHOUT_NAME = "no name of this fleet is valid then, so its devices get no answer; with one:"
"""What `explain` says before the decision for such a fleet."""
MAX_NUMBER = 2**32 - 1
TOKEN_BYTES = 5
"""Random bytes of a token. Base32 writes them as eight characters."""
MIN_TOKEN, MAX_TOKEN = 16, 63
"""Characters of a token. It is one label of a name (RFC 1035 section 2.3.4)."""

_PREFIX_BITS = 96
_V6_CLIENT_BYTES = 8
"""A client is an IPv6 /64, as for limits."""
_TOKEN = re.compile(r"[a-z0-9](?:[a-z0-9-]{14,61})[a-z0-9]")


@dataclass(frozen=True, slots=True)
class FleetName:
    """A token by which devices of the fleet with that prefix at `site` ask, over `[start, end)`.

    It is a label of the server's name (`TOKEN.dns.example.org`) and the last part of a path (`/dns-query/TOKEN`).
    """

    token: str
    site: str
    prefix: IPv6Network
    start: int = 0
    end: int | None = None

    def holds(self, at: int) -> bool:
        """Return whether devices may ask by the token at `at`."""
        return self.start <= at and (self.end is None or at < self.end)


def fleet_prefix(number: int) -> IPv6Network:
    """Return the prefix of the fleet with that number, 1 to `MAX_NUMBER`."""
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(Text("{number} is not a fleet's number: use 1 to {most}", number=number, most=MAX_NUMBER))
    return IPv6Network((int(FLEET_BLOCK.network_address) | number << 128 - _PREFIX_BITS, _PREFIX_BITS))


def fleet_number(prefix: IPv6Network) -> int:
    """Return the number of a fleet's prefix."""
    return int(prefix.network_address) >> 128 - _PREFIX_BITS & MAX_NUMBER


def default_number(site: str, authority: str, label: str) -> int:
    """Return the number of a fleet for which none is given: it stays the same as long as these texts do."""
    digest = hashlib.sha256("\0".join((site, authority, label)).encode()).digest()
    return int.from_bytes(digest[:4]) or 1


def is_fleet(prefix: IPv4Network | IPv6Network) -> bool:
    """Return whether a prefix is a fleet's."""
    return prefix.prefixlen == _PREFIX_BITS and prefix.version == 6 and in_block(prefix) and fleet_number(prefix) > 0


def is_fleet_text(prefix: str) -> bool:
    """Return whether the text of a prefix, as it is printed, is a fleet's."""
    return prefix.startswith(FLEET_TEXT) and prefix.endswith(FLEET_LENGTH)


def in_block(prefix: IPv4Network | IPv6Network) -> bool:
    """Return whether a prefix lies in the block of fleets."""
    return isinstance(prefix, IPv6Network) and prefix.subnet_of(FLEET_BLOCK)


def holds_client(prefix: IPv4Network | IPv6Network, client: IPv4Address | IPv6Address) -> bool:
    """Return whether a range with that prefix holds a client.

    A wider range holds no client in the block of fleets: a device without a certificate would count as an office's.
    """
    return client in prefix and (client not in FLEET_BLOCK or in_block(prefix))


def by_hand_fault(prefix: IPv4Network | IPv6Network) -> str | None:
    """Return why a prefix cannot be registered as a range by its addresses, or None."""
    if in_block(prefix):
        return Text("lies in 100::/64, which is for fleets: add a fleet instead")
    return None


def token_fault(token: str) -> str | None:
    """Return why a text cannot be a fleet's token, or None."""
    if not _TOKEN.fullmatch(token):
        return (
            f"must be {MIN_TOKEN} to {MAX_TOKEN} of the characters a-z, 0-9 and -, without - at the ends: "
            "end it with 10 random characters"
        )
    return None


def fleet_token(authority: str, funding: str, audience: str, random: bytes) -> str:
    """Return a new token: what it stands for, and `random`, which are `TOKEN_BYTES` bytes of a secure source."""
    rest = f"-{funding.partition('_')[0]}-{audience}-{b32encode(random).decode().lower()}"
    return authority[: MAX_TOKEN - len(rest)].rstrip("-") + rest


def plain_client(address: bytes) -> bytes:
    """Return the client at a packed address that came without a fleet's name. In the block of fleets it is in none.

    Only a name makes a fleet's client: anybody can write such a source address into a datagram.
    """
    return NO_FLEET + address[12:] if address.startswith(FLEET_HALF) else address


def fleet_client(prefix: bytes, peer: bytes, key: bytes) -> bytes:
    """Return the address by which a fleet's client is known: the fleet's 12 bytes, and 4 of a keyed hash of its peer.

    `peer` is a packed address of 4 or 16 bytes. All addresses of an IPv6 /64 are one client. `key` is random, at most
    64 bytes, and never stored: so limits hold per client, and nobody finds the peer from the address.
    """
    held = peer[:_V6_CLIENT_BYTES] if len(peer) > 4 else peer
    return prefix + hashlib.blake2b(held, digest_size=4, key=key).digest()
