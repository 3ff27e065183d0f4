"""Suspensions: nothing is refused for some minutes, and they end by themselves."""

from typing import Any

import pytest
from sqlalchemy import select

from api.db.models import AuditRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.timestamps import timestamp_text
from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from tests.unit.api.conftest import Plane, ban, on_both_databases
from tests.unit.api.conftest import authority as an_authority

pytestmark = pytest.mark.heavy

BASE = "/v1/suspensions"
WHY = "the crisis centre needs every channel"
REFUSED = "/v1/decision?client=192.0.2.10&name=www.alpha1.example.org"
WHO = "/v1/who?address=192.0.2.10"


def _start(plane: Plane, authority: str | None = "town", span: str = "30m", **options: Any) -> Any:
    return plane.done("POST", BASE, {"authority": authority, "for": span, "reason": WHY}, **options)


def _verdict(plane: Plane) -> str:
    return str(plane.done("GET", REFUSED)["verdict"])


def _acts(plane: Plane) -> list[tuple[str, str, list[str]]]:
    with plane.database.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.act.startswith("suspension.")).order_by(AuditRow.seq))
        return [(row.act, row.object, row.authorities) for row in rows]


@on_both_databases
@pytest.mark.parametrize("authority", ["town", None])
def test_nothing_is_refused_until_it_ends_by_itself(town: Plane, authority: str | None) -> None:
    assert _verdict(town) == "refuse"
    made = _start(town, authority)
    assert (made["state"], made["start"], made["end"]) == ("in_force", "2026-09-21T14:13:20Z", "2026-09-21T14:43:20Z")
    assert _verdict(town) == "pass"
    revision = town.revision()
    town.clock.now += 1799
    assert _verdict(town) == "pass"
    town.clock.now += 1
    assert _verdict(town) == "refuse"
    assert town.revision() == revision
    assert town.done("GET", f"{BASE}/{made['number']}")["state"] == "ended"


def test_the_snapshot_has_its_end(town: Plane) -> None:
    before = town.store.read_current()
    _start(town)
    assert town.store.read_current().revision == before.revision + 1 == town.revision()


def test_another_authority_is_not_suspended(town: Plane) -> None:
    _start(town, "zone")
    assert _verdict(town) == "refuse"


def test_who_and_decision_show_the_suspension(town: Plane) -> None:
    assert [town.done("GET", path)["suspension"] for path in (REFUSED, WHO)] == [None, None]
    _start(town, span="10m")
    made = _start(town, None, "1h")
    suspension = {"number": made["number"], "authority": None, "until": made["end"], "reason": WHY}
    assert [town.done("GET", path)["suspension"] for path in (REFUSED, WHO)] == [suspension, suspension]
    assert town.done("GET", "/v1/who?address=203.0.113.1")["suspension"] == suspension, (
        "a suspension of all applies to all"
    )
    town.clock.now += 3600
    assert town.done("GET", WHO)["suspension"] is None


@on_both_databases
def test_further_suspension_must_end_later_and_extends_the_stretch(town: Plane) -> None:
    first = _start(town, span="1h")
    town.clock.now += 1800
    again = town.call("POST", BASE, {"authority": "town", "for": "30m", "reason": WHY})
    assert (again.status_code, "town is already suspended until" in again.json()["detail"]) == (409, True)
    second = _start(town, span="4h")
    assert (second["since"], second["start"]) == (first["start"], "2026-09-21T14:43:20Z")
    town.clock.now += 4 * 3600
    third = _start(town, span="1m")
    assert third["since"] == first["start"], "it began in the second in which the one before ended"
    town.clock.now += 61
    assert _start(town)["since"] == "2026-09-21T18:44:21Z"


def test_ones_of_all_are_part_of_an_authoritys_stretch_and_not_the_other_way(town: Plane) -> None:
    first = _start(town, span="1h")
    town.clock.now += 60
    everybody = _start(town, None, "2h")
    assert everybody["since"] == everybody["start"]
    town.clock.now += 7000
    assert _start(town)["since"] == first["start"]
    assert _start(town, "zone")["since"] == everybody["start"]


@on_both_databases
def test_an_end_by_an_act_ends_all_of_that_authority(town: Plane) -> None:
    _start(town, span="10m")
    number = _start(town, span="1h")["number"]
    everybody = _start(town, None, "5m")
    town.clock.now += 60
    ended = town.done("POST", f"{BASE}/{number}/end", {"reason": "a false alarm"})
    assert (ended["state"], ended["ended"], ended["ended_reason"]) == ("ended", "2026-09-21T14:14:20Z", "a false alarm")
    assert _verdict(town) == "pass", "the suspension of all continues"
    assert [row["number"] for row in town.done("GET", f"{BASE}?state=in_force")["items"]] == [everybody["number"]]
    town.done("POST", f"{BASE}/{everybody['number']}/end", {"reason": "a false alarm"})
    assert _verdict(town) == "refuse"
    assert town.call("POST", f"{BASE}/{number}/end", {"reason": "once more"}).status_code == 409
    assert town.call("POST", f"{BASE}/77/end", {"reason": "once more"}).status_code == 404


