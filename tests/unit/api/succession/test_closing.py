"""Close an authority: everything that it decided ends on that date."""

from typing import Any

import pytest
from sqlalchemy import select

from api.db.models import AuditRow
from tests.unit.api.conftest import Plane, authority, ban, on_both_databases

pytestmark = pytest.mark.heavy

CLOSE = "/v1/authorities/town/close"
WHY = {"reason": "it is part of another from now on"}
DECREE = {"legal_basis": "decree 9", "reference": "D-9"}
DATE = "2026-10-01"
DAY_S = 86_400
UNTIL_DATE_S = 805_600
"""Seconds from the clock's start to local midnight of that day."""


def _verdict(plane: Plane, client: str = "192.0.2.10", service: str = "alpha") -> str:
    return str(plane.done("GET", f"/v1/decision?client={client}&name={service}1.example.org")["verdict"])


def _grown(plane: Plane) -> dict[str, int]:
    """Add bindings both ways, exemptions in each state, and grants; return their numbers."""
    plane.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    numbers = {"law": _number(plane, "/v1/bindings", _binding("town/alpha", "zone", "law"))}
    numbers["agreement"] = _number(plane, "/v1/bindings", _binding("zone/beta", "town", "agreement"))
    plane.done("POST", f"/v1/bindings/{numbers['agreement']}/accept")
    numbers["proposal"] = _number(
        plane, "/v1/bindings", {**_binding("town/alpha", "zone", "agreement"), "start": "2026-11-01", "for": "1 month"}
    )
    wanted = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "reason": "promotion", "hours": ["Mon 00:00-01:00"]}
    numbers["approved"] = _number(plane, "/v1/exemptions", {**wanted, "for": "6 months"})
    plane.done("POST", f"/v1/exemptions/{numbers['approved']}/approve", {}, token=plane.other())
    numbers["requested"] = _number(plane, "/v1/exemptions", {**wanted, "reason": "research", "for": "5 months"})
    numbers["account"], _ = plane.account("the-operator", ("operator", "town"))
    return numbers


def _number(plane: Plane, path: str, body: dict[str, Any]) -> int:
    return int(plane.done("POST", path, body)["number"])


def _binding(of: str, to: str, ground: str) -> dict[str, str]:
    return {"ban": of, "authority": to, "ground": ground, "instrument": "letter 1", "date": "2026-09-01"}


def _states(plane: Plane, numbers: dict[str, int]) -> dict[str, str]:
    found = {name: plane.done("GET", f"/v1/bindings/{numbers[name]}")["state"] for name in ("law", "agreement")}
    found["proposal"] = plane.done("GET", f"/v1/bindings/{numbers['proposal']}")["state"]
    for name in ("approved", "requested"):
        found[name] = plane.done("GET", f"/v1/exemptions/{numbers[name]}")["state"]
    found["ban"] = plane.done("GET", "/v1/authorities/town/bans/alpha")["state"]
    grants = plane.done("GET", f"/v1/grants?account={numbers['account']}")["items"]
    return {**found, "grant": grants[0]["state"], "authority": plane.done("GET", "/v1/authorities/town")["state"]}


@on_both_databases
def test_at_once_everything_ends_with_an_act_each_and_ranges_stay(town: Plane) -> None:
    numbers = _grown(town)
    town.clock.now += 60
    outcome = town.done("POST", CLOSE, {**WHY, "decision": {"reference": "D-9", "legal_basis": "decree 9"}})
    assert _states(town, numbers) == {
        "law": "ended",
        "agreement": "ended",
        "proposal": "ended",
        "approved": "revoked",
        "requested": "revoked",
        "ban": "lapsed",
        "grant": "ended",
        "authority": "closed",
    }
    assert [(act["act"], act["object"]) for act in outcome["acts"]] == [
        ("exemption.revoke", f"exemption/{numbers['requested']}"),
        ("exemption.revoke", f"exemption/{numbers['approved']}"),
        ("binding.end", f"binding/{numbers['agreement']}"),
        ("binding.end", f"binding/{numbers['law']}"),
        ("binding.end", f"binding/{numbers['proposal']}"),
        ("ban.end", "ban/town/alpha"),
        ("grant.end", "grant/3"),
        ("authority.close", "authority/town"),
    ]
    found = outcome["authority"]
    assert (found["closes"], found["successor"], found["closed_reason"]) == (
        "2026-09-21T14:14:20Z",
        None,
        WHY["reason"],
    )
    assert found["closed_decision"]["reference"] == "D-9"
    assert [_verdict(town), _verdict(town, service="beta"), _verdict(town, "198.51.100.9")] == ["pass", "pass", "pass"]
    assert town.done("GET", "/v1/who?address=192.0.2.10")["authority"] == "town"
    term = town.done("GET", "/v1/authorities/town/bans/alpha")["terms"][0]
    assert (term["ended"], term["ended_decision"]["reference"]) == ("2026-09-21T14:14:20Z", "D-9")


