"""The content of reports and studies."""

from datetime import date

import pytest

from api.errors import Invalid
from api.report.pages.markdown_text import markdown_text
from api.report.report_time import ReportDays
from api.report.schemas import Cause, FigureRead, Interval, Language, ReportRead
from api.report.service import Sources, report_ban, study
from api.usage.release import total
from api.usage.state import MAX_DAYS
from dnsfilter.policy.model import Mode
from tests.support.reported_authorities import END_S, ODD_REASON, STUDIED, day_counts
from tests.support.statements import statements
from tests.unit.api.conftest import Plane

pytestmark = pytest.mark.heavy


def test_a_report_has_the_formal_decision_and_every_term(ghent: ReportRead) -> None:
    (ban,) = ghent.bans
    assert (ban.decision.reference, ban.decision.advice) == ("CBS/2027/118", "Nationale Veiligheidsraad")
    assert ban.decision.follows == "federal/tiktok"
    assert [(term.through, term.decision.reference) for term in ban.terms] == [
        ("2027-05-31", ""),
        ("2027-11-30", "CBS/2027/402"),
    ]


def test_a_report_has_the_modes_in_its_time_with_their_acts(ghent: ReportRead) -> None:
    (ban,) = ghent.bans
    assert [(one.mode, one.start, one.reason) for one in ban.modes] == [
        (Mode.ENFORCE, "2027-02-28T23:00:00Z", ""),
        (Mode.OFF, "2027-03-17T17:00:00Z", "verkiezingsavond"),
        (Mode.ENFORCE, "2027-03-18T01:00:00Z", ""),
        (Mode.MONITOR, "2027-05-03T08:00:00Z", "meting op vraag van de gemeenteraad"),
        (Mode.ENFORCE, "2027-05-10T08:00:00Z", "meting beëindigd"),
    ]
    assert [one.end for one in ban.modes] == [*(one.start for one in ban.modes[1:]), "2027-09-01T22:00:00Z"]
    acts = {act.seq: act.act for act in ban.acts}
    assert [acts.get(one.act or 0) for one in ban.modes[1:]] == [
        "ban.set_off",
        None,
        "ban.set_monitor",
        "ban.set_enforce",
    ]


def test_a_report_has_the_times_without_effect_although_a_term_was_in_force(ghent: ReportRead) -> None:
    (ban,) = ghent.bans
    assert [(one.start, one.end) for one in ban.in_force] == [("2027-02-28T23:00:00Z", "2027-09-01T22:00:00Z")]
    assert [(one.cause, one.start, one.end) for one in ban.not_in_force] == [
        (Cause.OFF, "2027-03-17T17:00:00Z", "2027-03-18T01:00:00Z"),
        (Cause.SUSPENDED, "2027-05-14T08:00:00Z", "2027-05-14T08:45:00Z"),
    ]
    assert [(one.authority, one.reason) for one in ghent.suspensions] == [("ghent", "storing bij een leverancier")]


def test_time_in_which_a_ban_only_monitored_is_not_time_in_which_it_refused(ghent: ReportRead) -> None:
    (ban,) = ghent.bans
    assert [(one.start, one.end) for one in ban.only_monitored] == [("2027-05-03T08:00:00Z", "2027-05-10T08:00:00Z")]
    assert "Waarvan alleen gemeten: 7 d 0 u 0 min" in markdown_text(ghent, Language("nl"))


def test_a_report_does_not_cover_days_to_come(reported: Plane) -> None:
    with reported.database.reading() as session:
        sources = Sources(session, {}, None, END_S)
        days = date(2027, 9, 1), date(2027, 9, 3)
        with pytest.raises(Invalid, match="2027-09-03 has not begun in Europe/Brussels: give 2027-09-02 or an earlier"):
            report_ban(sources, "ghent", "tiktok", ReportDays(*days, None))


def test_counts_are_those_of_the_ban_alone_by_week(ghent: ReportRead) -> None:
    (ban,) = ghent.bans
    counted = day_counts("ghent", "tiktok")
    own = {(key.day, key.result): queries for key, queries in counted.items() if key.ban_authority == "ghent"}
    assert ghent.interval is Interval.WEEK
    refused = {day: queries for (day, result), queries in own.items() if result == "refused"}
    first = total(queries for day, queries in refused.items() if day < "2027-03-08")
    assert ban.buckets[0].refused == FigureRead(**first._asdict())
    assert ban.total.refused == FigureRead(**total(refused.values())._asdict())
    assert len(ban.buckets) == 27


def test_a_report_names_what_a_binding_refused_in_another_authority(ghent: ReportRead) -> None:
    ((bound,),) = [ban.bound for ban in ghent.bans]
    assert (bound.authority, bound.ground, bound.instrument) == ("mechelen", "agreement", "overeenkomst 2026/7")
    assert bound.accepted == "2027-05-12T08:00:00Z"
    assert (bound.counts.refused.at_least or 0) > 0
    assert bound.counts.monitored == FigureRead(queries=0)