def test_each_is_ended_once_also_in_the_second_of_its_start(town: Plane) -> None:
    for _ in range(3):
        number = _start(town)["number"]
        town.done("POST", f"{BASE}/{number}/end", {"reason": "a mistake"})
        assert town.call("POST", f"{BASE}/{number}/end", {"reason": "again"}).status_code == 409
    ended = [subject for act, subject, _ in _acts(town) if act == "suspension.end"]
    assert ended == ["suspension/1", "suspension/2", "suspension/3"]


def test_one_ended_in_the_second_of_its_start_is_ended_though_that_second_completes(town: Plane) -> None:
    number = _start(town)["number"]
    ended = town.done("POST", f"{BASE}/{number}/end", {"reason": "a mistake"})
    assert (ended["state"], _verdict(town)) == ("ended", "pass")
    for state, count in (("in_force", 0), ("ended", 1)):
        assert len(town.done("GET", f"{BASE}?state={state}")["items"]) == count
    town.clock.now += 1
    assert town.done("GET", f"{BASE}/{number}")["state"] == "ended"
    assert town.done("GET", f"{BASE}?state=in_force")["items"] == []
    assert _verdict(town) == "refuse"


def test_one_that_begins_after_a_clock_was_set_back_can_be_ended(town: Plane) -> None:
    town.clock.now += 60
    number = _start(town)["number"]
    town.clock.now -= 30
    assert [row["number"] for row in town.done("GET", f"{BASE}?state=in_force")["items"]] == [number]
    assert town.done("GET", f"{BASE}?state=ended")["items"] == []
    assert town.done("POST", f"{BASE}/{number}/end", {"reason": "a false alarm"})["state"] == "ended"
    for later in (0, 30, 1, 1800):
        town.clock.now += later
        assert (_verdict(town), town.done("GET", f"{BASE}/{number}")["state"]) == ("refuse", "ended")
        assert town.done("GET", f"{BASE}?state=in_force")["items"] == []
        assert [row["number"] for row in town.done("GET", f"{BASE}?state=ended")["items"]] == [number]


@on_both_databases
def test_suspension_ahead_of_the_clock_blocks_nothing(town: Plane) -> None:
    town.clock.now += 3600
    ahead = _start(town)["number"]
    town.clock.now -= 3600
    assert (_verdict(town), town.done("GET", "/readyz")["suspensions"]) == ("refuse", 0)
    number = _start(town)["number"]
    assert (_verdict(town), town.done("GET", "/readyz")["suspensions"]) == ("pass", 1)
    town.clock.now += 60
    town.done("POST", f"{BASE}/{number}/end", {"reason": "a false alarm"})
    assert {town.done("GET", f"{BASE}/{one}")["state"] for one in (ahead, number)} == {"ended"}
    assert town.done("GET", f"{BASE}/{ahead}")["since"] == "2026-09-21T15:13:20Z"
    _start(town)
    assert _verdict(town) == "pass"
    town.clock.now += 3540
    assert (_verdict(town), town.done("GET", "/v1/authorities/town/bans/alpha")["state"]) == ("refuse", "in_force")
    trace = town.done(
        "GET", f"/v1/trace?client=192.0.2.10&name=alpha1.example.org&at={timestamp_text(int(town.clock.now))}"
    )
    assert (trace["reproduced"], trace["decision"]["verdict"]) == (True, "refuse")


def test_closed_authority_cannot_be_suspended_and_its_successor_is_named(town: Plane) -> None:
    for slug in ("harbour", "quay"):
        town.done("PUT", f"/v1/authorities/{slug}", _harbour())
    for slug, into in (("harbour", "quay"), ("quay", "town")):
        decision = {"reference": "decree 2026/4", "legal_basis": "decree 343"}
        town.done(
            "POST", f"/v1/authorities/{slug}/merge", {"into": into, "reason": "one municipality", "decision": decision}
        )
    body = {"authority": "harbour", "for": "30m", "reason": WHY}
    answer = town.call("POST", BASE, body)
    message = "authority harbour closed on 2026-09-21, and its ranges belong to town now: suspend town"
    assert (answer.status_code, answer.json()["detail"]) == (409, message)
    town.done("POST", "/v1/authorities/zone/close", {"reason": "its tasks go to others"})
    answer = town.call("POST", BASE, {**body, "authority": "zone"})
    message = "authority zone closed on 2026-09-21: nothing is refused for it"
    assert (answer.status_code, answer.json()["detail"]) == (409, message)
    assert town.done("GET", BASE)["items"] == []


