"""When notices are due: each once, none about the past."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import String, select

from api.db.models import AuthorityRow, NodeRow, NoticeRow, TermRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.delivery.destinations import MailDestination
from api.notices.due.all_due import due
from api.notices.kinds import Hour, threshold
from api.notices.notice_job import Notifier
from api.publish.service import Publisher
from api.timestamps import timestamp_text
from blocklists.catalogue import Catalogue
from tests.unit.api.conftest import START, Clock, Plane, authority, ban, on_both_databases
from tests.unit.api.notices.support import DAY_S, begun, new_kinds, notifier, rows

pytestmark = pytest.mark.heavy

OWN = [("ban_ending", "town")]

RENEWAL = {"for": "6 months", "decision": {"reference": "C-2"}}


def _bound(plane: Plane, ground: str = "law") -> int:
    body = {"ban": "town/alpha", "authority": "zone", "ground": ground, "instrument": "decree 2", "date": "2026-09-01"}
    number: int = plane.done("POST", "/v1/bindings", body)["number"]
    return number


def _end_s(plane: Plane, which: str = "town/bans/alpha") -> int:
    """Return the end of the ban's last term."""
    return _instant(plane.done("GET", f"/v1/authorities/{which}")["terms"][-1]["end"])


def _instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("now", "known", "expected"),
    [
        (9, 0, None),
        (10, 0, (30, (1, 7))),
        (32, 0, (30, (1, 7))),
        (33, 0, (7, (1,))),
        (39, 0, (1, ())),
        (33, 33, (7, (1,))),
        (33, 34, None),
        (20, 11, None),
    ],
)
def test_threshold_is_the_shortest_begun_one_unless_it_began_before_the_decision(
    now: int, known: int, expected: tuple[int, tuple[int, ...]] | None
) -> None:
    assert threshold(40, known, now, (1, 7, 30)) == expected


@on_both_databases
def test_end_is_notified_30_7_and_1_days_before_and_on_the_day_also_to_bound_authorities(town: Plane) -> None:
    _bound(town)
    job = begun(town)
    end_s = _end_s(town)
    both = [("ban_ending", "town"), ("bound_ban_ending", "zone")]
    lapsed = [("ban_lapsed", "town"), ("bound_ban_lapsed", "zone")]
    played = [
        (end_s - 30 * DAY_S - 1, []),
        (end_s - 30 * DAY_S, both),
        (end_s - 30 * DAY_S + 60, []),
        (end_s - 7 * DAY_S - 1, []),
        (end_s - 7 * DAY_S, both),
        (end_s - DAY_S, both),
        (end_s - 1, []),
        (end_s, lapsed),
        (end_s + 60, []),
    ]
    for at_s, expected in played:
        town.clock.now = at_s
        assert new_kinds(town, job.look) == expected, at_s


def test_after_downtime_only_the_nearest_threshold_is_notified(town: Plane) -> None:
    job = begun(town)
    end_s = _end_s(town)
    town.clock.now = end_s - DAY_S / 2
    assert new_kinds(town, job.look) == OWN
    # A clock that goes back does not cause a notice of an earlier threshold.
    town.clock.now = end_s - 5 * DAY_S
    assert new_kinds(town, job.look) == []


def test_new_process_makes_no_notice_twice(town: Plane) -> None:
    begun(town)
    town.clock.now = _end_s(town) - 7 * DAY_S
    assert new_kinds(town, notifier(town).look) == OWN
    assert new_kinds(town, notifier(town).look) == []


@pytest.mark.parametrize(("start", "expected"), [("end", []), ("later", OWN)])
def test_renewal_without_a_gap_causes_no_notice_of_the_end(town: Plane, start: str, expected: list[Any]) -> None:
    job = begun(town)
    end_s = _end_s(town)
    term = town.done("GET", "/v1/authorities/town/bans/alpha")["terms"][0]
    begins = term["end"] if start == "end" else "2027-06-01"
    town.done("POST", "/v1/authorities/town/bans/alpha/terms", {**RENEWAL, "start": begins})
    town.clock.now = end_s - 7 * DAY_S
    assert new_kinds(town, job.look) == expected


