"""A merger changes no verdict at any instant, unless the successor's own ban decides."""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from api.db.unit_of_work import LOCAL, UnitOfWork
from dnsfilter.policy.decide import Verdict, decide
from dnsfilter.policy.model import Policy
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane, authority, ban, make_plane

pytestmark = pytest.mark.heavy

DAY_S = 86_400
OLD, OTHER, NEW, THIRD = "203.0.113.9", "203.0.113.200", "192.0.2.9", "198.51.100.9"
"""Clients in both ranges of the village, in the town, and in the zone."""
DECISION = {"organ": "parliament", "reference": "decree 2026/4", "date": "2026-06-05", "legal_basis": "decree 343"}
BODY = {"into": "town", "reason": "the two are one municipality", "decision": DECISION}
PATH = "/v1/authorities/village/merge"
STRICTNESS = (Verdict.PASS, Verdict.MONITOR, Verdict.REFUSE)
LATER = {"terms": [{"start": "2027-01-01", "for": "2 months"}]}
SHORT = {"terms": [{"for": "1 month"}]}


@pytest.fixture
def village(town: Plane) -> Plane:
    """Add an authority with two ranges and without bans; no authority has a ban on beta."""
    town.done("PUT", "/v1/authorities/village", authority())
    for prefix in ("203.0.113.0/25", "203.0.113.128/25"):
        body = {"authority": "village", "funding": "public", "audience": "staff"}
        town.done("PUT", f"/v1/ranges/default/{prefix}", body)
    return town


def _adopt(plane: Plane, whose: str, **changes: Any) -> None:
    plane.done("PUT", f"/v1/authorities/{whose}/bans/beta", changes if "provisional" in changes else ban(**changes))


def _bind(plane: Plane, of: str, to: str, ground: str = "law", **more: Any) -> int:
    body = {"ban": f"{of}/beta", "authority": to, "ground": ground, "instrument": "law 7", "date": "2026-09-01", **more}
    number = int(plane.done("POST", "/v1/bindings", body)["number"])
    if ground == "agreement":
        plane.done("POST", f"/v1/bindings/{number}/accept")
    return number


def _exempt(plane: Plane, of: str, *prefixes: str, **more: Any) -> int:
    body = {"ban": f"{of}/beta", "ranges": list(prefixes), "for": "4 months", "reason": "promotion", **more}
    number = int(plane.done("POST", "/v1/exemptions", body)["number"])
    plane.done("POST", f"/v1/exemptions/{number}/approve", {}, token=plane.other())
    return number


def _policy(plane: Plane) -> Policy:
    with plane.database.reading() as session:
        return plane.publisher.current(UnitOfWork(session, LOCAL, int(plane.clock.now)))


def _verdict(policy: Policy, client: str, at: int) -> Verdict:
    return decide(policy, "default", ip_address(client), parse_name("beta1.example.org"), at).verdict


def _edges(*policies: Policy) -> Iterator[int]:
    """Yield the second before and the second of each beginning and end."""
    for policy in policies:
        terms = ((term.start, term.end) for entry in policy.bans for term in entry.terms)
        bindings = ((binding.start, binding.end) for binding in policy.bindings)
        exemptions = ((exemption.start, exemption.end) for exemption in policy.exemptions)
        for at in chain.from_iterable(chain(terms, bindings, exemptions)):
            if at is not None:
                yield from (at - 1, at)


def _merged(plane: Plane) -> dict[str, Any]:
    """Merge, and compare every verdict at every instant with the one before."""
    plane.clock.now += 60
    now, before = int(plane.clock.now), _policy(plane)
    outcome: dict[str, Any] = plane.done("POST", PATH, BODY)
    after = _policy(plane)
    own = [b for b in before.bans if (b.authority, b.service) == ("town", "beta") and not b.provisional]
    for at in sorted({now, *(edge for edge in _edges(before, after) if edge >= now)}):
        rules = any(term.period.holds(at) for entry in own for term in entry.terms)
        for client in (OLD, OTHER, THIRD, NEW):
            was, found = _verdict(before, client, at), _verdict(after, client, at)
            # The village's bans apply in the town too, which may become stricter.
            kept = found is was or (client == NEW and STRICTNESS.index(found) > STRICTNESS.index(was))
            assert kept or rules, (client, at - now, was, found)
    return outcome


