"""Signed catalogues for a control plane under test, and a control plane that trusts their key."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import public_text
from blocklists.catalogue_release import Release
from blocklists.signed_catalogue import sign_catalogue
from dnsfilter.snapshot.signature import signed_json
from tests.unit.api.conftest import Plane

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([first]) * 32) for first in (1, 2))
ALPHA = {1: ["alpha1.example.org"], 2: ["alpha2.example.org"]}
"""The packaged names of alpha, by tier."""


def text_of(slug: str, tiers: Mapping[int, Sequence[str]], name: str = "", category: str = "video") -> str:
    """Return the catalogue file of a service."""
    head = f'slug = "{slug}"\nname = "{name or slug.title()}"\ncategory = "{category}"\nreviewed = 2026-09-01\n'
    parts = [head, '[[source]]\nid = "test"\nwhat = "a test"\nlicence = "MIT"\n']
    for number, names in tiers.items():
        listed = ", ".join(f'{{ name = "{each}", sources = ["test"] }}' for each in names)
        parts.append(f'[[tier]]\nnumber = {number}\ntitle = "tier"\ndescription = "names"\ndomains = [{listed}]\n')
    return "".join(parts)


def signed(number: int, texts: Mapping[str, str], key: Ed25519PrivateKey = KEY) -> bytes:
    """Return a signed catalogue with these services by slug."""
    files = {f"{slug}.toml": text for slug, text in texts.items()}
    release = Release(number, date(2026, 12, 20), "")
    return sign_catalogue(files, release, public_text(key), partial(signed_json, key=key))


def trust(plane: Plane, key: str = public_text(KEY)) -> Plane:
    """Let a control plane trust a key. Settings are otherwise read once, at its start."""
    object.__setattr__(plane.settings, "catalogue_key", key)
    return plane


def put(plane: Plane, data: bytes, token: str | None = None) -> httpx.Response:
    """Load a signed catalogue."""
    headers = {"Authorization": f"Bearer {token or plane.token}", "Content-Type": "application/octet-stream"}
    return plane.call("PUT", "/v1/catalogue", content=data, headers=headers)
