"""Who may approve an exemption: not by a role from the requester; for a complete authority, only an administrator."""

from typing import Any

import httpx
import pytest

from tests.unit.api.conftest import Plane, on_both_databases

pytestmark = pytest.mark.heavy

FIRST, SECOND = "192.0.2.0/24", "203.0.113.0/24"
STAFF = {"authority": "town", "funding": "public", "audience": "staff"}


def _asked(plane: Plane, token: str, *ranges: str, **changes: Any) -> int:
    body = {"ban": "town/alpha", "ranges": list(ranges), "for": "30 days", "reason": "promotion", **changes}
    return int(plane.done("POST", "/v1/exemptions", body, token=token)["number"])


def _approve(plane: Plane, number: int, token: str | None = None) -> httpx.Response:
    return plane.call("POST", f"/v1/exemptions/{number}/approve", {}, token=token)


@on_both_databases
def test_only_an_administrator_exempts_a_complete_authority_even_in_steps(town: Plane) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", STAFF)
    _, desk = town.account("desk", ("operator", "town"))
    _, approver = town.account("approver", ("approver", "town"))
    both = _asked(town, desk, FIRST, SECOND, hours=["Mon 09:00-10:00"])
    assert "an exemption of all of town" in _approve(town, both, approver).json()["detail"]
    assert _approve(town, _asked(town, desk, FIRST), approver).status_code == 200
    second = _asked(town, desk, SECOND)
    refused = _approve(town, second, approver)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert town.done("GET", f"/v1/exemptions/{second}")["state"] == "requested"
    assert _approve(town, second).json()["state"] == "in_force"
    assert _approve(town, second, approver).json()["state"] == "in_force"


def test_what_the_installations_token_asks_for_is_decided_by_anybody_whose_token_descends_from_it(town: Plane) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", STAFF)
    _, approver = town.account("approver", ("approver", "town"))
    _, person = town.account("person", ("administrator", None))
    number = _asked(town, town.token, FIRST)
    assert "you cannot approve your own request" in _approve(town, number).text
    assert _approve(town, number, approver).json()["state"] == "in_force"
    # A person's token and grants still count.
    made = {"kind": "user", "login": "second", "name": "second"}
    second = town.done("POST", "/v1/accounts", made, token=person)["number"]
    grant = {"account": second, "role": "approver", "authority": "town", "reason": "a test", "for": "1 year"}
    town.done("POST", "/v1/grants", grant, token=person)
    body = {"label": "test", "for": "90 days"}
    descending = town.done("POST", f"/v1/accounts/{second}/tokens", body, token=person)["token"]
    asked = _asked(town, person, SECOND, start="2027-01-01")
    assert "made your token" in _approve(town, asked, descending).text


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
def test_when_a_complete_authority_counts_as_exempted(
    town: Plane, site: str, other: dict[str, Any], changes: dict[str, str], revoked: bool, status: int
) -> None:
    """With empty `ranges` in `other`, the other range is not exempted."""
    ranges = other.get("ranges", [SECOND])
    values = {**STAFF, **{key: value for key, value in other.items() if key != "ranges"}}
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    town.done("PUT", f"/v1/ranges/{site}/{SECOND}", values)
    _, desk = town.account("desk", ("operator", "town"))
    _, approver = town.account("approver", ("approver", "town"))
    if ranges:
        number = _asked(town, desk, *ranges, site=site)
        assert _approve(town, number).status_code == 200
        if revoked:
            town.done("POST", f"/v1/exemptions/{number}/revoke", {"reason": "not used"})
    assert _approve(town, _asked(town, desk, FIRST, **changes), approver).status_code == status


