"""Reports of a node and its journal, also if one side has lost its data."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control.http_client import ControlClient, NodeTokenRejected, RetryLater
from dnsfilter.control.identity import Identity
from dnsfilter.control.report import Facts
from dnsfilter.control.reporter import Reporter
from dnsfilter.control.unregistered_networks import UnregisteredNetwork
from dnsfilter.errors import UnavailableError
from dnsfilter.local.journal import Act, Journal
from dnsfilter.policy.calendar import instant_text
from dnsfilter.telemetry.kept_totals import UsageTotals
from dnsfilter.telemetry.policy_words import BanUsage
from tests.support.fake_control_plane import TOKEN, Played
from tests.support.policies import NOW

FACTS = Facts(1, 64 * "a", 12, "compiled", 1, None, 0, 0, ())


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "node" / "journal.jsonl")


@pytest.fixture
def reporter(plane: Played, journal: Journal) -> Iterator[Reporter]:
    identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
    with ControlClient(ControlPlane(url=plane.url)) as client:
        yield Reporter(client, journal, lambda: identity)


def add(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.add(NOW, 0, Act.SUSPEND, "why", authority="ghent", until=NOW + 60)


def numbers_sent(plane: Played) -> list[list[int]]:
    """Return the numbers of journal entries in each report."""
    return [[entry["number"] for entry in report["journal"]] for report in plane.reports]


def test_first_report_asks_for_the_number_of_the_journal(plane: Played, reporter: Reporter, journal: Journal) -> None:
    add(journal, 2)
    reporter.report(FACTS, None)
    add(journal, 1)
    reporter.report(FACTS, None)
    assert numbers_sent(plane) == [[], [1, 2], [3]]


def test_restored_control_plane_gets_the_journal_again(plane: Played, reporter: Reporter, journal: Journal) -> None:
    add(journal, 5)
    reporter.report(FACTS, None)
    plane.journal = 3
    reporter.begin()
    add(journal, 1)
    reporter.report(FACTS, None)
    assert numbers_sent(plane) == [[], [1, 2, 3, 4, 5], [], [4, 5, 6]]
    assert journal.unreported() == ()


@pytest.mark.parametrize("acts", [1, 9])
def test_new_entries_after_a_lost_journal_get_unused_numbers(
    plane: Played, reporter: Reporter, journal: Journal, acts: int
) -> None:
    plane.journal = 7
    add(journal, acts)
    reporter.report(FACTS, None)
    assert numbers_sent(plane) == [[], list(range(8, 8 + acts))]
    assert plane.journal == 7 + acts


def test_broken_lines_of_the_journal_are_logged_once(
    reporter: Reporter, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(journal, 1)
    for broken in (b"", b"{\n", b"", b"{\n[]\n"):
        with (tmp_path / "node" / "journal.jsonl").open("ab") as file:
            file.write(broken)
        reporter.begin()
        reporter.report(FACTS, None)
    said = [record for record in caplog.records if record.name == "dnsfilter.control.reporter"]
    assert [record.__dict__["dnsfilter_fields"] for record in said] == [{"lines": 1}, {"lines": 3}]


def test_journal_lost_while_reporting_continues_above(
    plane: Played, reporter: Reporter, journal: Journal, tmp_path: Path
) -> None:
    add(journal, 3)
    reporter.report(FACTS, None)
    (tmp_path / "node" / "journal.jsonl").unlink()
    add(journal, 1)
    reporter.report(FACTS, None)
    reporter.report(FACTS, None)
    assert numbers_sent(plane) == [[], [1, 2, 3], [1], [4], []]


def test_refused_entry_does_not_stop_reports_and_is_named(plane: Played, reporter: Reporter, journal: Journal) -> None:
    plane.script.refuses = lambda report: report["journal"]
    add(journal, 1)
    for _ in range(2):
        reporter.report(FACTS, "away")
    assert numbers_sent(plane) == [[], [], []]
    for report in plane.reports[1:]:
        assert report["trouble"].startswith("away; the control plane refuses local acts of this node: status 422")
    asked = len(plane.asked("/v1/nodes/self/report"))
    reporter.report(FACTS, None)
    assert len(plane.asked("/v1/nodes/self/report")) == asked + 1
    plane.script.refuses = lambda report: False
    add(journal, 1)
    reporter.report(FACTS, None)
    assert (plane.reports[-1]["journal"][-1]["number"], plane.reports[-1]["trouble"]) == (2, "")


def test_refused_suspension_does_not_stop_reports(plane: Played, reporter: Reporter) -> None:
    plane.script.refuses = lambda report: report["suspended"]
    facts = replace(FACTS, suspended=((None, NOW),), unregistered=(UnregisteredNetwork("192.0.2.0/24", 1, 1),))
    reporter.report(facts, None)
    assert plane.reports[-1]["suspended"] == []
    assert (
        "refuses local suspensions, local names or unregistered networks of this node: status 422"
        in plane.reports[-1]["trouble"]
    )


@pytest.mark.parametrize(
    ("status", "retry_after", "kind"),
    [
        (401, "", NodeTokenRejected),
        (403, "7", NodeTokenRejected),
        (503, "7", RetryLater),
        (503, "soon", UnavailableError),
    ],
)
def test_error_answer_determines_the_wait(
    plane: Played, reporter: Reporter, status: int, retry_after: str, kind: type[UnavailableError]
) -> None:
    plane.script.status = status
    plane.script.headers = {"Retry-After": retry_after}
    with pytest.raises(UnavailableError) as caught:
        reporter.report(FACTS, None)
    assert type(caught.value) is kind
    assert getattr(caught.value, "for_s", 7) == 7


def test_entries_are_not_sent_forever_to_a_control_plane_that_records_none(
    plane: Played, reporter: Reporter, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(journal, 1)
    monkeypatch.setattr("tests.support.fake_control_plane.max", lambda *_: 0, raising=False)
    reporter.report(FACTS, None)
    assert numbers_sent(plane) == [[], [1]]


def usage_of(queries: int) -> UsageTotals:
    return UsageTotals({("ghent", "tiktok", "ghent", "own", "refused", None): queries})


def usage_of_towns(count: int) -> UsageTotals:
    """Return usage of authorities that have 1, 2, 3 … queries."""
    bans: dict[BanUsage, int] = {}
    for number in range(1, count + 1):
        bans[f"town-{number}", "tiktok", "ghent", "own", "refused", None] = number
    return UsageTotals(bans)


def sequences_sent(plane: Played) -> list[tuple[int, int] | None]:
    """Return sequence and queries of the usage in each report."""
    found = [report.get("usage") for report in plane.reports]
    return [None if one is None else (one["sequence"], one["counts"][0]["queries"]) for one in found]


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that moves the wall clock of reports."""
    now_s = [NOW]
    monkeypatch.setattr("dnsfilter.control.reporter.time.time", lambda: now_s[0])

    def pass_s(seconds: int) -> None:
        now_s[0] += seconds

    return pass_s


