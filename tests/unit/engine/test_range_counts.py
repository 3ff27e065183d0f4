"""Queries of ranges: each counts once for its range, in both engines, and only where ranges may be counted."""

from collections.abc import Callable
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.engine import range_counts as module
from dnsfilter.engine.range_counts import MOST_TAKEN, RangeCounts
from dnsfilter.policy.model import Policy, Range, Usage
from dnsfilter.telemetry.metrics import Transport
from tests.support.engines import KINDS, UNREGISTERED, query, running, snapshot_of
from tests.support.policies import NOW, authority, network, policy
from tests.support.scripted import Scripted, silent

WIDE, NARROW, SMALL, SILENT, V6 = "127.0.5.0/24", "127.0.5.16/28", "127.0.6.0/29", "127.0.7.0/24", "2001:db8:5::/48"
each_kind = pytest.mark.parametrize("kind", KINDS)


def _policy(*more: Range, ghent: Usage = Usage.AUTHORITY) -> Policy:
    return policy(
        authority("ghent", usage=ghent),
        authority("mechelen", usage=Usage.NONE),
        network(WIDE, "ghent"),
        network(NARROW, "ghent"),
        network(SMALL, "ghent"),
        network(SILENT, "mechelen"),
        network(V6, "ghent"),
        network("127.0.0.0/8", "ghent", site="annex"),
        *more,
    )


def _all_taken(take: Callable[[], dict[str, int]], times: int = 4) -> dict[str, int]:
    found: dict[str, int] = {}
    for _ in range(times):
        for prefix, queries in take().items():
            found[prefix] = found.get(prefix, 0) + queries
    return found


@each_kind
def test_every_query_counts_for_the_most_specific_range(kind: str) -> None:
    clients = {"127.0.5.1": 3, "127.0.5.17": 2, "127.0.6.1": 5, "127.0.7.1": 7, "2001:db8:5::1": 1, UNREGISTERED: 9}
    with running(kind, _policy(), Scripted(silent)) as rig:
        for client, times in clients.items():
            for _ in range(times):
                rig.engine.answer(query("www.example.org"), ip_address(client).packed, Transport.UDP, NOW, 1)
        assert _all_taken(rig.engine.take_ranges) == {WIDE: 3, NARROW: 2, V6: 1}
        assert rig.engine.take_ranges() == {}


@each_kind
@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(
    "message",
    [
        query("www.example.org"),
        query("www.example.org", "ANY"),
        query("localhost"),
        query("probe.dnsfilter.internal", "TXT"),
        query("www.example.org")[:-3],
        b"\x00\x07\x28\x00" + query("www.example.org")[4:],
    ],
    ids=["plain", "any", "local", "probe", "malformed", "unsupported"],
)
def test_query_counts_once_with_any_answer(kind: str, transport: Transport, message: bytes) -> None:
    with running(kind, _policy(), Scripted(silent)) as rig:
        rig.engine.answer(message, ip_address("127.0.5.1").packed, transport, NOW, 1)
        assert rig.engine.take_ranges() == {WIDE: 1}


@each_kind
def test_limited_queries_count_and_messages_that_are_no_query_do_not(kind: str) -> None:
    limits = Limits(clients=Rate(1, 1), unregistered=Rate(0, 0))
    with running(kind, _policy(), Scripted(silent), limits=limits) as rig:
        for message in (query("www.example.org"), query("www.example.org"), b"\0" * 11, bytes([0, 7, 128]) + bytes(9)):
            rig.engine.answer(message, ip_address("127.0.5.1").packed, Transport.UDP, NOW, 1)
        assert rig.engine.take_ranges() == {WIDE: 2}


@each_kind
def test_counts_survive_swaps_of_rules_and_of_ranges(kind: str) -> None:
    with running(kind, _policy(), Scripted(silent)) as rig:

        def ask(client: str) -> None:
            rig.engine.answer(query("www.example.org"), ip_address(client).packed, Transport.UDP, NOW, 1)

        ask("127.0.5.1")
        rig.engine.swap(snapshot_of(_policy(), NOW))
        ask("127.0.5.1")
        rig.engine.swap(snapshot_of(_policy(network("127.0.4.0/24", "ghent")), NOW))
        ask("127.0.5.1")
        ask("127.0.4.1")
        assert _all_taken(rig.engine.take_ranges) == {WIDE: 3, "127.0.4.0/24": 1}
        rig.engine.swap(snapshot_of(_policy(ghent=Usage.NONE), NOW))
        ask("127.0.5.1")
        assert _all_taken(rig.engine.take_ranges) == {}


def test_ranges_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    counts = RangeCounts()
    counts.swap(snapshot_of(_policy(), NOW))
    for client in ("127.0.5.1", "127.0.5.17", "2001:db8:5::1"):
        counts.note(ip_address(client).packed)
    taken = [counts.take() for _ in range(3)]
    assert taken == [{WIDE: 1, NARROW: 1}, {}, {V6: 1}]
    counts.note(ip_address("127.0.5.1").packed)
    assert counts.take() == {WIDE: 1}, "after the last range comes the first"


def test_most_ranges_at_once_hold_after_a_change_of_ten_thousand() -> None:
    prefixes = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(2_000)]
    counts = RangeCounts()
    counts.swap(snapshot_of(policy(authority("ghent"), *(network(each, "ghent") for each in prefixes)), NOW))
    for prefix in prefixes:
        counts.note(ip_address(prefix[:-3]).packed)
    counts.swap(snapshot_of(_policy(), NOW))
    counts.note(ip_address("127.0.5.1").packed)
    taken = [counts.take() for _ in range(10)]
    assert max(map(len, taken)) <= MOST_TAKEN
    assert {prefix for each in taken for prefix in each} == {*prefixes, WIDE}


def test_client_of_another_site_counts_nothing() -> None:
    counts = RangeCounts()
    counts.swap(snapshot_of(_policy(), NOW))
    counts.note(ip_address("127.0.9.1").packed)
    assert _all_taken(counts.take) == {}
