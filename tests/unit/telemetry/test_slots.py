"""Every slot exists once, at the index of its constant."""

import pytest

from dnsfilter.telemetry import slots
from dnsfilter.telemetry.metrics import Bypass, Failure, Outcome, Transport
from dnsfilter.telemetry.slots import SlotKind, fixed_size, slot_table, upstream_slots

UPSTREAMS = ("192.0.2.1:53", "[2001:db8::1]:53")
TABLE = slot_table(UPSTREAMS)


def test_table_is_dense_and_in_order() -> None:
    assert [slot.index for slot in TABLE] == list(range(fixed_size(len(UPSTREAMS))))


def test_no_two_slots_feed_the_same_sample() -> None:
    samples = [(slot.metric, slot.labels, slot.kind) for slot in TABLE]
    assert len(set(samples)) == len(samples)


def test_query_slots_carry_their_transport_and_outcome() -> None:
    for transport in Transport:
        for outcome in Outcome:
            slot = TABLE[slots.QUERY[transport][outcome]]
            assert slot.metric == "dnsfilter_queries_total"
            assert slot.labels == (("transport", transport.value), ("outcome", outcome.value))


def test_bypass_slots_carry_their_kind() -> None:
    assert [TABLE[slots.BYPASS[kind]].labels for kind in Bypass] == [(("kind", kind.value),) for kind in Bypass]


@pytest.mark.parametrize(
    ("slot", "metric", "kind"),
    [
        (slots.CACHE_HITS, "dnsfilter_cache_hits_total", SlotKind.COUNTER),
        (slots.CACHE_ENTRIES, "dnsfilter_cache_entries", SlotKind.GAUGE),
        (slots.CACHE_BYTES, "dnsfilter_cache_bytes", SlotKind.GAUGE),
        (slots.TCP_CONNECTIONS, "dnsfilter_tcp_connections", SlotKind.GAUGE),
        (slots.POLICY_COUNTS_LOST, "dnsfilter_policy_counts_lost_total", SlotKind.COUNTER),
        (slots.REBINDING_BLOCKED, "dnsfilter_rebinding_blocked_total", SlotKind.COUNTER),
        (slots.CACHE_PREFETCHES, "dnsfilter_cache_prefetches_total", SlotKind.COUNTER),
        (slots.ANSWER_DURATION.sum, "dnsfilter_answer_duration_seconds", SlotKind.SUM),
    ],
)
def test_named_slots_feed_their_metric(slot: int, metric: str, kind: SlotKind) -> None:
    assert (TABLE[slot].metric, TABLE[slot].kind) == (metric, kind)


def test_upstream_runs_carry_their_upstream() -> None:
    for run in upstream_slots(len(UPSTREAMS)):
        upstream = ("upstream", UPSTREAMS[run.server])
        assert TABLE[run.queries].labels == (upstream,)
        for reason in Failure:
            assert TABLE[run.failure(reason)].labels == (upstream, ("reason", reason.value))
        assert TABLE[run.duration.sum].metric == "dnsfilter_upstream_duration_seconds"
        state = TABLE[run.state]
        assert (state.metric, state.labels, state.kind) == ("dnsfilter_upstream_up", (upstream,), SlotKind.STATE)


def test_failure_reason_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        upstream_slots(1)[0].failure("bored")


@pytest.mark.parametrize(
    ("duration_ns", "le"),
    [
        (0, "5e-05"),
        (50_000, "5e-05"),
        (50_001, "0.0001"),
        (400_000_000, "0.4"),
        (400_000_001, "0.5"),
        (5_000_000_000, "5.0"),
        (5_000_000_001, "+Inf"),
        (-1, "5e-05"),
    ],
)
def test_duration_lands_in_the_bucket_whose_bound_holds_it(duration_ns: int, le: str) -> None:
    counts = [0] * fixed_size(0)
    slots.ANSWER_DURATION.observe(counts, duration_ns)
    hit = next(index for index, value in enumerate(counts) if value)
    assert TABLE[hit].labels[-1] == ("le", le)
    assert counts[slots.ANSWER_DURATION.sum] == max(duration_ns, 0)


def test_bucket_names_the_slot_that_observe_adds_to() -> None:
    counts = [0] * fixed_size(0)
    slots.ANSWER_DURATION.observe(counts, 123_456)
    assert counts[slots.ANSWER_DURATION.bucket(123_456)] == 1


def test_too_many_upstreams_are_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        fixed_size(1_025)