@pytest.fixture
def timed(minutes: Callable[[int], None], plane: Played, journal: Journal) -> Iterator[Reporter]:
    """Return a reporter with a wall clock that stands still."""
    identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
    with ControlClient(ControlPlane(url=plane.url)) as client:
        yield Reporter(client, journal, lambda: identity)


def test_usage_is_sent_again_until_it_is_stored(
    plane: Played, timed: Reporter, minutes: Callable[[int], None], journal: Journal
) -> None:
    plane.stored = 0
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(2)), None)
    add(journal, 1)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(3)), None)
    plane.stored = 1
    timed.report(replace(FACTS, usage=usage_of(4)), None)
    timed.report(replace(FACTS, usage=usage_of(5)), None)
    assert sequences_sent(plane) == [None, (1, 2), (1, 2), (1, 2), (2, 2), (2, 2)]
    assert numbers_sent(plane)[2] == [1]


def test_batches_that_wait_follow_at_once_when_the_one_before_is_stored(
    plane: Played, timed: Reporter, minutes: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnsfilter.control.usage_batches.MOST_COUNTS", 1)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of_towns(4)), None)
    assert sequences_sent(plane) == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_last_report_sends_all_batches(
    plane: Played, timed: Reporter, minutes: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnsfilter.control.usage_batches.MOST_COUNTS", 1)
    plane.stored = 0
    timed.report_last(replace(FACTS, usage=usage_of_towns(5)), None)
    assert sequences_sent(plane) == [(number, number) for number in range(1, 6)]


def test_what_is_noted_in_time_stays_in_its_quarter_of_an_hour(
    plane: Played, timed: Reporter, minutes: Callable[[int], None]
) -> None:
    minutes(900 - NOW % 900)
    timed.note(usage_of(7))
    minutes(40)
    timed.report(replace(FACTS, usage=usage_of(9)), None)
    (sent,) = [report["usage"] for report in plane.reports]
    assert (sent["until"], sent["counts"][0]["queries"]) == (instant_text(NOW + 900 - NOW % 900), 7)


def test_control_plane_that_keeps_no_usage_gets_each_batch_once(
    plane: Played, timed: Reporter, minutes: Callable[[int], None]
) -> None:
    for queries in (1, 2):
        minutes(60)
        timed.report(replace(FACTS, usage=usage_of(queries)), None)
    assert sequences_sent(plane) == [(1, 1), (2, 1)]


def test_refused_usage_is_dropped_and_blocks_neither_state_nor_journal(
    plane: Played,
    timed: Reporter,
    minutes: Callable[[int], None],
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plane.script.refuses = lambda report: "usage" in report
    timed.report(FACTS, None)
    add(journal, 1)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    assert sequences_sent(plane) == [None, None, None]
    assert numbers_sent(plane) == [[], [1], []]
    assert plane.reports[-1]["trouble"] == ""
    said = [record for record in caplog.records if record.message == "refused usage dropped"]
    assert [record.__dict__["dnsfilter_fields"]["sequence"] for record in said] == [1]
    plane.script.refuses = lambda report: False
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(5)), None)
    assert sequences_sent(plane)[-1] == (2, 4)


def test_usage_that_does_not_fit_into_a_report_waits_for_the_next(
    plane: Played, timed: Reporter, minutes: Callable[[int], None], journal: Journal
) -> None:
    plane.script.refuses, plane.script.refused_as = lambda report: "usage" in report and report["journal"], 413
    timed.report(FACTS, None)
    add(journal, 1)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    assert sequences_sent(plane) == [None, None, (1, 1)]
    assert numbers_sent(plane) == [[], [1], []]


def test_refused_journal_keeps_the_usage(
    plane: Played, timed: Reporter, minutes: Callable[[int], None], journal: Journal
) -> None:
    timed.report(FACTS, None)
    plane.script.refuses = lambda report: report["journal"]
    add(journal, 1)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    assert sequences_sent(plane) == [None, None, (1, 1)]


def test_last_report_has_everything_that_was_counted(plane: Played, timed: Reporter) -> None:
    plane.stored = 0
    timed.report_last(replace(FACTS, usage=usage_of(3)), None)
    assert sequences_sent(plane) == [(1, 3)]


def test_last_report_also_sends_what_is_not_acknowledged(
    plane: Played, timed: Reporter, minutes: Callable[[int], None]
) -> None:
    plane.stored = 0
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(1)), None)
    timed.report_last(replace(FACTS, usage=usage_of(3)), None)
    assert sequences_sent(plane) == [(1, 1), (1, 1), (2, 2)]


def test_next_program_gets_what_was_never_sent(plane: Played, timed: Reporter, minutes: Callable[[int], None]) -> None:
    plane.stored = 0
    assert timed.unreported(usage_of(1)) == usage_of(1)
    minutes(60)
    timed.report(replace(FACTS, usage=usage_of(4)), None)
    assert timed.unreported(usage_of(6)) == usage_of(2)


def test_captures_of_the_newest_valid_answer_are_followed(plane: Played, reporter: Reporter) -> None:
    listed = {"number": 7, "authority": "ghent", "prefix": "192.0.2.0/24", "for_s": 60, "delete_s": 120}
    found: list[object] = [reporter.captures]
    for captures in ([listed], [{**listed, "prefix": "no prefix"}], []):
        plane.captures = captures
        reporter.report(FACTS, None)
        found.append([order.capture.number for order in reporter.captures or ()])
    assert found == [None, [7], [7], []]