def test_lists_are_newest_first_narrowed_and_the_same_for_all_readers(town: Plane) -> None:
    _, reader = town.account("the-reader", ("reader", "town"))
    for authority, span in (("town", "1m"), ("zone", "1h"), (None, "1h")):
        _start(town, authority, span)
    town.clock.now += 120

    def numbers(query: str) -> list[int]:
        return [row["number"] for row in town.done("GET", f"{BASE}?{query}", token=reader)["items"]]

    assert numbers("") == [3, 2, 1]
    assert numbers("state=in_force") == [3, 2]
    assert numbers("state=ended") == [1]
    assert numbers("authority=town") == [3, 1]
    assert numbers("authority=town&state=in_force") == [3]
    page = town.done("GET", f"{BASE}?limit=2")
    assert numbers(f"limit=2&cursor={page['next']}") == [1]


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"authority": "town", "for": "4h1m"}, "body.for"),
        ({"authority": "town", "until": "2026-09-21T18:13:21Z"}, "body.until"),
        ({"authority": "town", "until": "2026-09-21T14:13:20Z"}, "body.until"),
        ({"authority": "town", "until": "2026-09-21T14:30:00"}, "body.until"),
        ({"authority": "town", "until": "2026-09-22"}, "body.until"),
        ({"authority": "town", "for": "6 months"}, "body.for"),
        ({"authority": "town"}, "body"),
        ({"authority": "town", "for": "1h", "until": "2026-09-21T15:13:20Z"}, "body"),
        ({"authority": "nobody", "for": "1h"}, "body.authority"),
        ({"for": "1h"}, "body.authority"),
        ({"authority": "town", "for": "1h", "reason": ""}, "body.reason"),
    ],
)
def test_what_a_suspension_needs(untouched: Plane, body: dict[str, Any], location: str) -> None:
    answer = untouched.call("POST", BASE, {"reason": WHY, **body})
    assert answer.status_code == 422
    assert [fault["location"] for fault in answer.json()["faults"]] == [location]
    assert untouched.done("GET", BASE)["items"] == []


def test_one_until_an_instant_may_last_four_hours(town: Plane) -> None:
    made = town.done("POST", BASE, {"authority": "town", "until": "2026-09-21T20:13:20+02:00", "reason": WHY})
    assert made["end"] == "2026-09-21T18:13:20Z"
    assert MAX_SUSPENSION_S == 4 * 3600


