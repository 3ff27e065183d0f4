"""Stored services: one list of names per service, as canonical JSON identified by its SHA-256. Pure.

{"name": "TikTok", "slug": "tiktok", "tiers": [{"domains": ["tiktok.com"], "hosts": [], "number": 1}]}
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from api.chain.entry_hash import canonical
from dnsfilter.policy.model import Service, Tier, WireName
from dnsfilter.wire.name_order import in_order
from dnsfilter.wire.names import name_text, parse_name

_LEVEL = 3
"""Compression level: a million names take a second, and 50 % more disk space than at the slowest level."""


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
    text = canonical(
        {
            "name": service.name,
            "slug": service.slug,
            "tiers": [_tier_value(tier) for tier in service.tiers],
        }
    )
    return ServiceList(service.slug, sha256(text).hexdigest(), zlib.compress(text, _LEVEL))


def _tier_value(tier: Tier) -> dict[str, object]:
    value = {"domains": _texts(tier.domains), "hosts": _texts(tier.hosts), "number": tier.number}
    return value if tier.enforced_from is None else {**value, "enforced_from": tier.enforced_from}


def service_of(body: bytes) -> Service:
    """Return the service of a stored list."""
    found = content_of(body)
    return Service(
        found["slug"],
        found["name"],
        tuple(
            Tier(tier["number"], _wires(tier["domains"]), _wires(tier["hosts"]), tier.get("enforced_from"))
            for tier in found["tiers"]
        ),
    )


def content_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a stored list."""
    found: dict[str, Any] = json.loads(zlib.decompress(body))
    return found


def _texts(names: Iterable[WireName]) -> list[str]:
    return list(in_order(map(name_text, names)))


def _wires(names: Iterable[str]) -> frozenset[WireName]:
    return frozenset(map(parse_name, names))