@on_both_databases
def test_on_a_later_date_all_holds_until_then(town: Plane) -> None:
    numbers = _grown(town)
    revision = town.revision()
    outcome = town.done("POST", CLOSE, {**WHY, "at": DATE})
    assert (outcome["authority"]["state"], outcome["authority"]["closes"]) == ("closing", "2026-09-30T22:00:00Z")
    assert town.revision() == revision + 1
    held = {
        "law": "in_force",
        "agreement": "in_force",
        # It would begin later and never does.
        "proposal": "ended",
        "approved": "in_force",
        "requested": "requested",
        "grant": "in_force",
        "authority": "closing",
    }
    found = _states(town, numbers)
    assert {name: found[name] for name in held} == held
    town.clock.now += UNTIL_DATE_S - 1
    assert [_verdict(town), _verdict(town, service="beta"), _verdict(town, "198.51.100.9")] == ["refuse"] * 3
    town.clock.now += 1
    assert [_verdict(town), _verdict(town, service="beta"), _verdict(town, "198.51.100.9")] == ["pass"] * 3
    assert set(_states(town, numbers).values()) == {"ended", "revoked", "lapsed", "closed"}
    assert town.revision() == revision + 1


def test_a_role_that_would_begin_after_the_date_is_planned_until_then_and_can_be_ended(town: Plane) -> None:
    account, _ = town.account("clerk")
    body = {"account": account, "role": "operator", "authority": "town", "reason": "why", "start": "2026-11-01"}
    path = f"/v1/grants/{town.done('POST', '/v1/grants', body)['number']}"
    town.done("POST", CLOSE, {**WHY, "at": DATE})
    assert town.done("GET", path)["state"] == "planned"
    assert town.done("POST", f"{path}/end", {"reason": "not needed"})["state"] == "ended"


def _asked(plane: Plane) -> str:
    """Return the path of a request to switch town/alpha off."""
    plane.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, token = plane.account("desk", ("operator", "town"))
    waits = plane.call("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, token=token)
    assert waits.status_code == 202
    return f"/v1/requests/{waits.json()['number']}"


@on_both_databases
def test_a_request_to_switch_a_ban_off_is_withdrawn_with_the_authority(town: Plane) -> None:
    path = _asked(town)
    closed = town.done("POST", CLOSE, WHY)
    assert ("request.withdraw", "request/1") in [(act["act"], act["object"]) for act in closed["acts"]]
    found = town.done("GET", path)
    assert (found["state"], found["note"], found["decided_by"]) == ("withdrawn", WHY["reason"], 1)
    assert town.call("POST", f"{path}/approve", {}).status_code == 409


@on_both_databases
@pytest.mark.parametrize("approved", [True, False])
def test_request_can_be_decided_before_a_planned_closing(town: Plane, approved: bool) -> None:
    path = _asked(town)
    town.done("POST", CLOSE, {**WHY, "at": DATE})
    listed = {
        state: len(town.done("GET", f"/v1/requests?state={state}")["items"]) for state in ("requested", "withdrawn")
    }
    assert (listed, town.done("GET", path)["state"]) == ({"requested": 1, "withdrawn": 0}, "requested")
    if approved:
        town.done("POST", f"{path}/approve", {})
        assert town.done("GET", "/v1/authorities/town/bans/alpha")["mode"] == "off"
    town.clock.now += UNTIL_DATE_S
    state = "approved" if approved else "withdrawn"
    found = town.done("GET", path)
    assert (found["state"], found["withdrawn"] is None) == (state, approved)
    assert len(town.done("GET", f"/v1/requests?state={state}")["items"]) == 1


def test_terms_that_would_begin_later_never_do_and_stay_on_record(town: Plane) -> None:
    planned = ban(terms=[{"start": "2026-09-25", "for": "1 month"}, {"start": "2026-11-01", "for": "1 month"}])
    town.done("PUT", "/v1/authorities/town/bans/beta", planned)
    town.done("POST", "/v1/authorities/town/bans/alpha/terms", {"for": "6 months", "decision": {"reference": "R-2"}})
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban(terms=[{"start": "2026-11-01", "for": "1 month"}]))
    law = _number(town, "/v1/bindings", {**_binding("zone/beta", "town", "law"), "start": "2026-11-01"})
    town.done("POST", CLOSE, {**WHY, "at": DATE})
    town.done("POST", "/v1/authorities/zone/close", {**WHY, "at": DATE})
    terms = town.done("GET", "/v1/authorities/town/bans/beta")["terms"]
    assert [term["ended"] for term in terms] == ["2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"]
    begun = town.done("GET", "/v1/authorities/town/bans/alpha")["terms"]
    assert [(term["start"], term["ended"], term["decision"]["reference"]) for term in begun][1:] == [
        ("2027-03-21T23:00:00Z", "2027-03-21T23:00:00Z", "R-2")
    ]
    assert begun[0]["ended"] == "2026-09-30T22:00:00Z"
    assert {term["ended_reason"] for term in (*terms, *begun)} == {WHY["reason"]}
    gone = town.done("GET", "/v1/authorities/zone/bans/beta")
    assert (gone["state"], len(gone["terms"]), gone["terms"][0]["ended_reason"]) == ("lapsed", 1, WHY["reason"])
    for days, verdict in ((4, "refuse"), (20, "pass"), (45, "pass")):
        town.clock.now = 1_790_000_000 + days * DAY_S
        assert _verdict(town, service="beta") == verdict, days
    assert town.done("GET", f"/v1/bindings/{law}")["state"] == "ended"
    exported = town.call("GET", "/v1/policy").text
    assert town.done("POST", "/v1/policy/diff", content=exported, headers=_toml(town)) == {
        "acts": [],
        "faults": [],
        "warnings": [],
    }