def _pairs(outcome: dict[str, Any], key: str) -> list[tuple[str, str]]:
    return [(item["object"], item["by"]) for item in outcome[key]]


BANS = [
    ({}, {}),
    ({}, LATER),
    ({}, SHORT),
    ({}, {"provisional": True}),
    ({"provisional": True}, {"provisional": True}),
    ({"provisional": True}, LATER),
    (LATER, SHORT),
    (SHORT, {}),
    ({"mode": "monitor"}, {"mode": "monitor", **LATER}),
    ({"mode": "off"}, LATER),
    ({"terms": [{"for": "1 month"}, {"start": "2027-01-15", "for": "1 year"}]}, LATER),
    ({"terms": [{"review_by": "2027-06-01"}, {"start": "2026-12-01", "review_by": "2027-09-01"}]}, SHORT),
]


@pytest.mark.parametrize(("old", "new"), BANS)
def test_ban_continues_in_the_gaps_of_the_successors_ban(
    village: Plane, old: dict[str, Any], new: dict[str, Any]
) -> None:
    _adopt(village, "village", **old)
    _adopt(village, "town", **new)
    law = _bind(village, "village", "zone")
    exempted = _exempt(village, "village", "203.0.113.128/25")
    outcome = _merged(village)
    assert outcome["ended"] == []
    assert [of for of, _ in _pairs(outcome, "continued") if not of.startswith("ban/")] == [
        f"binding/{law}",
        f"exemption/{exempted}",
    ]
    assert _verdict(_policy(village), OTHER, int(village.clock.now)) is Verdict.PASS


@pytest.mark.parametrize("new", [{}, SHORT, LATER, {"terms": [{"end": "2026-09-21T14:13:40Z"}]}])
def test_exemptions_set_nothing_aside_that_the_successors_ban_refused(village: Plane, new: dict[str, Any]) -> None:
    _adopt(village, "village")
    _adopt(village, "town", **new)
    _bind(village, "town", "zone")
    _bind(village, "town", "village", until="2026-10-09")
    for bound in ("zone", "town"):
        _bind(village, "village", bound, "agreement")
    for prefix in ("203.0.113.128/25", "198.51.100.0/24", "192.0.2.0/24"):
        _exempt(village, "village", prefix)
    at = int(village.clock.now) + 60
    refused = _verdict(_policy(village), THIRD, at)
    _merged(village)
    assert _verdict(_policy(village), THIRD, at) is refused


def test_what_cannot_continue_is_reported(village: Plane) -> None:
    _adopt(village, "village", **SHORT)
    _adopt(village, "town")
    lapsing = _exempt(village, "village", "203.0.113.0/25", hours=["Mon-Fri 09:00-12:00"])
    body = {"ban": "village/beta", "ranges": ["203.0.113.128/25"], "for": "1 month", "reason": "promotion"}
    asked = int(village.done("POST", "/v1/exemptions", body)["number"])
    own = _bind(village, "village", "town")
    _bind(village, "town", "village")
    outcome = village.done("POST", PATH, {**BODY, "dry_run": True})
    assert outcome["ended"] == [f"exemption/{lapsing}", f"exemption/{asked}"]
    assert _pairs(outcome, "covered")[:2] == [
        ("ban/village/beta", "ban/town/beta"),
        (f"binding/{own}", "ban/town/beta"),
    ]
    village.clock.now += 40 * DAY_S
    assert village.done("POST", PATH, BODY)["ended"] == [f"binding/{own}", f"exemption/{lapsing}"]


@pytest.mark.parametrize("new", [LATER, {"provisional": True}])
@pytest.mark.parametrize("differing", [{"mode": "monitor"}, {"audience": ["staff", "pupils"]}])
def test_undecided_bans_must_be_alike(village: Plane, new: dict[str, Any], differing: dict[str, Any]) -> None:
    _adopt(village, "village", **differing)
    _adopt(village, "town", **new)
    answer = village.call("POST", PATH, BODY)
    assert (answer.status_code, "town/beta is p" in answer.json()["detail"]) == (409, True)
    village.done("PATCH", "/v1/authorities/town/bans/beta", differing)
    _merged(village)


