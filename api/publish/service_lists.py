"""Stored services: one list of names per service, identified by its SHA-256. Pure.

A list is a line of canonical JSON, which says how many names each tier has, and then the names in wire form, sorted:

{"name": "TikTok", "slug": "tiktok", "tiers": [{"domains": 1, "hosts": 0, "number": 1}]}

A million names are read in half a second. As JSON they would take four.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice

from api.chain.entry_hash import canonical
from dnsfilter.policy.model import Service, Tier, WireName
from dnsfilter.wire.name_order import in_order
from dnsfilter.wire.names import ROOT

_LEVEL = 3
"""Compression level: a million names take half a second, and 50 % more disk space than at the slowest level."""

_BATCH = 10_000
"""Names that are joined at once."""


@dataclass(frozen=True, slots=True)
class ServiceList:
    """A service's stored list. `body` is compressed."""

    service: str
    digest: str
    body: bytes


@dataclass(frozen=True, slots=True)
class CatalogueDigest:
    """A catalogue's digest, and the digest of each service's list."""

    digest: str
    lists: Mapping[str, str]


def digest_of(lists: Iterable[ServiceList]) -> CatalogueDigest:
    """Return the digests of the catalogue of these lists."""
    named = {entry.service: entry.digest for entry in lists}
    return CatalogueDigest(sha256(canonical(named)).hexdigest(), named)


def list_of(service: Service) -> ServiceList:
    """Return the stored list of a service."""
    tiers = [_tier_value(tier) for tier in service.tiers]
    head = canonical({"name": service.name, "slug": service.slug, "tiers": tiers})
    names = (name for tier in service.tiers for part in (tier.domains, tier.hosts) for name in in_order(part))
    # Joining a million names at once would keep all other threads waiting.
    parts = chain((head + b"\n",), iter(lambda: b"".join(islice(names, _BATCH)), b""))
    digest, packed = sha256(), zlib.compressobj(_LEVEL)
    body = bytearray()
    for part in parts:
        digest.update(part)
        body += packed.compress(part)
    body += packed.flush()
    return ServiceList(service.slug, digest.hexdigest(), bytes(body))


def _tier_value(tier: Tier) -> dict[str, object]:
    value: dict[str, object] = {"domains": len(tier.domains), "hosts": len(tier.hosts), "number": tier.number}
    return value if tier.enforced_from is None else {**value, "enforced_from": tier.enforced_from}


def service_of(body: bytes) -> Service:
    """Return the service of a stored list."""
    head, _, rest = zlib.decompress(body).partition(b"\n")
    found = json.loads(head)
    names = iter(_names(rest, sum(tier["domains"] + tier["hosts"] for tier in found["tiers"])))
    tiers = [
        Tier(tier["number"], _first(names, tier["domains"]), _first(names, tier["hosts"]), tier.get("enforced_from"))
        for tier in found["tiers"]
    ]
    return Service(found["slug"], found["name"], tuple(tiers))


def _first(names: Iterator[WireName], count: int) -> frozenset[WireName]:
    return frozenset(islice(names, count))


def _names(data: bytes, count: int) -> Iterable[WireName]:
    """Split joined wire names."""
    if data.count(ROOT) == count:
        return [name + ROOT for name in data.split(ROOT)[:-1]]
    return _walked(data)


def _walked(data: bytes) -> Iterator[WireName]:
    """Yield joined wire names that may have a zero byte in a label."""
    start = position = 0
    while position < len(data):
        size = data[position]
        position += 1 + size
        if not size:
            yield data[start:position]
            start = position
