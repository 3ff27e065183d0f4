"""Who may approve an exemption: nobody whom the asker gave the role; of a whole authority, an administrator."""

from typing import Any

import httpx
import pytest

from tests.unit.api.conftest import Plane, on_both_databases

FIRST, SECOND = "192.0.2.0/24", "203.0.113.0/24"
PLACE = {"authority": "town", "funding": "public", "audience": "staff"}


def _asked(plane: Plane, token: str, *ranges: str, **changes: Any) -> int:
    body = {"ban": "town/alpha", "ranges": list(ranges), "for": "30 days", "reason": "promotion", **changes}
    return int(plane.done("POST", "/v1/exemptions", body, token=token)["number"])


def _approve(plane: Plane, number: int, token: str | None = None) -> httpx.Response:
    return plane.call("POST", f"/v1/exemptions/{number}/approve", {}, token=token)


@on_both_databases
def test_a_whole_authority_is_exempted_by_an_administrator_also_bit_by_bit(town: Plane) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", PLACE)
    _, desk = town.account("desk", ("operator", "town"))
    _, approver = town.account("approver", ("approver", "town"))
    both = _asked(town, desk, FIRST, SECOND, hours=["Mon 09:00-10:00"])
    assert "the whole of town" in _approve(town, both, approver).json()["detail"]
    assert _approve(town, _asked(town, desk, FIRST), approver).status_code == 200
    second = _asked(town, desk, SECOND)
    refused = _approve(town, second, approver)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert town.done("GET", f"/v1/exemptions/{second}")["state"] == "requested"
    assert _approve(town, second).json()["state"] == "in_force"
    assert _approve(town, second, approver).json()["state"] == "in_force"


BEYOND = {"start": "2026-11-01"}
WITHIN = {"start": "2026-10-01"}


@pytest.mark.parametrize(
    ("site", "other", "changes", "revoked", "status"),
    [
        ("default", {}, WITHIN, False, 403),
        ("default", {}, BEYOND, False, 200),
        ("default", {}, WITHIN, True, 200),
        ("depot", {}, WITHIN, False, 403),
        ("depot", {"ranges": []}, WITHIN, False, 200),
        ("default", {"funding": "private"}, WITHIN, False, 403),
        ("default", {"audience": "pupils", "ranges": []}, WITHIN, False, 403),
    ],
    ids=["same time", "after it", "revoked", "all sites", "another site is left", "not covered", "nor this"],
)
def test_what_makes_a_whole_authority(
    town: Plane, site: str, other: dict[str, Any], changes: dict[str, str], revoked: bool, status: int
) -> None:
    """`ranges` in `other` empty: the other range is exempted by nothing."""
    ranges = other.get("ranges", [SECOND])
    place = {**PLACE, **{key: value for key, value in other.items() if key != "ranges"}}
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    town.done("PUT", f"/v1/ranges/{site}/{SECOND}", place)
    _, desk = town.account("desk", ("operator", "town"))
    _, approver = town.account("approver", ("approver", "town"))
    if ranges:
        number = _asked(town, desk, *ranges, site=site)
        assert _approve(town, number).status_code == 200
        if revoked:
            town.done("POST", f"/v1/exemptions/{number}/revoke", {"reason": "not used"})
    assert _approve(town, _asked(town, desk, FIRST, **changes), approver).status_code == status


@pytest.mark.parametrize("role", [("approver", "town"), ("administrator", None)])
def test_nobody_approves_for_whoever_gave_them_the_role(town: Plane, role: tuple[str, str | None]) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", PLACE)
    _, asking = town.account("asking", ("administrator", None))
    account, token = town.account("approver")
    grant = {"account": account, "role": role[0], "authority": role[1], "reason": "for a friend", "for": "1 year"}
    town.done("POST", "/v1/grants", grant, token=asking)
    number = _asked(town, asking, FIRST)
    refused = _approve(town, number, token)
    assert (refused.status_code, "granted the role" in refused.json()["detail"]) == (403, True)
    other = {"approver": ("administrator", None), "administrator": ("approver", "town")}[role[0]]
    town.done("POST", "/v1/grants", {**grant, "role": other[0], "authority": other[1]})
    assert _approve(town, number, token).json()["state"] == "in_force"


def test_a_role_from_whoever_asked_is_enough_to_reject(town: Plane) -> None:
    _, asking = town.account("asking", ("administrator", None))
    account, token = town.account("approver")
    grant = {"account": account, "role": "approver", "authority": "town", "reason": "for a friend", "for": "1 year"}
    town.done("POST", "/v1/grants", grant, token=asking)
    number = _asked(town, asking, FIRST)
    rejected = town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "no need"}, token=token)
    assert rejected["state"] == "rejected"


def test_what_nobody_has_decided_lapses_and_nothing_decided_goes(town: Plane) -> None:
    undecided, decided = (_asked(town, town.token, FIRST) for _ in range(2))
    assert _approve(town, decided, town.other()).status_code == 200
    town.clock.now += 30 * 86_400
    states = [item["state"] for item in town.done("GET", "/v1/exemptions?state=lapsed")["items"]]
    assert states == ["lapsed", "lapsed"]
    late = _approve(town, undecided, town.other())
    assert (late.status_code, "is lapsed" in late.json()["detail"]) == (409, True)
    assert town.call("DELETE", f"/v1/exemptions/{decided}").status_code == 405