def test_ban_in_force_decides_mode_and_scope(village: Plane) -> None:
    _adopt(village, "village")
    _adopt(village, "town", mode="monitor", **SHORT)
    at = int(village.clock.now)
    outcome = village.done("POST", PATH, BODY)
    assert _pairs(outcome, "continued") == [("ban/village/beta", "ban/town/beta")]
    assert {_verdict(_policy(village), OLD, at + days * DAY_S) for days in (1, 45, 90)} == {Verdict.MONITOR}


def _both(plane: Plane, first: str, second: str) -> Response:
    """Return the answer to the second of two mergers into the town, an hour after the first."""
    plane.clock.now += 3600
    plane.done("POST", f"/v1/authorities/{first}/merge", BODY)
    plane.clock.now += 3600
    return plane.call("POST", f"/v1/authorities/{second}/merge", BODY)


OTHERWISE: list[dict[str, Any]] = [{"mode": "monitor"}, {"funding": ["private"]}]


@pytest.mark.parametrize("order", [("village", "zone"), ("zone", "village")])
@pytest.mark.parametrize("otherwise", [*OTHERWISE, {"mode": "monitor", **LATER}])
def test_order_of_two_mergers_does_not_change_what_is_refused(
    village: Plane, order: tuple[str, str], otherwise: dict[str, Any]
) -> None:
    _adopt(village, "village")
    _adopt(village, "zone", **otherwise)
    at = int(village.clock.now) + 140 * DAY_S
    before = [_verdict(_policy(village), client, at) for client in (OLD, THIRD)]
    answer = _both(village, *order)
    word = "is planned" if order[0] == "zone" and "terms" in otherwise else "comes from an earlier merger"
    assert (answer.status_code, f"town/beta {word}" in answer.json()["detail"]) == (409, True), answer.text
    assert ("renew town/beta from now on by" in answer.json()["detail"]) == (word != "is planned")
    assert [_verdict(_policy(village), client, at) for client in (OLD, THIRD)] == before


@pytest.mark.parametrize("order", [("village", "zone"), ("zone", "village")])
@pytest.mark.parametrize("way", ["alike", "ended", "decided"])
def test_conflict_between_mergers_can_be_resolved(village: Plane, order: tuple[str, str], way: str) -> None:
    _adopt(village, "village")
    _adopt(village, "zone", mode="monitor")
    assert _both(village, *order).status_code == 409
    if way == "alike":
        village.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "enforce"})
        if order[1] == "zone":
            village.done("PATCH", "/v1/authorities/zone/bans/beta", {"mode": "enforce"})
    elif way == "ended":
        village.done("POST", "/v1/authorities/town/bans/beta/end", {"reason": "the other continues"})
    else:
        own = {"decision": {**DECISION, "reference": "town 7"}, "until": "2027-12-31", "start": "2026-09-21T14:13:20Z"}
        village.done("POST", "/v1/authorities/town/bans/beta/terms", own)
    village.clock.now += 60
    rehearsed = village.done("POST", f"/v1/authorities/{order[1]}/merge", {**BODY, "dry_run": True})
    outcome = village.done("POST", f"/v1/authorities/{order[1]}/merge", BODY)
    assert outcome["overruled"] == rehearsed["overruled"]
    decided = [(f"ban/{order[1]}/beta", "ban/town/beta")] if way == "decided" else []
    assert _pairs(outcome, "overruled") == decided
    modes = {"village": Verdict.REFUSE, "zone": Verdict.MONITOR}
    first, second = (modes[slug] for slug in order)
    expected = {"alike": Verdict.REFUSE, "ended": second, "decided": first}[way]
    at = int(village.clock.now)
    assert {_verdict(_policy(village), client, at) for client in (OLD, NEW, THIRD)} == {expected}


