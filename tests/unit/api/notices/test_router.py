"""/v1/notices: each authority's readers see its own, the installation's roles all."""

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.notices.support import begun


@pytest.fixture
def told(town: Plane) -> Plane:
    """With a notice to zone that waits, one to town that failed, and one to the installation."""
    telling = begun(town, to=("installation@example.org",))
    town.done("PATCH", "/v1/authorities/town", {"contact": "02 123 45 67"})
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "nobody can work"})
    town.clock.now += 1
    telling.look()
    return town


def _to(plane: Plane, query: str = "", token: str | None = None) -> list[tuple[str | None, str]]:
    items = plane.done("GET", f"/v1/notices{query}", token=token)["items"]
    return [(item["authority"], item["state"]) for item in items]


def test_the_list_says_what_became_of_each(told: Plane) -> None:
    assert _to(told) == [("zone", "waiting"), ("town", "failed"), (None, "waiting")]
    assert _to(told, "?state=failed") == [("town", "failed")]
    assert _to(told, "?state=sent") == []
    assert _to(told, "?authority=zone") == [("zone", "waiting")]
    (failed,) = told.done("GET", "/v1/notices?state=failed")["items"]
    assert (failed["kind"], failed["failure"]) == ("suspension_started", "the contact is no mail address")


def test_pages_follow_each_other(told: Plane) -> None:
    first = told.done("GET", "/v1/notices?limit=2")
    second = told.done("GET", f"/v1/notices?limit=2&cursor={first['next']}")
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
def test_readers_see_those_to_their_authority(
    told: Plane, role: str, authority: str | None, seen: list[tuple[str | None, str]]
) -> None:
    _, token = told.account("somebody", (role, authority))
    assert _to(told, token=token) == seen
    assert told.call("GET", "/v1/notices?authority=zone", token=token).status_code == 200


def test_an_authority_that_was_told_something_is_not_removed(told: Plane) -> None:
    for slug in ("town", "zone"):
        assert told.call("DELETE", f"/v1/authorities/{slug}").status_code == 409
