"""Clock and histogram in C equal `Anchor` and `HistogramSlots`."""

import pytest

from dnsfilter.engine.clock import Reference
from dnsfilter.policy.model import Term
from dnsfilter.telemetry.slots import ANSWER_DURATION
from tests.contract.cases import internet, office
from tests.support.engines import KINDS, MECHELEN, query, running, snapshot_of
from tests.support.policies import NOW, ban, policy
from tests.support.scripted import Scripted, says, silent
from tests.unit.engine.compiled.both import both

pytest.importorskip("dnsfilter.engine._engine")

EVERY = 8


@pytest.mark.parametrize("late_s", [0, 60, 61, 3600])
@pytest.mark.parametrize("since_ms", [0, 1, 999, 1_000, 86_400_000])
def test_doubted_clock_is_replaced_as_by_the_anchor(late_s: int, since_ms: int) -> None:
    for starts in (NOW - 60, NOW - 59, NOW, NOW + 1, NOW + 2, NOW + 86_400, NOW + 86_401):
        made = office()
        banned = ban(1, "ghent", "tiktok", terms=(Term(starts),))
        drawn = policy(*made.authorities, *made.ranges, *made.services, banned)
        with both(drawn, wall_s=NOW - late_s) as ask:
            ask.swap(snapshot_of(drawn), ask.rigs[0].clock.boot_ms - since_ms)
            for later_ms in (0, 1_000):
                ask(query("www.tiktok.com", id=7), later_ms=later_ms)


@pytest.mark.parametrize("ahead_s", [0, 60, 61, 3600])
@pytest.mark.parametrize("since_ms", [0, 1, 999, 1_000, 86_400_000])
def test_clock_ahead_of_its_reference_is_replaced_as_by_the_anchor(ahead_s: int, since_ms: int) -> None:
    for ends in (NOW, NOW + 1, NOW + 60, NOW + 61, NOW + 62, NOW + 86_400, NOW + 86_401, NOW + 86_461, NOW + 86_462):
        made = office()
        banned = ban(1, "ghent", "tiktok", terms=(Term(0, ends),))
        drawn = policy(*made.authorities, *made.ranges, *made.services, banned)
        with both(drawn, wall_s=NOW + ahead_s) as ask:
            ask.swap(snapshot_of(drawn), reference=Reference(NOW, ask.rigs[0].clock.boot_ms - since_ms))
            for later_ms in (0, 1_000):
                ask(query("www.tiktok.com", id=7), later_ms=later_ms)


def timed(kind: str, batches: list[int]) -> list[int]:
    """Return the histogram after batches of replies of these sizes."""
    with running(kind, office(), internet()) as rig:
        for number in batches:
            senders = [rig.send(query("localhost"), MECHELEN) for _ in range(number)]
            rig.settle()
            assert all(sender.receive() for sender in senders)
        return list(rig.counters.slots[ANSWER_DURATION.first : ANSWER_DURATION.sum + 1])


@pytest.mark.parametrize("batches", [[1] * 17, [8, 8], [7, 1], [64, 3, 60], [15, 1, 1]])
def test_one_reply_in_eight_is_timed_across_batches(batches: list[int]) -> None:
    found = [timed(kind, batches) for kind in KINDS]
    assert sum(found[0]) == sum(batches) // EVERY
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("bound", range(len(ANSWER_DURATION.bounds_ns)))
@pytest.mark.parametrize("beyond_ns", [0, 1])
def test_bound_belongs_to_its_own_bucket(bound: int, beyond_ns: int) -> None:
    names = [f"n{number}.example.org" for number in range(EVERY)]
    known = says({(name, "A"): (f"{name}. 300 A 198.51.100.10",) for name in names})
    duration_ns = ANSWER_DURATION.bounds_ns[bound] + beyond_ns
    with running("compiled", office(), Scripted(silent)) as rig:
        senders = [rig.send(query(name), MECHELEN) for name in names]
        rig.until_asked(EVERY)
        rig.clock.now_ns += duration_ns
        for asked in list(rig.upstream.asked):
            for answer in known(asked):
                rig.upstream.say(asked, answer)
        for sender in senders:
            rig.wait(sender)
        slots = rig.counters.slots
        assert slots[ANSWER_DURATION.first + bound + beyond_ns] == 1
        assert slots[ANSWER_DURATION.sum] == duration_ns