@pytest.mark.parametrize("role", [("approver", "town"), ("administrator", None)])
def test_approver_cannot_approve_for_the_grantor_of_the_role(town: Plane, role: tuple[str, str | None]) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", STAFF)
    _, asking = town.account("asking", ("administrator", None))
    account, token = town.account("approver")
    grant = {"account": account, "role": role[0], "authority": role[1], "reason": "for a friend", "for": "1 year"}
    town.done("POST", "/v1/grants", grant, token=asking)
    number = _asked(town, asking, FIRST)
    refused = _approve(town, number, token)
    assert (refused.status_code, "granted you the role" in refused.json()["detail"]) == (403, True)
    other = {"approver": ("administrator", None), "administrator": ("approver", "town")}[role[0]]
    town.done("POST", "/v1/grants", {**grant, "role": other[0], "authority": other[1]})
    assert _approve(town, number, token).json()["state"] == "in_force"


def _grant(plane: Plane, token: str, account: int, role: str, authority: str | None) -> int:
    body = {"account": account, "role": role, "authority": authority, "reason": "for a friend", "for": "1 year"}
    return int(plane.done("POST", "/v1/grants", body, token=token)["number"])


@on_both_databases
def test_approver_cannot_approve_for_an_indirect_grantor(town: Plane) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", STAFF)
    asker, asking = town.account("asking", ("administrator", None))
    first, between = town.account("between")
    second, further = town.account("further")
    third, token = town.account("approver")
    _grant(town, asking, first, "administrator", None)
    _grant(town, between, second, "approver", "town")
    _grant(town, further, third, "approver", "town")
    number = _asked(town, asking, FIRST)
    for approving in (between, further, token):
        refused = _approve(town, number, approving)
        assert (refused.status_code, f"account {asker} granted" in refused.json()["detail"]) == (403, True)
    _grant(town, town.token, first, "approver", "town")
    assert _approve(town, number, token).status_code == 403, "roles that were granted before still count"
    fourth, latest = town.account("latest")
    _grant(town, between, fourth, "approver", "town")
    assert _approve(town, number, latest).json()["state"] == "in_force"


def test_role_granted_by_an_independent_approver_counts(town: Plane) -> None:
    town.done("PUT", f"/v1/ranges/default/{SECOND}", STAFF)
    _, asking = town.account("asking", ("administrator", None))
    first, between = town.account("between", ("approver", "town"))
    second, token = town.account("approver")
    _grant(town, asking, first, "administrator", None)
    _grant(town, between, second, "approver", "town")
    assert _approve(town, _asked(town, asking, FIRST), token).json()["state"] == "in_force"


def test_role_from_the_requester_is_enough_to_reject(town: Plane) -> None:
    _, asking = town.account("asking", ("administrator", None))
    account, token = town.account("approver")
    grant = {"account": account, "role": "approver", "authority": "town", "reason": "for a friend", "for": "1 year"}
    town.done("POST", "/v1/grants", grant, token=asking)
    number = _asked(town, asking, FIRST)
    rejected = town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "no need"}, token=token)
    assert rejected["state"] == "rejected"


def test_undecided_request_lapses_and_no_exemption_is_deleted(town: Plane) -> None:
    undecided, decided = (_asked(town, town.token, FIRST, reason=why) for why in ("promotion", "research"))
    assert _approve(town, decided, town.other()).status_code == 200
    town.clock.now += 31 * 86_400
    states = [item["state"] for item in town.done("GET", "/v1/exemptions?state=lapsed")["items"]]
    assert states == ["lapsed", "lapsed"]
    late = _approve(town, undecided, town.other())
    assert (late.status_code, "is lapsed" in late.json()["detail"]) == (409, True)
    assert town.call("DELETE", f"/v1/exemptions/{decided}").status_code == 405


INSIDE, TINY = "192.0.2.128/25", "203.0.113.255/32"


def _desk(plane: Plane) -> tuple[str, str]:
    """Return the tokens of an operator and of an approver."""
    for prefix in ("192.0.2.0/24", "203.0.113.0/24"):
        plane.done("PUT", f"/v1/spaces/default/{prefix}", {"authority": "town"})
    return plane.account("desk", ("operator", "town"))[1], plane.account("approver", ("approver", "town"))[1]


