"""/v1/notices: readers of an authority see its notices, roles of the installation see all."""

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.notices.support import begun


@pytest.fixture
def noticed(town: Plane) -> Plane:
    """Return a plane with a waiting notice to zone, a failed one to town, and one to the installation."""
    job = begun(town, to=("installation@example.org",))
    town.done("PATCH", "/v1/authorities/town", {"contact": "02 123 45 67"})
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "nobody can work"})
    town.clock.now += 1
    job.look()
    return town


def _to(plane: Plane, query: str = "", token: str | None = None) -> list[tuple[str | None, str]]:
    items = plane.done("GET", f"/v1/notices{query}", token=token)["items"]
    return [(item["authority"], item["state"]) for item in items]


def test_list_shows_the_state_of_each_notice(noticed: Plane) -> None:
    assert _to(noticed) == [("zone", "waiting"), ("town", "failed"), (None, "waiting")]
    assert _to(noticed, "?state=failed") == [("town", "failed")]
    assert _to(noticed, "?state=sent") == []
    assert _to(noticed, "?authority=zone") == [("zone", "waiting")]
    (failed,) = noticed.done("GET", "/v1/notices?state=failed")["items"]
    assert (failed["kind"], failed["failure"]) == ("suspension_started", "the contact is not a mail address")


def test_pages_follow_each_other(noticed: Plane) -> None:
    first = noticed.done("GET", "/v1/notices?limit=2")
    second = noticed.done("GET", f"/v1/notices?limit=2&cursor={first['next']}")
    assert [item["number"] for item in first["items"] + second["items"]] == [4, 3, 2]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("role", "authority", "seen"),
    [
        ("reader", "town", [("town", "failed")]),
        ("operator", "zone", [("zone", "waiting")]),
        ("auditor", None, [("zone", "waiting"), ("town", "failed"), (None, "waiting")]),
    ],
)
def test_readers_see_notices_to_their_authority(
    noticed: Plane, role: str, authority: str | None, seen: list[tuple[str | None, str]]
) -> None:
    _, token = noticed.account("somebody", (role, authority))
    assert _to(noticed, token=token) == seen
    assert noticed.call("GET", "/v1/notices?authority=zone", token=token).status_code == 200


def test_authority_with_notices_is_not_removed(noticed: Plane) -> None:
    for slug in ("town", "zone"):
        assert noticed.call("DELETE", f"/v1/authorities/{slug}").status_code == 409