@pytest.mark.parametrize("own", [False, True])
def test_ban_that_is_off_does_not_lift_a_merged_one(village: Plane, own: bool) -> None:
    _adopt(village, "village")
    _adopt(village, "town" if own else "zone", mode="off")
    answer = village.call("POST", PATH, BODY) if own else _both(village, "zone", "village")
    assert (answer.status_code, "town/beta is off" in answer.json()["detail"]) == (409, True)
    village.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "enforce"})
    village.done("POST", PATH, BODY)
    assert _verdict(_policy(village), OLD, int(village.clock.now)) is Verdict.REFUSE


@pytest.mark.parametrize(("old", "new", "overruled"), [({}, {"mode": "monitor"}, True), ({"mode": "off"}, {}, False)])
def test_overruled_bans_are_reported(village: Plane, old: dict[str, Any], new: dict[str, Any], overruled: bool) -> None:
    _adopt(village, "village", **old)
    _adopt(village, "town", **new)
    village.clock.now += 60
    outcome = village.done("POST", PATH, BODY)
    both = ("ban/village/beta", "ban/town/beta")
    assert (_pairs(outcome, "covered"), _pairs(outcome, "overruled")) == ([both], [both] if overruled else [])


def test_overruled_ban_that_was_bound_to_the_successor_is_reported(village: Plane) -> None:
    _adopt(village, "village")
    _adopt(village, "town", mode="monitor")
    _bind(village, "village", "town")
    village.clock.now += 60
    at = int(village.clock.now)
    assert _verdict(_policy(village), NEW, at) is Verdict.REFUSE
    outcome = village.done("POST", PATH, BODY)
    assert _pairs(outcome, "overruled") == [("ban/village/beta", "ban/town/beta")]
    assert _verdict(_policy(village), NEW, at) is Verdict.MONITOR


def test_bans_from_an_earlier_merger_are_known_after_loading_a_file(village: Plane, tmp_path: Path) -> None:
    _adopt(village, "village")
    _adopt(village, "zone", mode="monitor")
    assert _both(village, "zone", "village").status_code == 409
    exported = village.call("GET", "/v1/policy").text
    other = make_plane(tmp_path / "other")
    other.clock.now = village.clock.now + DAY_S
    headers = {"Authorization": f"Bearer {other.token}", "Content-Type": "application/toml"}
    other.done("POST", "/v1/policy/apply", content=exported, headers=headers)
    other.clock.now += 60
    answer = other.call("POST", PATH, BODY)
    other.database.close()
    assert (answer.status_code, "comes from an earlier merger" in answer.json()["detail"]) == (409, True)


def test_exemption_that_would_gain_effect_prevents_the_merger(village: Plane) -> None:
    _adopt(village, "town", **SHORT)
    _bind(village, "town", "village")
    number = _exempt(village, "town", "203.0.113.0/25")
    _adopt(village, "village")
    answer = village.call("POST", PATH, BODY)
    assert (answer.status_code, f"exemption {number} from town/beta" in answer.json()["detail"]) == (409, True)
    village.done("POST", f"/v1/exemptions/{number}/revoke", {"reason": "before the merger"})
    _merged(village)


def test_a_provisional_ban_is_confirmed_by_the_merger(village: Plane) -> None:
    _adopt(village, "village")
    _adopt(village, "town", provisional=True)
    _merged(village)
    found = village.done("GET", "/v1/authorities/town/bans/beta")
    assert (found["provisional"], found["decision"]["reference"], len(found["terms"])) == (False, "decree 2026/4", 2)
    assert found["terms"][1]["start"] == "2026-09-21T14:14:20Z", "from the merger on, not from its lapse on"


def test_bans_do_not_follow_each_other(village: Plane) -> None:
    _adopt(village, "town", terms=[{"for": "2 days"}])
    following = {**DECISION, "reference": "own 1", "follows": "town/beta"}
    _adopt(village, "village", decision=following, terms=[{"for": "1 year"}])
    village.clock.now += 3 * DAY_S
    _merged(village)
    terms = village.done("GET", "/v1/authorities/town/bans/beta")["terms"]
    assert terms[-1]["decision"]["follows"] is None
    exported = village.call("GET", "/v1/policy").text
    headers = {"Authorization": f"Bearer {village.token}", "Content-Type": "application/toml"}
    assert village.done("POST", "/v1/policy/diff", content=exported, headers=headers) == {
        "acts": [],
        "faults": [],
        "warnings": [],
    }