def _toml(plane: Plane) -> dict[str, str]:
    return {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/toml"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/authorities/town/bans/beta", ban()),
        ("PUT", "/v1/authorities/town/bans/beta", {"provisional": True}),
        ("POST", "/v1/authorities/town/bans/alpha/terms", {"for": "1 year", "decision": {"reference": "C-2"}}),
        ("POST", "/v1/bindings", _binding("zone/beta", "town", "law")),
        ("POST", "/v1/bindings", _binding("town/alpha", "zone", "law")),
        ("POST", "/v1/exemptions", {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "1 year", "reason": "why"}),
        ("PUT", "/v1/ranges/default/192.0.3.0/24", {"authority": "town", "funding": "public", "audience": "staff"}),
        ("PUT", "/v1/spaces/default/192.0.3.0/24", {"authority": "town"}),
        ("POST", "/v1/grants", {"account": 2, "role": "reader", "authority": "town", "for": "1 year", "reason": "why"}),
        ("POST", CLOSE, WHY),
        (
            "POST",
            "/v1/authorities/town/bans/alpha/terms",
            {"start": "2026-12-01T10:00:00Z", "end": "2026-12-01T10:00:01Z", "decision": {"reference": "C-2"}},
        ),
        ("POST", "/v1/authorities/zone/merge", {"into": "town", "decision": DECREE, **WHY}),
    ],
)
def test_nothing_begins_in_a_closed_authority_nor_reaches_beyond_one_that_closes(
    town: Plane, method: str, path: str, body: dict[str, Any]
) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    town.account("somebody")
    town.done("POST", CLOSE, {**WHY, "at": DATE})
    before = town.call(method, path, body)
    lasting = not path.startswith(("/v1/ranges", "/v1/spaces")) and body != {"provisional": True}
    assert (before.status_code, "1 October 2026" in before.text or "closing" in before.text) == (
        (409, True) if lasting else (201, False)
    )
    if not lasting:
        return
    town.clock.now += UNTIL_DATE_S
    after = town.call(method, path, body)
    assert (after.status_code, "closed" in after.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/ranges/default/192.0.3.0/24", {"authority": "town", "funding": "public", "audience": "staff"}),
        ("/v1/spaces/default/192.0.3.0/24", {"authority": "town"}),
        ("/v1/authorities/town/bans/beta", {"provisional": True}),
    ],
)
def test_a_closed_authority_gets_no_more_ranges_and_space(town: Plane, path: str, body: dict[str, Any]) -> None:
    town.done("POST", CLOSE, WHY)
    answer = town.call("PUT", path, body)
    assert (answer.status_code, answer.json()["detail"]) == (409, "authority town closed on 2026-09-21")


