"""A control plane with at least one object of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.settings import Settings, parse_settings
from tests.unit.api.conftest import Plane, authority, ban, make_plane
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, bypass, count


def fill(plane: Plane) -> None:
    """Make at least one object of each kind, a removed range and an authentication failure."""
    for slug, prefix in (("town", "192.0.2.0/24"), ("zone", "198.51.100.0/24")):
        plane.done("PUT", f"/v1/authorities/{slug}", authority())
        plane.done("PUT", f"/v1/ranges/default/{prefix}", {"authority": slug, "funding": "public", "audience": "staff"})
    plane.done("PUT", "/v1/authorities/town/bans/alpha", ban())
    number, operator = plane.account("operator", ("operator", "town"), kind="user")
    plane.done("PUT", "/v1/spaces/default/203.0.113.0/24", {"authority": "town"})
    asked = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "a campaign"}
    exemption = plane.done("POST", "/v1/exemptions", asked, token=operator)["number"]
    plane.done("POST", f"/v1/exemptions/{exemption}/approve", {"note": "“zó” is fine"})
    agreed = {
        "ban": "town/alpha",
        "authority": "zone",
        "ground": "agreement",
        "instrument": "letter 1",
        "date": "2026-09-01",
    }
    plane.done("POST", "/v1/bindings", agreed)
    allowed = {"verdict": "allow", "reason": "a museum needs it"}
    plane.done("PUT", "/v1/authorities/town/names/cdn.alpha1.example.org", allowed)
    plane.done("PUT", "/v1/authorities/town/services/games", {"name": "Games", "domains": ["games.example.org"]})
    plane.done("PUT", "/v1/authorities/town/lists/apps", {"title": "Apps", "services": ["town:games"]})
    plane.done("DELETE", "/v1/ranges/default/198.51.100.0/24")
    plane.done("POST", "/v1/suspensions", {"authority": "zone", "for": "1m", "reason": "an exercise"})
    assert plane.call("GET", "/v1/self", token=f"dnsf_{'0' * 12}_{'a' * 43}").status_code == 401
    plane.clock.now += 60
    plane.done("POST", f"/v1/accounts/{number}/tokens", {"label": "second", "for": "30 days"}, token=operator)
    node = Machine.enrolled(plane, "office-1")
    plane.done("PATCH", "/v1/authorities/town", {"usage": "range"})
    node.use(batch([count(range={"prefix": "192.0.2.0/24"})], [bypass()]))
    plane.done("PATCH", "/v1/authorities/town", {"usage": "authority"})
    plane.publisher.store_in_force()


@pytest.fixture
def full(plane: Plane) -> Plane:
    """Return a filled control plane that the test may change."""
    fill(plane)
    return plane


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Return a filled control plane for tests that only read."""
    plane = make_plane(tmp_path_factory.mktemp("filled") / "state")
    plane.publisher.publish_current()
    fill(plane)
    yield plane
    plane.database.close()


@pytest.fixture(scope="session")
def backup(filled: Plane) -> bytes:
    """Return a backup of the filled control plane."""
    answer = filled.call("GET", "/v1/backup")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    return answer.content


@pytest.fixture
def target(tmp_path: Path) -> Settings:
    """Return settings of a machine without an installation."""
    return parse_settings({"state_dir": str(tmp_path / "new" / "state")}, {})