def test_an_end_without_a_zone_is_by_the_clock_of_the_authority_else_of_the_default_zone(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town", {"time_zone": "Europe/Lisbon"})
    for slug, clock in (("town", "16:30"), ("zone", "17:30"), (None, "17:30")):
        made = town.done("POST", BASE, {"authority": slug, "until": f"2026-09-21 {clock}", "reason": WHY})
        assert made["end"] == "2026-09-21T15:30:00Z"


def test_acts_concern_the_affected_authorities(town: Plane) -> None:
    number = _start(town)["number"]
    everybody = _start(town, None)["number"]
    town.clock.now += 60
    town.done("POST", f"{BASE}/{number}/end", {"reason": "a false alarm"})
    assert _acts(town) == [
        ("suspension.start", f"suspension/{number}", ["town"]),
        ("suspension.start", f"suspension/{everybody}", ["town", "zone"]),
        ("suspension.end", f"suspension/{number}", ["town"]),
    ]


BINDING = {"authority": "town", "instrument": "law 7", "date": "2026-09-01"}


@on_both_databases
def test_acts_concern_authorities_whose_bans_apply_there(town: Plane) -> None:
    for slug in ("law", "pact", "proposal", "off", "later", "lapsed"):
        town.done("PUT", f"/v1/authorities/{slug}", an_authority())
        for service in ("alpha", "beta"):
            town.done("PUT", f"/v1/authorities/{slug}/bans/{service}", ban())
            ground = "agreement" if slug in ("pact", "proposal") else "law"
            begins = {"start": "2027-01-01"} if slug == "later" else {}
            body = {**BINDING, "ban": f"{slug}/{service}", "ground": ground, **begins}
            number = town.done("POST", "/v1/bindings", body)["number"]
            if slug == "pact":
                town.done("POST", f"/v1/bindings/{number}/accept")
            if slug == "off":
                town.done("PATCH", f"/v1/authorities/{slug}/bans/{service}", {"mode": "off"})
            if slug == "lapsed":
                town.done("POST", f"/v1/authorities/{slug}/bans/{service}/end", {"reason": "withdrawn"})
    town.clock.now += 1
    number = _start(town)["number"]
    _start(town, "zone")
    town.clock.now += 60
    town.done("POST", f"{BASE}/{number}/end", {"reason": "a false alarm"})
    assert [(act, whose) for act, _, whose in _acts(town)] == [
        ("suspension.start", ["law", "pact", "town"]),
        ("suspension.start", ["zone"]),
        ("suspension.end", ["law", "pact", "town"]),
    ]
    _, reader = town.account("reader-of-law", ("reader", "law"))
    seen = town.done("GET", f"/v1/audit?object=suspension/{number}", token=reader)["items"]
    assert {entry["act"] for entry in seen} == {"suspension.start", "suspension.end"}


def test_act_concerns_authorities_whose_ban_begins_to_apply_meanwhile(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/law", an_authority())
    town.done("PUT", "/v1/authorities/law/bans/alpha", ban())
    town.done("POST", "/v1/bindings", {**BINDING, "ban": "law/alpha", "ground": "law", "start": "2026-09-22"})
    town.clock.now += 7 * 3600  # 23:13 in the town
    for span in ("46m", "47m"):
        _start(town, span=span)
    assert [whose for _, _, whose in _acts(town)] == [["town"], ["law", "town"]]


def test_a_revision_that_a_suspension_made_is_shown_and_rolling_back_ends_none(town: Plane) -> None:
    before = town.revision()
    number = _start(town)["number"]
    revision = town.done("GET", f"/v1/revisions/{town.revision()}")
    assert [(change["object"], change["before"]) for change in revision["changes"]["items"]] == [
        (f"suspension/{number}", None)
    ]
    town.done("PUT", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    town.done("POST", f"/v1/revisions/{before}/rollback", {"reason": "the ban was right"})
    assert town.done("GET", f"{BASE}/{number}")["state"] == "in_force"
    assert "suspension" not in town.call("GET", "/v1/policy").text


def test_past_policies_are_reproduced_and_old_suspensions_leave_the_policy(town: Plane) -> None:
    town.publisher.store_in_force()
    begun = int(town.clock.now)
    _start(town)
    town.publisher.store_in_force()
    held = town.app.state.runtime
    for days in (1, 3, 3):
        town.clock.now += days * 86_400
        mode = "monitor" if town.done("GET", "/v1/authorities/town/bans/alpha")["mode"] == "enforce" else "enforce"
        town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": mode})
        town.publisher.store_in_force()
    with town.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, int(town.clock.now))
        assert held.publishing.current(unit).suspensions == ()
    for at in (begun, begun + 60, begun + 2 * 86_400, begun + 5 * 86_400, int(town.clock.now)):
        trace = town.done("GET", f"/v1/trace?client=192.0.2.10&name=alpha1.example.org&at={timestamp_text(at)}")
        assert trace["reproduced"] is True
    trace = town.done("GET", f"/v1/trace?client=192.0.2.10&name=alpha1.example.org&at={timestamp_text(begun + 60)}")
    assert (trace["decision"]["verdict"], trace["decision"]["suspension"]["number"]) == ("pass", 1)
    assert [act["act"] for act in trace["acts"]] == ["suspension.start"]


def test_an_authority_that_was_suspended_is_not_removed(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/harbour", {**_harbour()})
    _start(town, "harbour")
    assert town.call("DELETE", "/v1/authorities/harbour").status_code == 409


def _harbour() -> dict[str, Any]:
    return {"kind": "agency", "names": {"nl": "Haven"}, "languages": ["nl"], "contact": "ict@example.org"}


def test_a_ban_adopted_meanwhile_waits_for_the_end(town: Plane) -> None:
    _start(town)
    town.done("PUT", "/v1/authorities/town/bans/beta", ban())
    assert town.done("GET", "/v1/decision?client=192.0.2.10&name=beta1.example.org")["verdict"] == "pass"
    town.clock.now += 1800
    assert town.done("GET", "/v1/decision?client=192.0.2.10&name=beta1.example.org")["verdict"] == "refuse"


def test_forbidden_names_the_needed_role(town: Plane) -> None:
    _, desk = town.account("desk", ("operator", "town"))
    body = {"for": "1m", "reason": "crisis centre"}
    for authority, message in (
        ("zone", "this needs the role approver or operator of zone"),
        (None, "this needs the role administrator: it concerns all authorities if none is named"),
    ):
        found = town.call("POST", BASE, {"authority": authority, **body}, token=desk)
        assert (found.status_code, found.json()["detail"]) == (403, message)