def _register(plane: Plane, prefix: str, **changes: str) -> None:
    plane.done("PUT", f"/v1/ranges/default/{prefix}", {**STAFF, **changes})


@pytest.mark.parametrize("left", [TINY, INSIDE, "uncovered"], ids=["registered since", "inside", "covered since"])
def test_ranges_that_do_not_count_as_left(town: Plane, left: str) -> None:
    desk, approver = _desk(town)
    _register(town, SECOND, funding="private")
    _register(town, INSIDE)
    number = _asked(town, desk, FIRST)
    if left == "uncovered":
        town.done("PATCH", f"/v1/ranges/default/{SECOND}", {"funding": "public"}, token=desk)
    elif left == TINY:
        town.done("PUT", f"/v1/ranges/default/{TINY}", STAFF, token=desk)
    refused = _approve(town, number, approver)
    assert (refused.status_code, "an exemption of all of town" in refused.json()["detail"]) == (403, True)
    assert _approve(town, number, town.other()).status_code == 200


def test_new_label_does_not_change_what_is_left(town: Plane) -> None:
    desk, approver = _desk(town)
    _register(town, SECOND)
    number = _asked(town, desk, FIRST)
    town.done("PATCH", f"/v1/ranges/default/{SECOND}", {"label": "annex"}, token=desk)
    assert _approve(town, number, approver).status_code == 200


NARROW, WIDE = "203.0.113.0/28", "203.0.113.0/27"
HALVES = ("203.0.113.0/25", "203.0.113.128/25")
SIX, MORE = "2001:db8::/64", "2001:db8:0:1::/64"


@pytest.mark.parametrize(
    ("others", "ranges", "status"),
    [
        ((TINY,), (FIRST,), 403),
        ((NARROW,), (FIRST,), 403),
        ((WIDE,), (FIRST,), 200),
        ((SECOND, *HALVES), (FIRST, *HALVES), 403),
        ((SECOND, HALVES[0]), (FIRST, HALVES[0]), 200),
        ((SIX,), (FIRST,), 403),
        ((SIX, MORE), (SIX,), 200),
        ((SECOND, SIX), (FIRST, SIX), 403),
        ((SECOND, SIX, MORE), (FIRST, SIX), 200),
    ],
    ids=[
        "one address", "less than a tenth", "more than a tenth", "around exempted ones", "partly around them",
        "of another version", "of the same", "of one of both", "of both",
    ],
)  # fmt: skip
def test_a_tenth_of_the_addresses_of_each_ip_version_must_be_left(
    town: Plane, others: tuple[str, ...], ranges: tuple[str, ...], status: int
) -> None:
    desk, approver = _desk(town)
    for prefix in others:
        _register(town, prefix)
    answer = _approve(town, _asked(town, desk, *ranges), approver)
    assert answer.status_code == status, answer.text


@on_both_databases
def test_new_ranges_count_as_left_after_thirty_days(town: Plane) -> None:
    """Some may be removed while the request waits; only ranges of that time count."""
    desk, approver = _desk(town)
    town.clock.now += 10 * 86_400
    _register(town, SECOND, funding="private")
    town.clock.now += 5 * 86_400
    town.done("PATCH", f"/v1/ranges/default/{SECOND}", {"funding": "public"}, token=desk)
    town.clock.now += 30 * 86_400 - 1
    number = _asked(town, desk, FIRST)
    refused = _approve(town, number, approver)
    assert (refused.status_code, "an exemption of all of town" in refused.json()["detail"]) == (403, True)
    assert "the ranges that would stay under the ban have changed in the last 30 days" in refused.json()["detail"]
    town.clock.now += 1
    assert _approve(town, number, approver).status_code == 200


def test_ranges_registered_while_a_request_waits_never_count(town: Plane) -> None:
    desk, approver = _desk(town)
    number = _asked(town, desk, FIRST, **{"for": "90 days"})
    town.clock.now += 60
    _register(town, SECOND)
    town.clock.now += 40 * 86_400
    refused = _approve(town, number, approver)
    assert (refused.status_code, "a tenth of its addresses would stay" in refused.json()["detail"]) == (403, True)