def test_a_report_has_exemptions_with_their_request_and_decision(ghent: ReportRead) -> None:
    ((exemption,),) = [ban.exemptions for ban in ghent.bans]
    assert (exemption.reason, exemption.note) == (ODD_REASON, "alleen Toerisme")
    assert exemption.approved is not None
    assert exemption.requested_by != exemption.decided_by


def test_a_report_has_the_acts_of_its_time_in_order_with_names_and_hashes(ghent: ReportRead) -> None:
    (ban,) = ghent.bans
    assert [act.act for act in ban.acts] == [
        "ban.set_off",
        "ban.set_monitor",
        "ban.set_enforce",
        "binding.propose",
        "binding.accept",
        "suspension.start",
        "ban.renew",
        "exemption.request",
        "exemption.approve",
    ]
    assert [act.seq for act in ban.acts] == sorted(act.seq for act in ban.acts)
    assert ban.acts[0].name == "ict-ghent"
    assert ban.acts[-1].name == "approval-ghent"
    assert all(len(act.hash) == 64 for act in ban.acts)


def test_a_report_names_the_accounts_that_it_mentions(ghent: ReportRead, brussels: ReportRead) -> None:
    assert {one.name for one in ghent.accounts} >= {"ict-ghent", "approval-ghent"}
    # The mode was set before the time of the study.
    ((mode,), *_) = [ban.modes for ban in brussels.bans]
    assert mode.account in {one.number for one in brussels.accounts}


def test_a_report_names_the_lists_of_the_service(ghent: ReportRead) -> None:
    ((version,),) = [ban.lists for ban in ghent.bans]
    assert (version.until, version.added, version.removed) == (None, None, None)
    assert sum(tier.names for tier in version.tiers) > 0


def test_a_report_names_its_record(ghent: ReportRead, reported: Plane) -> None:
    last = reported.done("GET", "/v1/audit?limit=1")["items"][0]
    assert (ghent.record.seq, ghent.record.hash, ghent.record.time) == (last["seq"], last["hash"], last["time"])
    assert ghent.record.revision == reported.revision()


def test_a_study_has_the_services_that_are_only_monitored(brussels: ReportRead) -> None:
    assert [ban.service for ban in brussels.bans] == sorted(STUDIED)
    assert all(ban.total.refused == FigureRead(queries=0) for ban in brussels.bans)
    assert all((ban.total.monitored.queries or 0) > 0 for ban in brussels.bans)


def test_a_study_has_no_service_that_was_enforced_in_its_time(reported: Plane) -> None:
    with reported.database.reading() as session:
        sources = Sources(session, {}, None, END_S)
        assert study(sources, "ghent", ReportDays(date(2027, 3, 1), date(2027, 9, 1), None)).bans == []


def test_a_ban_that_only_monitored_in_the_time_is_part_of_the_study_of_that_time(reported: Plane) -> None:
    with reported.database.reading() as session:
        sources = Sources(session, {}, None, END_S)
        found = study(sources, "ghent", ReportDays(date(2027, 5, 4), date(2027, 5, 9), None))
    assert [ban.service for ban in found.bans] == ["tiktok"]


def test_a_study_of_many_services_has_no_query_for_each_of_them(reported: Plane) -> None:
    days = ReportDays(date(2027, 3, 1), date(2027, 9, 1), None)
    with statements(reported.database) as few, reported.database.reading() as session:
        report_ban(Sources(session, {}, None, END_S), "brussels-city", "facebook", days)
    with statements(reported.database) as more, reported.database.reading() as session:
        found = study(Sources(session, {}, None, END_S), "brussels-city", days)
    assert len(found.bans) == len(STUDIED)
    assert len(more) <= len(few) + 1


@pytest.mark.parametrize("visible", [frozenset[str](), frozenset({"mechelen"})])
def test_an_account_is_named_only_to_those_who_may_see_it(reported: Plane, visible: frozenset[str]) -> None:
    with reported.database.reading() as session:
        sources = Sources(session, {}, visible, END_S)
        found = report_ban(sources, "ghent", "tiktok", ReportDays(date(2027, 3, 1), date(2027, 9, 1), None))
    named = {act.act for ban in found.bans for act in ban.acts if act.name is not None}
    # The operator of Ghent acted on a binding that concerns Mechelen too; the approver did nothing there.
    assert "exemption.approve" not in named
    assert bool(named) == bool(visible)


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (date(2027, 3, 2), date(2027, 3, 1), "2027-03-01 is before 2027-03-02"),
        (date(2020, 1, 1), date(2027, 1, 1), f"at most {MAX_DAYS} days"),
    ],
)
def test_a_time_that_is_empty_or_too_long_is_rejected(first: date, last: date, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        ReportDays(first, last, None)
