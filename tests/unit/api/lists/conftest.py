"""A control plane with thirty services, of which an authority prohibits some by one list."""

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from blocklists.catalogue import Catalogue, CatalogueName, Entry, TierEntry
from blocklists.categories import Category
from dnsfilter.wire.names import parse_name
from tests.unit.api.catalogue.signed_files import put, signed, text_of, trust
from tests.unit.api.conftest import Plane, authority, make_plane

TECHNOLOGIES = [f"tech{number:02}" for number in range(1, 31)]
"""The services; the first 26 are named by one decision. Odd ones are of the category ai."""
LIST = "/v1/authorities/federal/lists/prohibited"
RANGES = {"federal": "192.0.2.0/24", "ghent": "198.51.100.0/24", "mechelen": "203.0.113.0/24"}
DECISION = {"organ": "council", "reference": "2026/1", "date": "2026-01-26", "legal_basis": "proclamation"}
ADOPTION: dict[str, Any] = {"decision": DECISION, "terms": [{"for": "6 months"}]}


def technologies(*more: str) -> Catalogue:
    """Return the services, each with two tiers, but the first with one; `more` are of the category ai too."""
    return Catalogue(tuple(_entry(slug) for slug in (*TECHNOLOGIES, *more)))


def _entry(slug: str) -> Entry:
    ai = not slug.startswith("tech") or int(slug[-2:]) % 2 == 1
    tiers = tuple(
        TierEntry(number, f"tier {number}", "", (_name(f"{slug}-{number}.example.org"),))
        for number in range(1, 2 if slug == TECHNOLOGIES[0] else 3)
    )
    return Entry(slug, slug.title(), Category.AI if ai else Category.SOCIAL, date(2026, 9, 1), (), tiers)


def _name(text: str) -> CatalogueName:
    return CatalogueName(text, parse_name(text), False, ())


@pytest.fixture(scope="session")
def kept_federal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state directory of a control plane with three authorities and a range of each. Tests copy it."""
    return _kept(tmp_path_factory.mktemp("federal") / "state", _register)


@pytest.fixture(scope="session")
def kept_adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state directory of that control plane after one act has prohibited 26 services. Tests copy it."""
    return _kept(tmp_path_factory.mktemp("adopted") / "state", _adopt)


@pytest.fixture
def federal(kept_federal: Path, tmp_path: Path) -> Iterator[Plane]:
    """Return a control plane with three authorities and a range of each."""
    yield from _opened(kept_federal, tmp_path / "state")


@pytest.fixture
def adopted(kept_adopted: Path, tmp_path: Path) -> Iterator[Plane]:
    """Return the control plane after one act has prohibited 26 services."""
    yield from _opened(kept_adopted, tmp_path / "state")


def _opened(kept: Path, directory: Path) -> Iterator[Plane]:
    shutil.copytree(kept, directory)
    made = make_plane(directory, technologies(), started=True)
    made.publisher.publish_current()
    yield made
    made.database.close()


def _kept(directory: Path, act: Callable[[Plane], None]) -> Path:
    made = make_plane(directory, technologies())
    made.publisher.publish_current()
    act(made)
    made.publisher.store_in_force()
    made.database.close()
    return directory


def _register(plane: Plane) -> None:
    for slug, prefix in RANGES.items():
        plane.done("PUT", f"/v1/authorities/{slug}", authority())
        plane.done("PUT", f"/v1/ranges/default/{prefix}", {"authority": slug, "funding": "public", "audience": "staff"})


def _adopt(plane: Plane) -> None:
    _register(plane)
    plane.done("PUT", LIST, {"title": "Prohibited technologies", "services": TECHNOLOGIES[:26]})
    plane.done("POST", f"{LIST}/adopt", ADOPTION)


def verdict(plane: Plane, service: str, owner: str = "federal") -> str:
    """Return the verdict for a client of the authority that asks for a name of the service."""
    client = RANGES[owner].replace(".0/24", ".10")
    return str(plane.done("GET", f"/v1/decision?client={client}&name=www.{service}-1.example.org")["verdict"])


def acts(plane: Plane, limit: int = 60) -> list[tuple[str, str]]:
    """Return the newest acts, oldest first, with their objects."""
    items = plane.done("GET", f"/v1/audit?limit={limit}")["items"]
    return [(item["act"], item["object"]) for item in reversed(items)]


def load_bots(plane: Plane, *slugs: str, number: int = 7) -> None:
    """Load a signed catalogue with these services of the category ai."""
    texts = {slug: text_of(slug, {1: [f"{slug}.example"]}, category="ai") for slug in slugs}
    response = put(trust(plane), signed(number, texts))
    assert response.status_code == 200, response.text