def test_short_ban_causes_no_notice_for_thresholds_before_its_decision(town: Plane) -> None:
    job = begun(town)
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(terms=[{"for": "2 weeks"}]))
    assert new_kinds(town, job.look) == []
    town.clock.now = _end_s(town, "zone/bans/alpha") - 7 * DAY_S
    assert new_kinds(town, job.look) == [("ban_ending", "zone")]


def test_review_is_notified_unless_a_later_term_replaces_it(town: Plane) -> None:
    job = begun(town)
    for slug in ("town", "zone"):
        reviewed = ban(terms=[{"review_by": "2027-01-10"}])
        town.done("PUT", f"/v1/authorities/{slug}/bans/beta", reviewed)
    renewal = {"start": "2027-01-01", "review_by": "2028-01-10", "decision": RENEWAL["decision"]}
    town.done("POST", "/v1/authorities/zone/bans/beta/terms", renewal)
    town.clock.now = START + 107 * DAY_S
    assert new_kinds(town, job.look) == [("ban_review", "town")]


_OPEN = {"review_by": "2027-01-10"}


@pytest.mark.parametrize(
    ("term", "renewal", "reviewed"),
    [
        ({"until": "2028-12-31", **_OPEN}, None, True),
        ({"until": "2027-01-10", "review_by": "2027-02-10"}, None, False),
        (_OPEN, {"until": "2027-03-31"}, True),
        (_OPEN, {"until": "2027-03-31", "review_by": "2027-03-01"}, False),
        (_OPEN, {"start": "2027-02-01", "review_by": "2028-01-10"}, False),
    ],
    ids=["before the end", "after the end", "renewed with an end", "renewed with a review", "renewed from later on"],
)
def test_review_is_notified_exactly_when_the_ban_is_shown_as_ending_with_a_review(
    town: Plane, term: dict[str, Any], renewal: dict[str, Any] | None, reviewed: bool
) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban(terms=[term]))
    job = begun(town)
    if renewal is not None:
        town.done("POST", "/v1/authorities/zone/bans/beta/terms", {**renewal, "decision": RENEWAL["decision"]})
    review_s = _instant("2027-01-10T00:00:00+01:00")
    for days in (30, 7, 1):
        town.clock.now = review_s - days * DAY_S
        found = [(kind, to) for kind, to in new_kinds(town, job.look) if kind.endswith("review")]
        assert found == [("ban_review", "zone")] * reviewed
        ending = town.done("GET", "/v1/authorities/zone/bans/beta")["ending"]
        assert ((ending or {}).get("what") == "review", (ending or {}).get("days") == days) == (reviewed, reviewed)


def test_end_of_a_provisional_ban_is_notified_24_and_6_hours_before(town: Plane) -> None:
    job = begun(town)
    town.done("PUT", "/v1/authorities/zone/bans/alpha", {"provisional": True})
    end_s = _end_s(town, "zone/bans/alpha")
    found = []
    for hour in range(73):
        town.clock.now = end_s - (72 - hour) * 3600
        found += [(72 - hour, kind) for kind, _ in new_kinds(town, job.look)]
    assert found == [(24, "provisional_ending"), (6, "provisional_ending"), (0, "ban_lapsed")]


def test_first_start_notifies_future_ends_and_no_past_events(town: Plane) -> None:
    _bound(town, "agreement")
    town.done("POST", "/v1/bindings/1/withdraw", {"reason": "it is over"})
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(terms=[{"start": "2026-01-01", "until": "2026-12-31"}]))
    end_s = _end_s(town)
    town.clock.now = end_s - 3 * DAY_S
    job = notifier(town)
    assert new_kinds(town, job.look) == OWN
    town.clock.now = end_s + 8 * DAY_S
    assert new_kinds(town, job.look) == [], "what ended more than seven days ago causes no notice"


