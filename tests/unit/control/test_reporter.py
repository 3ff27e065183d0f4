"""What is told of a node, and how far its journal is, where one side has lost what it knew."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control.http_client import ControlClient, Disowned, NotNow
from dnsfilter.control.identity import Identity
from dnsfilter.control.report import Facts
from dnsfilter.control.reporter import Reporter
from dnsfilter.control.unregistered_networks import UnregisteredNetwork
from dnsfilter.errors import UnavailableError
from dnsfilter.local.journal import Act, Journal
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


def told(plane: Played) -> list[list[int]]:
    """The numbers of the journal in each report."""
    return [[entry["number"] for entry in report["journal"]] for report in plane.reports]


def test_at_first_it_is_asked_from_where_on_the_journal_is_to_be_told(
    plane: Played, reporter: Reporter, journal: Journal
) -> None:
    add(journal, 2)
    reporter.tell(FACTS, None)
    add(journal, 1)
    reporter.tell(FACTS, None)
    assert told(plane) == [[], [1, 2], [3]]


def test_a_control_plane_that_was_restored_is_told_again(plane: Played, reporter: Reporter, journal: Journal) -> None:
    add(journal, 5)
    reporter.tell(FACTS, None)
    plane.journal = 3
    reporter.begin()
    add(journal, 1)
    reporter.tell(FACTS, None)
    assert told(plane) == [[], [1, 2, 3, 4, 5], [], [4, 5, 6]]
    assert journal.unreported() == ()


@pytest.mark.parametrize("acts", [1, 9])
def test_a_journal_that_was_lost_puts_nothing_on_record_under_a_number_that_is_taken(
    plane: Played, reporter: Reporter, journal: Journal, acts: int
) -> None:
    plane.journal = 7
    add(journal, acts)
    reporter.tell(FACTS, None)
    assert told(plane) == [[], list(range(8, 8 + acts))]
    assert plane.journal == 7 + acts


def test_lines_of_the_journal_that_cannot_be_read_are_said_once_in_the_log(
    reporter: Reporter, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(journal, 1)
    for broken in (b"", b"{\n", b"", b"{\n[]\n"):
        with (tmp_path / "node" / "journal.jsonl").open("ab") as file:
            file.write(broken)
        reporter.begin()
        reporter.tell(FACTS, None)
    said = [record for record in caplog.records if record.name == "dnsfilter.control.reporter"]
    assert [record.__dict__["dnsfilter_fields"] for record in said] == [{"lines": 1}, {"lines": 3}]


def test_a_journal_lost_while_it_reports_goes_on_too(
    plane: Played, reporter: Reporter, journal: Journal, tmp_path: Path
) -> None:
    add(journal, 3)
    reporter.tell(FACTS, None)
    (tmp_path / "node" / "journal.jsonl").unlink()
    add(journal, 1)
    reporter.tell(FACTS, None)
    reporter.tell(FACTS, None)
    assert told(plane) == [[], [1, 2, 3], [1], [4], []]


def test_an_entry_that_is_refused_keeps_no_report_back_and_is_named(
    plane: Played, reporter: Reporter, journal: Journal
) -> None:
    plane.script.refuses = lambda report: report["journal"]
    add(journal, 1)
    for _ in range(2):
        reporter.tell(FACTS, "away")
    assert told(plane) == [[], [], []]
    for report in plane.reports[1:]:
        assert report["trouble"].startswith("away; what was done by hand on this node is not taken: status 422")
    asked = len(plane.asked("/v1/nodes/self/report"))
    reporter.tell(FACTS, None)
    assert len(plane.asked("/v1/nodes/self/report")) == asked + 1
    plane.script.refuses = lambda report: False
    add(journal, 1)
    reporter.tell(FACTS, None)
    assert (plane.reports[-1]["journal"][-1]["number"], plane.reports[-1]["trouble"]) == (2, "")


def test_a_suspension_that_is_refused_keeps_no_report_back(plane: Played, reporter: Reporter) -> None:
    plane.script.refuses = lambda report: report["suspended"]
    facts = replace(FACTS, suspended=((None, NOW),), unregistered=(UnregisteredNetwork("192.0.2.0/24", 1, 1),))
    reporter.tell(facts, None)
    assert plane.reports[-1]["suspended"] == []
    assert "is not taken: status 422" in plane.reports[-1]["trouble"]


@pytest.mark.parametrize(
    ("status", "retry_after", "kind"),
    [(401, "", Disowned), (403, "7", Disowned), (503, "7", NotNow), (503, "soon", UnavailableError)],
)
def test_what_is_answered_instead_says_for_how_long(
    plane: Played, reporter: Reporter, status: int, retry_after: str, kind: type[UnavailableError]
) -> None:
    plane.script.status = status
    plane.script.headers = {"Retry-After": retry_after}
    with pytest.raises(UnavailableError) as caught:
        reporter.tell(FACTS, None)
    assert type(caught.value) is kind
    assert getattr(caught.value, "for_s", 7) == 7


def test_a_control_plane_that_notes_nothing_is_not_told_for_ever(
    plane: Played, reporter: Reporter, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(journal, 1)
    monkeypatch.setattr("tests.support.fake_control_plane.max", lambda *_: 0, raising=False)
    reporter.tell(FACTS, None)
    assert told(plane) == [[], [1]]
