"""Batches of usage: each count is in one batch, and a batch never changes."""

import pytest

from api.server.bodies import MAX_BYTES
from api.usage.schemas import MAX_CLIENTS, MAX_COUNTS, UsageBatch
from api.usage.state import NODES_KEEP_S
from dnsfilter.control import usage_batches as module
from dnsfilter.control.refused_queries import RefusedQueries
from dnsfilter.control.report import Facts, Load, report_body
from dnsfilter.control.usage_batches import Batch, UsageBatches
from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.policy.calendar import start_of_hour
from dnsfilter.telemetry.kept_totals import UsageTotals
from dnsfilter.telemetry.policy_words import BanUsage
from tests.support.policies import NOW

BAN = "ghent", "tiktok", "brussels-region", "law", "refused", None
OF_RANGE = "ghent", "tiktok", "ghent", "own", "monitored", "192.0.2.0/24"
ATTEMPT = "ghent", "ddr"
FACTS = Facts(1, 64 * "a", 12, "compiled", 1, None, 0, 0, ())
START = NOW - NOW % 3600


@pytest.fixture
def batches() -> UsageBatches:
    return UsageBatches(START, lambda: "0" * 32)


def counted(refused: int, bypass: int = 0) -> UsageTotals:
    return UsageTotals({BAN: refused} if refused else {}, {ATTEMPT: bypass} if bypass else {})


def given(batch: Batch | None) -> tuple[int, int, int, UsageTotals] | None:
    """Return sequence, start and end after START, and counts."""
    return None if batch is None else (batch.sequence, batch.start - START, batch.end - START, batch.counts)


def test_batch_has_what_was_counted_since_the_last_one(batches: UsageBatches) -> None:
    assert batches.next(counted(1), START + 59) is None
    assert given(batches.next(counted(2, 1), START + 60)) == (1, 0, 60, counted(2, 1))
    assert given(batches.next(counted(9, 9), START + 200)) == (1, 0, 60, counted(2, 1))
    batches.forget(1)
    assert given(batches.next(counted(9, 1), START + 201)) == (2, 60, 201, counted(7))
    batches.forget(2)
    assert batches.next(counted(9, 1), START + 300) is None
    assert given(batches.next(counted(10, 1), START + 400)) == (3, 300, 400, counted(1))


def everything(batches: UsageBatches, total: UsageTotals, now_s: int) -> list[tuple[int, int, int, UsageTotals]]:
    """Return the batches that are left, each stored before the next."""
    found = []
    while (batch := given(batches.next(total, now_s, at_once=True))) is not None:
        found.append(batch)
        batches.forget(batch[0])
    return found