def test_each_step_of_an_exemption_is_notified(town: Plane) -> None:
    _bound(town)
    job = begun(town)
    asked = {"ban": "town/alpha", "ranges": ["198.51.100.0/24"], "for": "60 days", "reason": "promotion"}
    both = ({**asked, "reason": why} for why in ("promotion", "research"))
    numbers = [town.done("POST", "/v1/exemptions", one)["number"] for one in both]
    end_s = _instant(town.done("GET", f"/v1/exemptions/{numbers[0]}")["end"])
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("exemption_waiting", "town")] * 2
    town.clock.now += 7 * DAY_S
    assert new_kinds(town, job.look) == [("exemption_waiting", "town")] * 2
    town.done("POST", f"/v1/exemptions/{numbers[0]}/approve", {}, token=town.other())
    town.done("POST", f"/v1/exemptions/{numbers[1]}/reject", {"reason": "no need"}, token=town.other())
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("exemption_approved", "zone"), ("exemption_rejected", "zone")]
    town.clock.now = end_s - 7 * DAY_S
    assert new_kinds(town, job.look) == [("exemption_ending", "zone")]
    town.clock.now = end_s - DAY_S
    assert new_kinds(town, job.look) == [("exemption_ending", "zone")]
    town.done("POST", f"/v1/exemptions/{numbers[0]}/revoke", {"reason": "not used"}, token=town.other())
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("exemption_revoked", "zone")]


