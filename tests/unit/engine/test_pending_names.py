"""Queries for pending names: each counts for the authority, the service and its pending name, in both engines."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from dnsfilter.engine.pending_names import MOST_LEFT, MOST_NAMES, MOST_TAKEN, PendingCount, PendingNames
from dnsfilter.policy.model import Ban, Mode, Policy, Service, Tier, Usage
from dnsfilter.wire.names import parse_name
from tests.support.engines import KINDS, Rig, query, running, snapshot_of
from tests.support.policies import HOUR, NOW, authority, ban, network, policy, service, wire
from tests.support.scripted import Asked, Scripted, reply

VIDEO = service(
    "video", ["video.example"], (), Tier(1, wire("new.example", "sub.new.example"), enforced_from=NOW + HOUR)
)
BAN = ban(1, "ghent", "video")
CLIENT = "127.0.5.1"
each_kind = pytest.mark.parametrize("kind", KINDS)


def _policy(*more: Ban | Service, listed: Service = VIDEO, usage: Usage = Usage.AUTHORITY) -> Policy:
    return policy(authority("ghent", usage=usage), network("127.0.5.0/24", "ghent"), listed, *more)


def answering(asked: Asked) -> Iterable[bytes]:
    return (reply(asked, [f"{asked.name}. 300 A 192.0.2.1"]),)


def _ask(rig: Rig, name: str, times: int = 1) -> None:
    for _ in range(times):
        rig.ask(query(name), CLIENT)


@each_kind
def test_query_counts_for_the_longest_pending_name_that_it_belongs_to(kind: str) -> None:
    with running(kind, _policy(BAN), Scripted(answering)) as rig:
        _ask(rig, "a.new.example", 2)
        _ask(rig, "NEW.example")
        _ask(rig, "x.sub.new.example", 4)
        for other in ("video.example", "plain.example.org"):
            _ask(rig, other)
        rig.judge(query("a.new.example"), CLIENT, later_s=HOUR)
        noted, lost = rig.engine.take_pending_names()
        assert {each.name: each.queries for each in noted} == {"new.example": 3, "sub.new.example": 4}
        assert {each[:2] for each in noted} == {("ghent", "video")}
        assert lost == 0
        assert rig.engine.take_pending_names() == ([], 0)


@each_kind
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(_policy(BAN, usage=Usage.NONE), id="the authority counts nothing"),
        pytest.param(_policy(replace(BAN, mode=Mode.MONITOR)), id="the ban will not refuse it"),
        pytest.param(_policy(BAN, service("s", ["new.example"]), ban(2, "ghent", "s")), id="another ban refuses it"),
        pytest.param(_policy(BAN, listed=replace(VIDEO, tiers=VIDEO.tiers[:1])), id="no name is pending"),
    ],
)
def test_query_that_is_no_hit_of_a_pending_name_counts_nowhere(kind: str, made: Policy) -> None:
    with running(kind, made, Scripted(answering)) as rig:
        _ask(rig, "a.new.example")
        assert rig.engine.take_pending_names() == ([], 0)


@each_kind
def test_counts_survive_a_swap_that_numbers_services_differently(kind: str) -> None:
    with running(kind, _policy(BAN), Scripted(answering)) as rig:
        _ask(rig, "a.new.example")
        rig.engine.swap(snapshot_of(_policy(BAN, service("a", ["a.example"]), ban(2, "ghent", "a")), NOW))
        _ask(rig, "a.new.example")
        assert rig.engine.take_pending_names() == ([PendingCount("ghent", "video", "new.example", 2)], 0)


@each_kind
def test_names_beyond_the_room_are_counted_together(kind: str) -> None:
    tier = Tier(1, wire(*(f"n{number}.example" for number in range(MOST_NAMES + 3))), enforced_from=NOW + HOUR)
    with running(kind, _policy(BAN, listed=replace(VIDEO, tiers=(tier,))), Scripted(answering)) as rig:
        for number in range(MOST_NAMES + 3):
            _ask(rig, f"n{number}.example")
        _ask(rig, "n0.example")
        first, lost = rig.engine.take_pending_names()
        then, none = rig.engine.take_pending_names()
        assert (len(first), len(then), lost, none) == (MOST_TAKEN, MOST_NAMES - MOST_TAKEN, 3, 0)
        assert sum(each.queries for each in (*first, *then)) == MOST_NAMES + 1


def test_counts_that_nobody_takes_are_limited() -> None:
    counted = PendingNames()
    for turn in range(MOST_LEFT // MOST_NAMES + 1):
        counted.swap([("ghent", f"video{turn}")])
        for number in range(MOST_NAMES):
            counted.note(0, parse_name(f"n{number}.example"))
    taken = lost = 0
    for _ in range(MOST_LEFT // MOST_TAKEN + 1):
        found, without_room = counted.take()
        taken, lost = taken + len(found), lost + without_room
    assert (taken, lost) == (MOST_LEFT, MOST_NAMES)