def test_control_plane_that_is_away_gets_batches_that_end_with_a_quarter_of_an_hour(
    batches: UsageBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    for minute in range(1, 91):
        batches.next(counted(minute), START + 60 * minute)
    found = everything(batches, counted(90), START + 5400)
    assert [one[:3] for one in found] == [(1, 0, 60), (2, 60, 900), (3, 900, 1800), (4, 1800, 2700), (5, 2700, 5400)]
    assert sum(one[3].bans[BAN] for one in found) == 90


def test_node_keeps_three_days_of_quarters() -> None:
    assert module.MOST_WAITING * module.QUARTER_S == NODES_KEEP_S


@pytest.mark.parametrize("zone", ["Europe/Brussels", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_no_batch_lies_in_two_hours_of_any_zone(batches: UsageBatches, zone: str) -> None:
    for step in range(1, 400):
        now_s = START + 30 * step
        batch = batches.next(counted(step), now_s)
        if batch is not None:
            assert start_of_hour(batch.start, zone) == start_of_hour(batch.end - 1, zone)
            batches.forget(batch.sequence)


def test_many_counts_keep_their_interval_however_late_they_are_sent(
    batches: UsageBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_COUNTS", 2)
    early = UsageTotals(ranges=dict.fromkeys("abcde", 1))
    late = UsageTotals(ranges=dict.fromkeys("abcde", 2))
    assert given(batches.next(early, START + 60)) == (1, 0, 60, UsageTotals(ranges={"a": 1, "b": 1}))
    batches.forget(1)
    batches.note(early, START + 900)
    assert batches.unreported(late) == UsageTotals(ranges={"a": 1, "b": 1, "c": 2, "d": 2, "e": 2})
    found = everything(batches, late, START + 4000)
    assert [one[:3] for one in found] == [(2, 0, 60), (3, 0, 60), (4, 900, 4000), (5, 900, 4000), (6, 900, 4000)]
    assert [sum(one[3].ranges.values()) for one in found] == [2, 1, 2, 2, 1]
    assert batches.unreported(late) == UsageTotals()


def test_counts_that_are_not_shown_for_a_time_are_counted_once(batches: UsageBatches) -> None:
    batches.next(counted(5), START + 60)
    batches.forget(1)
    assert batches.next(UsageTotals(), START + 120) is None
    assert given(batches.next(counted(6), START + 180)) == (2, 120, 180, counted(1))


def test_large_batches_are_split(batches: UsageBatches) -> None:
    bans: dict[BanUsage, int] = {(f"authority-{number}", *BAN[1:]): 1 for number in range(MAX_COUNTS + 1)}
    sizes = []
    for second in (60, 120, 180):
        batch = batches.next(UsageTotals(bans), START + second)
        sizes.append(0 if batch is None else len(batch.counts.bans))
        batches.forget(second)
    assert sizes == [MAX_COUNTS, 1, 0]


def test_batch_with_long_slugs_leaves_room_in_a_report(batches: UsageBatches) -> None:
    ban = *3 * (63 * "s",), "agreement", "monitored"
    bans: dict[BanUsage, int] = {(*ban, f"2001:db8:1111:2222:3333:{n:04x}::/112"): 10**9 for n in range(MAX_COUNTS)}
    total = UsageTotals(bans, {(f"{n:063}", "encrypted_dns"): 10**9 for n in range(MAX_COUNTS)})
    refused = RefusedQueries()
    addresses = (n.to_bytes(4) for n in range(2 * MAX_CLIENTS))
    refused.add([RefusedClient(address, *ban[:4], 10**9) for address in addresses], START)
    taken = 0
    for turn in range(1, 9):
        batch = batches.next(total, START + 60 * turn, refused=refused)
        if batch is not None:
            assert len(report_body(FACTS, Load(), None, NOW, 0, (), batch)) < MAX_BYTES
            taken += sum(batch.counts.bans.values()) + sum(batch.counts.bypass.values())
            batches.forget(batch.sequence)
    assert taken == 2 * MAX_COUNTS * 10**9


def test_batch_with_ranges_is_one_that_the_control_plane_reads(batches: UsageBatches) -> None:
    batch = batches.next(UsageTotals(ranges={"192.0.2.0/24": 7, "::1.2.3.0/120": 1}), START + 60)
    assert batch is not None
    read = UsageBatch.model_validate(batch.value())
    assert [(one.prefix, one.queries) for one in read.ranges] == [("192.0.2.0/24", 7), ("::102:300/120", 1)]


def test_pending_names_are_in_one_batch_each(batches: UsageBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COUNTS", 1)
    first, then = ("ghent", "video", "a.example"), ("ghent", "video", "b.example")
    batch = batches.next(UsageTotals(pending={first: 7, then: 1}), START + 60)
    assert batch is not None
    (read,) = UsageBatch.model_validate(batch.value()).pending
    assert (read.authority, read.service, read.name, read.queries) == (*first, 7)
    batches.forget(1)
    later = UsageTotals(pending={first: 9, then: 1})
    assert batches.unreported(later) == UsageTotals(pending={first: 2, then: 1})
    assert [one[3].pending for one in everything(batches, later, START + 120)] == [{then: 1}, {first: 2}]


def test_clock_that_is_set_back_gives_no_negative_interval(batches: UsageBatches) -> None:
    assert given(batches.next(counted(1), START - 600)) == (1, -600, -600, counted(1))


def test_each_start_begins_another_stream() -> None:
    streams = {batch.stream for batch in (UsageBatches(START).next(counted(1), START + 60) for _ in range(3)) if batch}
    assert len(streams) == 3


def test_control_plane_accepts_the_batch(batches: UsageBatches) -> None:
    batch = batches.next(UsageTotals({BAN: 1, OF_RANGE: 2}, {ATTEMPT: 3}), START + 60)
    assert batch is not None
    read = UsageBatch.model_validate(batch.value())
    assert (read.start_s, read.sequence, len(read.counts), len(read.bypass)) == (START, 1, 2, 1)
    assert [one.range and one.range.prefix for one in read.counts] == [None, "192.0.2.0/24"]


def test_batch_takes_refused_queries_and_keeps_them_until_it_is_stored(
    batches: UsageBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)
    refused = RefusedQueries()
    noted = [RefusedClient(bytes((0, 0, 0, number)), "ghent", "tiktok", "ghent", "own", 1) for number in range(3)]
    refused.add(noted, START)
    for _ in range(2):
        batch = batches.next(counted(3), START + 60, refused=refused)
        assert batch is not None
        assert (batch.sequence, list(batch.clients.values())) == (1, [1, 1])
        assert UsageBatch(**batch.value()).clients[0].minute_s == START
    batches.forget(1)
    batch = batches.next(counted(3), START + 120, refused=refused)
    assert batch is not None
    assert (batch.counts, list(batch.clients.values())) == (UsageTotals(), [1])
    batches.forget(2)
    assert batches.next(counted(3), START + 180, refused=refused) is None


def test_refused_queries_that_do_not_fit_into_a_batch_follow_at_once(
    batches: UsageBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)
    refused = RefusedQueries()
    noted = [RefusedClient(bytes((0, 0, 0, number)), "ghent", "tiktok", "ghent", "own", 1) for number in range(5)]
    refused.add(noted, START)
    sent = []
    while (batch := batches.next(counted(5), START + 60, refused=refused)) is not None:
        sent.append((batch.sequence, sum(batch.counts.bans.values()), len(batch.clients)))
        batches.forget(batch.sequence)
    assert sent == [(1, 5, 2), (2, 0, 2), (3, 0, 1)]


def test_batch_has_no_more_clients_than_the_control_plane_takes() -> None:
    assert module.MOST_CLIENTS <= MAX_CLIENTS