def test_each_step_of_a_binding_is_notified_to_the_other_authority(town: Plane) -> None:
    job = begun(town)
    number = _bound(town, "agreement")
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("binding_proposed", "zone")]
    town.done("POST", f"/v1/bindings/{number}/accept")
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("binding_accepted", "town")]
    town.done("POST", f"/v1/bindings/{number}/withdraw", {"at": "2026-12-01", "reason": "it is over"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("binding_withdrawn", "town")]
    law = _bound(town)
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("binding_by_law", "zone")]
    town.done("POST", f"/v1/bindings/{law}/end", {"reason": "repealed"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("binding_ended", "zone")]


@on_both_databases
def test_follower_is_notified_that_the_followed_ban_was_renewed_or_ended(town: Plane) -> None:
    decision = {**ban()["decision"], "follows": "town/alpha"}
    town.clock.now += 1
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(decision=decision))
    job = begun(town)
    end = town.done("GET", "/v1/authorities/town/bans/alpha")["terms"][0]["end"]
    town.done("POST", "/v1/authorities/town/bans/alpha/terms", {**RENEWAL, "start": end})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("source_renewed", "zone")]
    (row,) = rows(town)
    assert row.facts["source"] == "town"
    assert row.facts["own_until_s"] == _end_s(town, "zone/bans/alpha")
    town.done("POST", "/v1/authorities/town/bans/alpha/end", {"at": "2026-12-01", "reason": "annulled"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("source_ended", "zone")]


def _following(of: str) -> dict[str, Any]:
    return ban(decision={**ban()["decision"], "reference": "own 1", "follows": f"{of}/alpha"})


def _merge(plane: Plane, old: str, new: str) -> None:
    decision = {"legal_basis": "decree 9", "reference": "D-9"}
    plane.done("POST", f"/v1/authorities/{old}/merge", {"into": new, "reason": "they are one", "decision": decision})


def _renewed(plane: Plane, slug: str) -> None:
    plane.clock.now += 1
    body = {"for": "6 months", "decision": {"reference": f"R-{int(plane.clock.now)}"}}
    plane.done("POST", f"/v1/authorities/{slug}/bans/alpha/terms", body)
    plane.clock.now += 1


@on_both_databases
def test_follower_is_notified_of_a_merger_and_of_changes_to_the_successors_ban(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/city", authority())
    town.done("PUT", "/v1/authorities/zone/bans/alpha", _following("town"))
    job = begun(town)
    _merge(town, "town", "city")
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("source_goes_on", "zone")]
    facts = rows(town)[-1].facts
    found = (facts["ban"], facts["source"], facts["former"], facts["reference"], facts["own_until_s"])
    assert found == ("zone/alpha", "city", "town", "D-9", _end_s(town, "zone/bans/alpha"))
    _renewed(town, "city")
    assert new_kinds(town, job.look) == [("source_renewed", "zone")]
    town.done("POST", "/v1/authorities/city/bans/alpha/end", {"at": "2026-12-01", "reason": "annulled"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("source_ended", "zone")]


def test_successor_of_a_follower_follows_in_its_place(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/city", authority())
    town.done("PUT", "/v1/authorities/zone/bans/alpha", _following("town"))
    job = begun(town)
    _merge(town, "zone", "city")
    assert new_kinds(town, job.look) == [], "nothing happened to the followed ban"
    _renewed(town, "town")
    assert new_kinds(town, job.look) == [("source_renewed", "city")]


def test_merger_of_a_follower_with_the_followed_authority_causes_no_notice(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/alpha", _following("town"))
    job = begun(town)
    _merge(town, "town", "zone")
    town.clock.now += 1
    assert new_kinds(town, job.look) == []
    _renewed(town, "zone")
    assert new_kinds(town, job.look) == []


@pytest.mark.parametrize("start", [None, "2026-11-01", "both"], ids=["in force", "planned", "with a planned term"])
@pytest.mark.parametrize("merged", [True, False], ids=["merged", "closed"])
def test_follower_is_notified_when_the_followed_authority_merges_or_closes(
    town: Plane, start: str | None, merged: bool
) -> None:
    for slug in ("city", "other", "follower"):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
    now, later = {"for": "1 month"}, {"start": "2026-11-01", "for": "6 months"}
    terms = {None: [now], "both": [now, later]}.get(start, [later])
    town.done("PUT", "/v1/authorities/other/bans/alpha", ban(terms=terms))
    town.done("PUT", "/v1/authorities/follower/bans/alpha", _following("other"))
    job = begun(town)
    if merged:
        _merge(town, "other", "city")
    else:
        town.done("POST", "/v1/authorities/other/close", {"reason": "it is no more"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("source_goes_on" if merged else "source_ended", "follower")]


def test_decisions_are_notified_although_the_authority_closes_later(town: Plane) -> None:
    _bound(town)
    town.done("PUT", "/v1/authorities/city", authority())
    binding = {"ban": "town/alpha", "authority": "city", "ground": "agreement", "instrument": "letter 1"}
    asked = {"ban": "town/alpha", "ranges": ["198.51.100.0/24"], "for": "150 days", "reason": "promotion"}
    number = town.done("POST", "/v1/bindings", {**binding, "date": "2026-09-01"})["number"]
    exemption = town.done("POST", "/v1/exemptions", asked)["number"]
    job = begun(town)
    town.clock.now += 1
    closes_s = int(town.clock.now) + 100 * DAY_S
    town.done("POST", "/v1/authorities/town/close", {"at": timestamp_text(closes_s), "reason": "it is no more"})
    town.clock.now += 1
    job.look()
    town.done("POST", f"/v1/exemptions/{exemption}/approve", {}, token=town.other())
    town.done("POST", f"/v1/bindings/{number}/accept")
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("binding_accepted", "town"), ("exemption_approved", "zone")]
    assert {row.facts["until_s"] for row in rows(town) if row.kind == "exemption_approved"} == {closes_s}
    for at_s, kind in ((closes_s - 7 * DAY_S, "ending"), (closes_s - DAY_S, "ending"), (closes_s, "revoked")):
        town.clock.now = at_s
        assert (f"exemption_{kind}", "zone") in new_kinds(town, job.look)
        assert rows(town)[-1].facts.get("until_s", closes_s) == closes_s


def test_suspensions_are_notified_to_the_authorities_concerned(town: Plane) -> None:
    job = begun(town, to=("installation@example.org",))
    asked = {"for": "30m", "reason": "nobody can work"}
    numbers = [town.done("POST", "/v1/suspensions", {"authority": whom, **asked})["number"] for whom in ("town", None)]
    town.clock.now += 1
    to = [None, "town", "town", "zone"]
    assert new_kinds(town, job.look) == [("suspension_started", whom) for whom in to]
    town.done("POST", f"/v1/suspensions/{numbers[0]}/end", {"reason": "it works again"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("suspension_ended", "town")]
    town.clock.now += 3600
    assert new_kinds(town, job.look) == [], "an end on time causes no notice"


def test_capture_is_notified_to_the_authority_of_the_range(town: Plane) -> None:
    job = begun(town)
    asked = {"authority": "town", "prefix": "192.0.2.0/24", "for": "1h", "reason": "names do not resolve"}
    start_s, number = int(town.clock.now), town.done("POST", "/v1/captures", asked)["number"]
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("capture_started", "town")]
    assert rows(town)[-1].facts == {
        "number": number,
        "range": "192.0.2.0/24",
        "site": "default",
        "at_s": start_s,
        "until_s": start_s + 3600,
        "deleted_s": start_s + 3600 + DAY_S,
    }
    town.done("POST", f"/v1/captures/{number}/end", {"reason": "found it", "delete": True})
    town.clock.now += 1
    assert new_kinds(town, job.look) == []


def test_suspension_is_notified_once_to_each_authority_whose_bans_apply_there(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/federal", authority())
    for service, ground in (("alpha", "law"), ("beta", "law"), ("alpha", "agreement")):
        town.done("PUT", f"/v1/authorities/federal/bans/{service}", ban())
        body = {"ban": f"federal/{service}", "authority": "town", "ground": ground, "instrument": "law 7"}
        town.done("POST", "/v1/bindings", {**body, "date": "2026-09-01"})
    job = begun(town, to=("installation@example.org",))
    asked = {"for": "30m", "reason": "nobody can work"}
    number = town.done("POST", "/v1/suspensions", {"authority": "town", **asked})["number"]
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("suspension_started", whom) for whom in ("federal", "town")]
    town.done("POST", "/v1/suspensions", {"authority": None, **asked, "for": "1h"})
    town.clock.now += 1
    everybody = [None, "federal", "town", "zone"]
    assert new_kinds(town, job.look) == [("suspension_started", whom) for whom in everybody]
    town.done("POST", "/v1/suspensions", {"authority": "federal", **asked, "for": "3h"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("suspension_started", "federal")]
    town.done("POST", "/v1/suspensions", {"authority": "town", **asked, "for": "2h"})
    town.done("POST", f"/v1/suspensions/{number}/end", {"reason": "it works again"})
    town.clock.now += 1
    assert new_kinds(town, job.look) == [
        *(("suspension_ended", whom) for whom in ("federal", "town")),
        *(("suspension_started", whom) for whom in ("federal", "town")),
    ]
    found = [(row.facts["scope"], row.facts.get("binds", False)) for row in rows(town) if row.authority == "federal"]
    assert found == [("town", True), (None, False), ("federal", False), ("town", True), ("town", True)]
    ended = [row.facts["still_s"] for row in rows(town) if row.kind == "suspension_ended"]
    assert ended == [START + 2 + 3600] * 2, "the suspension that still holds for the town, not for the recipient"


def test_suspension_ended_before_its_start_causes_no_notice_of_the_start(town: Plane) -> None:
    job = begun(town)
    town.clock.now += 600
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": "nobody can work"})
    town.clock.now -= 300
    town.done("POST", "/v1/suspensions/1/end", {"reason": "it works again"})
    assert new_kinds(town, job.look) == [("suspension_ended", "town")]
    town.clock.now += 301
    assert new_kinds(town, job.look) == []


def test_suspensions_ended_by_one_act_share_a_notice_that_names_a_remaining_suspension(town: Plane) -> None:
    job = begun(town)
    for whom, span in (("town", "30m"), ("town", "1h"), (None, "2h")):
        town.done("POST", "/v1/suspensions", {"authority": whom, "for": span, "reason": "nobody can work"})
    town.clock.now += 1
    job.look()
    last_s = _instant(town.done("GET", "/v1/suspensions/3")["end"])
    for number in (1, 3):
        town.done("POST", f"/v1/suspensions/{number}/end", {"reason": "it works again"})
        town.clock.now += 1
        job.look()
    ended = [row for row in rows(town) if row.kind == "suspension_ended"]
    found = [(row.facts["scope"], row.authority, row.facts.get("still_s")) for row in ended]
    assert found == [("town", "town", last_s), (None, None, None), (None, "town", None), (None, "zone", None)]


def test_notice_quotes_the_decision_of_the_term_that_holds(town: Plane) -> None:
    town.done("POST", "/v1/authorities/town/bans/alpha/end", {"reason": "withdrawn"})
    job = begun(town)
    asked = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "60 days", "reason": "promotion"}
    found = []
    for why in ("ended", "renewed"):
        if why == "renewed":
            town.done("POST", "/v1/authorities/town/bans/alpha/terms", RENEWAL)
        town.done("POST", "/v1/exemptions", {**asked, "reason": why})
        town.clock.now += 1
        job.look()
        found.append(rows(town)[-1].facts["reference"])
    assert found == ["C-1", "C-2"]


def _node(plane: Plane, seen_s: int, revision: int, name: str = "office") -> None:
    with plane.database.writing() as session:
        row = session.get(NodeRow, 1)
        if row is None:
            row = NodeRow(name=name, site="default", registered_s=START, enrolled_s=START, report={}, revision=1)
            session.add(row)
        row.seen_s, row.report = seen_s, {"revision": revision}


def _settled(publisher: Publisher) -> int:
    publisher.store_in_force()
    return publisher.database_revision()


def test_silence_and_recovery_of_a_node_are_notified(town: Plane) -> None:
    job = begun(town, to=("installation@example.org",))
    revision = _settled(town.publisher)
    now_s = int(town.clock.now)
    _node(town, now_s, revision)
    everybody = [None, "town", "zone"]
    played = [
        (600, now_s, []),
        (601, now_s, ["node_silent"]),
        (900, now_s, []),
        (901, now_s + 900, ["node_back"]),
        (960, now_s + 960, []),
    ]
    for after_s, seen_s, kinds in played:
        town.clock.now = now_s + after_s
        _node(town, seen_s, revision)
        expected = [(kind, to) for kind in kinds for to in everybody]
        assert new_kinds(town, job.look) == expected, after_s


def test_downtime_of_the_control_plane_does_not_count_as_silence_of_nodes(town: Plane) -> None:
    begun(town)
    _node(town, int(town.clock.now), _settled(town.publisher))
    town.clock.now += DAY_S
    job = notifier(town)
    assert new_kinds(town, job.look) == []
    town.clock.now += 601
    assert [kind for kind, _ in new_kinds(town, job.look)] == ["node_silent"] * 3
    restarted = notifier(town)
    assert new_kinds(town, restarted.look) == [], "a node that has not reported is not back"


def test_clock_set_ahead_does_not_count_as_silence_of_nodes(town: Plane) -> None:
    begun(town)
    _node(town, int(town.clock.now), _settled(town.publisher))
    elapsed = Clock()
    destination = MailDestination("127.0.0.1", 1, False, "dns@example.org", ())
    job = Notifier(town.database, dict, Catalogue(()), destination, town.clock, elapsed=elapsed)
    for by_clock, by_time, kinds in ((0, 0, []), (3600, 10, []), (590, 590, []), (20, 20, ["node_silent"] * 3)):
        town.clock.now += by_clock
        elapsed.now += by_time
        assert [kind for kind, _ in new_kinds(town, job.look)] == kinds


def test_node_without_a_revision_for_ten_minutes_is_behind(town: Plane) -> None:
    job = begun(town)
    before = _settled(town.publisher)
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"reply": "nodata"})
    after = _settled(town.publisher)
    since_s = int(town.clock.now)
    for after_s, revision, kinds in ((300, before, []), (700, before, ["node_behind"]), (760, after, ["node_back"])):
        town.clock.now = since_s + after_s
        _node(town, since_s + after_s, revision)
        assert [kind for kind, _ in new_kinds(town, job.look)] == kinds * 3, after_s


def test_local_suspension_is_notified_once(town: Plane) -> None:
    job = begun(town, to=("installation@example.org",))
    now_s = int(town.clock.now)
    _node(town, now_s, _settled(town.publisher))
    for authority_, to in (("zone", ["zone"]), (None, [None, "town", "zone"])):
        with town.database.writing() as session:
            until = timestamp_text(now_s + 1800)
            session.get_one(NodeRow, 1).report = {"suspended": [{"authority": authority_, "until": until}]}
        assert new_kinds(town, job.look) == [("node_suspended", whom) for whom in to]
    assert new_kinds(town, job.look) == []
    assert rows(town)[0].facts["until_s"] == now_s + 1800


def test_term_that_never_held_causes_no_notice_of_its_end(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(terms=[{"start": "2026-11-01", "for": "6 months"}]))
    with town.database.reading() as session:
        term = session.scalars(select(TermRow).where(TermRow.ban == 2)).one()
        found = []
        for ended_s in (term.start_s, term.start_s + 3600):
            term.ended_s = ended_s
            session.flush()
            everything = due(session, Hour(ended_s, START, START), {}, Catalogue(()))
            found.append([one.kind for one in everything if one.authority == "zone"])
    assert found == [[], ["ban_lapsed"]]


def test_closed_authority_gets_no_notices(town: Plane) -> None:
    job = begun(town)
    with town.database.writing() as session:
        row = session.get_one(AuthorityRow, "town")
        row.closes_s = int(town.clock.now)
        row.revision = UnitOfWork(session, LOCAL, row.closes_s).new_revision()
    town.clock.now = _end_s(town) - DAY_S
    assert new_kinds(town, job.look) == []


def test_bound_authority_is_notified_once_that_a_ban_continues_under_a_successor(town: Plane) -> None:
    for slug in ("city", "follower"):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
    body = {"ban": "town/alpha", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    for to in ("zone", "city"):
        town.done("POST", "/v1/bindings", {**body, "authority": to})
    town.done("POST", "/v1/bindings", {**body, "authority": "follower", "ground": "agreement"})
    following = {"reference": "own 1", "legal_basis": "decree 1", "follows": "town/alpha"}
    town.done("PUT", "/v1/authorities/follower/bans/alpha", ban(decision=following))
    wanted = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "1 month", "reason": "promotion"}
    number = town.done("POST", "/v1/exemptions", wanted)["number"]
    town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    job = begun(town)
    decision = {"legal_basis": "decree 9", "reference": "D-9"}
    merging = {"into": "city", "reason": "they are one", "decision": decision}
    town.done("POST", "/v1/authorities/town/merge", merging)
    # The agreement was only proposed: the successor proposes it again.
    made = [("binding_proposed", "follower"), ("bound_ban_goes_on", "zone"), ("exemption_approved", "city")]
    assert new_kinds(town, job.look) == [*made, ("source_goes_on", "follower")]
    facts = next(row.facts for row in rows(town) if row.kind == "bound_ban_goes_on")
    assert (facts["ban"], facts["former"], facts["reference"]) == ("city/alpha", "town", "D-9")


def test_lapsed_ban_does_not_continue_under_a_successor(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/city", authority())
    town.done("PUT", "/v1/authorities/city/bans/alpha", ban(terms=[{"for": "1 hour"}]))
    body = {"authority": "zone", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    for of in ("town/alpha", "city/alpha"):
        town.done("POST", "/v1/bindings", {**body, "ban": of})
    town.clock.now += 2 * 3600
    job = begun(town)
    _merge(town, "city", "town")
    assert new_kinds(town, job.look) == [("binding_ended", "zone")]


def test_closing_without_a_successor_ends_bindings(town: Plane) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    job = begun(town)
    town.done("POST", "/v1/authorities/town/close", {"reason": "it is no more"})
    assert new_kinds(town, job.look) == [("binding_ended", "zone"), ("bound_ban_lapsed", "zone")]


def test_facts_name_only_authorities_and_decisions(town: Plane) -> None:
    _bound(town)
    job = begun(town)
    asked = {"ban": "town/alpha", "ranges": ["198.51.100.0/24"], "for": "60 days", "reason": "Jan Example asked"}
    town.done("POST", "/v1/exemptions", asked)
    town.clock.now += 1
    job.look()
    (row,) = rows(town)
    assert row.facts == {"ban": "town/alpha", "reference": "C-1", "number": 1, "at_s": row.made_s - 1}


def test_keys_fit_the_column_for_the_longest_slugs(town: Plane) -> None:
    slug = "x" * 63
    town.done("PUT", f"/v1/authorities/{slug}", authority())
    job = begun(town)
    town.done("PUT", f"/v1/authorities/{slug}/bans/alpha", ban())
    town.clock.now = _end_s(town, f"{slug}/bans/alpha") - DAY_S
    job.look()
    kind = NoticeRow.__table__.c.key.type
    assert isinstance(kind, String)
    assert kind.length is not None
    assert all(len(row.key) <= kind.length - 20 for row in rows(town))