def test_exemption_approved_by_an_administrator_does_not_limit_operators(town: Plane) -> None:
    """Operators may remove what it left, which was too new then, even after a long time."""
    desk, approver = _desk(town)
    town.clock.now += 60
    _register(town, SECOND)
    number = _asked(town, desk, FIRST, **{"for": "90 days"})
    assert _approve(town, number, approver).status_code == 403
    assert _approve(town, number).status_code == 200
    town.clock.now += 40 * 86_400
    assert town.call("DELETE", f"/v1/ranges/default/{SECOND}", token=desk).status_code == 204


def _import(plane: Plane, token: str, text: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    path = "/v1/ranges/import?sync=true&authority=town"
    return plane.call("POST", path, headers=headers, content=f"prefix,authority,funding,audience\n{text}")


@on_both_databases
def test_only_an_administrator_removes_the_last_range_under_the_ban(town: Plane) -> None:
    desk, approver = _desk(town)
    path = f"/v1/ranges/default/{SECOND}"
    _register(town, SECOND)
    assert _approve(town, _asked(town, desk, FIRST), approver).status_code == 200
    town.done("PATCH", path, {"label": "annex"}, token=desk)
    _register(town, TINY)
    both_ranges = f"{FIRST},town,public,staff\n{TINY},town,public,staff\n"
    revision = town.revision()
    for refused in (
        town.call("DELETE", path, token=desk),
        town.call("PATCH", path, {"funding": "private"}, token=desk),
        town.call("PUT", path, {**STAFF, "audience": "pupils"}, token=desk),
        _import(town, desk, both_ranges),
        _import(town, desk, f"{both_ranges}{SECOND},town,private,staff\n"),
    ):
        assert (refused.status_code, "of town under the ban. Ask an administrator" in refused.json()["detail"]) == (
            403,
            True,
        )
    assert town.revision() == revision
    assert town.call("DELETE", path).status_code == 204
    town.done("DELETE", "/v1/ranges/default/198.51.100.0/24")


def test_operator_changes_a_range_if_enough_others_are_left(town: Plane) -> None:
    desk, approver = _desk(town)
    for prefix in (SECOND, "203.0.113.0/28"):
        _register(town, prefix)
    assert _approve(town, _asked(town, desk, FIRST), approver).status_code == 200
    town.done("PATCH", "/v1/ranges/default/203.0.113.0/28", {"funding": "private"}, token=desk)
    town.done("DELETE", "/v1/ranges/default/203.0.113.0/28", token=desk)


@on_both_databases
def test_a_request_is_withdrawn_by_an_operator_of_its_ranges_until_somebody_has_decided(town: Plane) -> None:
    desk, approver = _desk(town)
    _register(town, SECOND)
    number = _asked(town, desk, FIRST)
    path, why = f"/v1/exemptions/{number}/withdraw", {"reason": "found another way"}
    assert town.call("POST", path, why, token=approver).status_code == 403
    withdrawn = town.done("POST", path, why, token=desk)
    assert (withdrawn["state"], withdrawn["approved"], withdrawn["note"]) == ("revoked", None, "found another way")
    assert town.done("GET", "/v1/audit?limit=1")["items"][0]["act"] == "exemption.withdraw"
    assert [item["number"] for item in town.done("GET", "/v1/exemptions?state=revoked")["items"]] == [number]
    assert (_approve(town, number, approver).status_code, town.call("POST", path, why).status_code) == (409, 409)
    assert town.done("GET", "/v1/decision?client=192.0.2.10&name=alpha1.example.org")["verdict"] == "refuse"
    approved = _asked(town, desk, FIRST)
    assert _approve(town, approved, approver).status_code == 200
    assert town.call("POST", f"/v1/exemptions/{approved}/withdraw", why, token=desk).status_code == 409
    town.done("DELETE", f"/v1/ranges/default/{SECOND}")
