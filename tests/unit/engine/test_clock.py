"""The instant that decides: wall time, or elapsed boot time if the wall clock is in doubt."""

import dns.rcode
import pytest

from dnsfilter.engine.clock import Anchor, Reference, SystemClock
from dnsfilter.policy.model import Term
from dnsfilter.telemetry.slots import upstream_slots
from tests.contract.cases import NETWORKS
from tests.support.engines import data, query, running
from tests.support.policies import DAY, ban, policy, service
from tests.support.scripted import Scripted, says

MADE_S = 1_774_656_000


@pytest.mark.parametrize(
    ("behind_s", "doubted"), [(-86_400, False), (0, False), (59, False), (60, False), (61, True), (10**9, True)]
)
def test_clock_more_than_a_minute_before_the_snapshot_is_doubted(behind_s: int, doubted: bool) -> None:
    assert Anchor(MADE_S, 5_000).doubts(MADE_S - behind_s, 5_000) is doubted


@pytest.mark.parametrize(
    ("ahead_s", "elapsed_ms", "doubted"),
    [
        (0, 0, False),
        (60, 0, False),
        (61, 0, True),
        (61, 999, True),
        (61, 1_000, False),
        (400 * DAY, 399 * DAY * 1000, True),
        (400 * DAY, 400 * DAY * 1000, False),
        (-DAY, 0, False),
    ],
)
def test_clock_more_than_a_minute_ahead_of_its_reference_is_doubted(
    ahead_s: int, elapsed_ms: int, doubted: bool
) -> None:
    believed_s, boot_ms = MADE_S + 2 * DAY, 7_000 + elapsed_ms
    anchor = Anchor(MADE_S, 5_000, Reference(believed_s, 7_000))
    assert anchor.doubts(believed_s + ahead_s, boot_ms) is doubted
    expected_s = believed_s + (elapsed_ms // 1000 if doubted else ahead_s)
    assert anchor.instant(believed_s + ahead_s, boot_ms) == expected_s


@pytest.mark.parametrize(("boot_ms", "expected"), [(5_000, 0), (5_999, 0), (6_000, 1), (3_605_000, 3600)])
def test_doubted_clock_is_replaced_by_elapsed_boot_time(boot_ms: int, expected: int) -> None:
    assert Anchor(MADE_S, 5_000).instant(0, boot_ms) == MADE_S + expected


def test_trusted_clock_is_used_unchanged() -> None:
    assert Anchor(MADE_S, 5_000).instant(MADE_S - 60, 9_000_000) == MADE_S - 60
    assert Anchor(MADE_S, 5_000).instant(MADE_S + 10**8, 5_000) == MADE_S + 10**8


def test_boot_time_never_runs_backwards() -> None:
    clock = SystemClock()
    readings = [clock.boot_ns() for _ in range(1000)]
    assert readings == sorted(readings)
    assert clock.wall_s() > MADE_S - 10**9


def test_engine_reads_the_system_clocks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time decides, to the second. Boot time measures answers of upstreams, and wakes the engine."""
    clock = SystemClock()
    monkeypatch.setattr("tests.support.engines.FakeClock", lambda _wall_s: clock)
    before_s, before_ns = clock.wall_s(), clock.boot_ns()
    terms = {"begun": Term(before_s), "ended": Term(0, before_s), "coming": Term(before_s + 3600)}
    names = {name: f"{name}.example.org" for name in terms}
    bans = [ban(number, "ghent", name, terms=(terms[name],)) for number, name in enumerate(terms, 1)]
    drawn = policy(*NETWORKS, *(service(name, (domain,)) for name, domain in names.items()), *bans)
    lost = iter([True])
    known = says({(name, "A"): (f"{name}. 300 A 192.0.2.1",) for name in (*names.values(), "lost.example.org")})
    upstream = Scripted(lambda asked: () if asked.name.startswith("lost") and next(lost, False) else known(asked))
    with running(kind, drawn, upstream, made_s=before_s - 86_400, longest_wait_ms=20) as rig:
        found = {name: rig.ask(query(domain)).rcode() for name, domain in names.items()}
        assert found == {"begun": dns.rcode.REFUSED, "ended": dns.rcode.NOERROR, "coming": dns.rcode.NOERROR}
        assert 0 < rig.counters.slots[upstream_slots(1)[0].duration.sum] <= clock.boot_ns() - before_ns
        assert data(rig.ask(query("lost.example.org"))) == ["A 192.0.2.1"]
        assert rig.forwarded.count(("lost.example.org", "A")) > 1