@pytest.mark.parametrize(
    ("at", "closes"),
    [
        (DATE, "1 October 2026 00:00:00 CEST"),
        ("2026-10-01T09:30:00+02:00", "1 October 2026 09:30:00 CEST"),
    ],
)
def test_error_about_a_later_end_gives_the_latest_end_that_is_accepted(town: Plane, at: str, closes: str) -> None:
    town.done("POST", CLOSE, {**WHY, "at": at})
    refused = town.call("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"until": DATE}]))
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        f'authority town closes on {closes}: give an end that is not later, for example --until "{closes}"',
    )
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"until": closes}]))


def test_what_ends_before_the_date_is_accepted(town: Plane) -> None:
    town.done("POST", CLOSE, {**WHY, "at": DATE})
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"until": "2026-09-30"}]))
    town.done("POST", "/v1/bindings", {**_binding("town/beta", "zone", "law"), "until": "2026-09-30"})
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    assert _verdict(town, "198.51.100.9", "beta") == "refuse"


def test_a_ban_that_began_this_second_can_still_be_toggled(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban())
    town.done("POST", CLOSE, WHY)
    assert town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "monitor"})["mode"] == "monitor"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"at": "2026-09-20"}, 422),
        ({"at": "tomorrow-or-so"}, 422),
        ({"reason": ""}, 422),
        ({"decision": {"follows": "zone/alpha"}}, 422),
        ({"at": "2027-01-01"}, 200),
    ],
)
def test_what_a_closing_needs(town: Plane, body: dict[str, Any], status: int) -> None:
    assert town.call("POST", CLOSE, {**WHY, **body}).status_code == status


def test_dry_run_reports_the_same_and_does_nothing(town: Plane) -> None:
    revision = town.revision()
    rehearsed = town.call("POST", CLOSE, {**WHY, "dry_run": True})
    outcome = rehearsed.json()
    assert (outcome["dry_run"], town.revision(), _verdict(town)) == (True, revision, "refuse")
    found = town.call("GET", "/v1/authorities/town")
    assert found.json()["state"] == "open"
    assert rehearsed.headers["etag"].partition(".")[0] == found.headers["etag"].partition(".")[0]
    assert town.done("POST", CLOSE, WHY)["acts"] == outcome["acts"]


def test_acts_concern_the_affected_authorities_and_the_past_is_reproduced(town: Plane) -> None:
    numbers = _grown(town)
    town.publisher.store_in_force()
    at = town.done("GET", "/v1/who?address=192.0.2.10")["at"]
    town.clock.now += 60
    town.done("POST", CLOSE, WHY)
    town.publisher.store_in_force()
    with town.database.reading() as session:
        rows = {row.object: row.authorities for row in session.scalars(select(AuditRow).order_by(AuditRow.seq))}
    assert rows["authority/town"] == ["town"]
    assert rows[f"binding/{numbers['law']}"] == ["town", "zone"]
    now = town.done("GET", "/v1/who?address=192.0.2.10")["at"]
    traces = [town.done("GET", f"/v1/trace?client=192.0.2.10&name=alpha1.example.org&at={when}") for when in (at, now)]
    assert [found["reproduced"] for found in traces] == [True, True]
    assert [found["decision"]["verdict"] for found in traces] == ["refuse", "pass"]


def test_closed_authority_can_still_be_corrected(town: Plane) -> None:
    town.done("POST", CLOSE, WHY)
    changed = town.done("PUT", "/v1/authorities/town", authority(contact="archive@example.org"))
    assert (changed["contact"], changed["state"]) == ("archive@example.org", "closed")


def test_what_a_closing_leaves_stays_on_record(town: Plane) -> None:
    for slug in ("harbour", "village", "hamlet"):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
    town.done("PUT", "/v1/authorities/village/bans/beta", ban(terms=[{"start": "2026-12-01", "for": "1 month"}]))
    town.done("POST", "/v1/authorities/harbour/close", WHY)
    town.done("POST", "/v1/authorities/village/close", {**WHY, "at": DATE})
    town.done("POST", "/v1/authorities/hamlet/merge", {"into": "zone", "decision": DECREE, **WHY})
    town.done("PUT", "/v1/authorities/mother", authority())
    town.done("PUT", "/v1/authorities/child", authority())
    town.done("POST", "/v1/authorities/child/merge", {"into": "mother", "decision": DECREE, **WHY})
    gone = ["harbour", "village", "hamlet", "child", "mother"]
    paths = [*(f"/v1/authorities/{slug}" for slug in gone), "/v1/authorities/village/bans/beta"]
    assert {path: town.call("DELETE", path).status_code for path in paths} == dict.fromkeys(paths, 409)
