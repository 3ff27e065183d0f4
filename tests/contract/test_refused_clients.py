"""Clients of refused queries are noted at the level `client` of their authority, until its end, and nobody else."""

from dataclasses import replace
from ipaddress import ip_address

from dnsfilter.engine.interface import Reply
from dnsfilter.engine.refused_clients import MOST_REFUSED, RefusedClient
from dnsfilter.policy.model import Instant, Mode, Policy, Usage
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import TARGETS, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, query
from tests.support.policies import NOW, authority
from tests.support.row_tables import each_row
from tests.support.starting import Start

BANNED, PLAIN = query("www.tiktok.com"), query("plain.example.org")


def noting(until: Instant = NOW + 60, usage: Usage = Usage.AUTHORITY, mode: Mode = Mode.ENFORCE) -> Policy:
    """Return a policy with Ghent and the police at level `client`."""
    levels = (replace(authority(slug, usage=usage), clients_until=until) for slug in ("ghent", "police"))
    return office(*levels, mode=mode)


def refused(client: str = GHENT, of: str = "ghent", ground: str = "own", queries: int = 1) -> RefusedClient:
    return RefusedClient(ip_address(client).packed, of, "tiktok", "ghent", ground, queries)


@each_row("transport", tuple(Transport))
def test_clients_of_refused_queries_are_noted_until_they_are_taken(start: Start, transport: Transport) -> None:
    rig = start(noting(), internet())
    for message, client in ((BANNED, GHENT), (PLAIN, GHENT), (BANNED, GHENT), (BANNED, BOUND), (BANNED, DIEST)):
        rig.ask(message, client, transport)
    assert sorted(rig.engine.take_refused_clients()) == [refused(queries=2), refused(BOUND, "police", "law")]
    assert rig.engine.take_refused_clients() == []


@each_row(("name", "qtype"), TARGETS)
@each_row("transport", tuple(Transport))
def test_refusal_by_a_target_is_noted_from_upstream_and_from_the_cache(
    start: Start, name: str, qtype: str, transport: Transport
) -> None:
    rig = start(noting(), internet())
    for _ in range(2):
        rig.ask(query(name, qtype), GHENT, transport)
        assert rig.engine.take_refused_clients() == [refused()]


def test_level_ends_by_itself(start: Start) -> None:
    rig = start(noting(NOW + 60), internet())
    rig.at_once(BANNED, later_s=59)
    rig.at_once(BANNED, later_s=60)
    assert rig.engine.take_refused_clients() == [refused()]


@each_row("policy", [office(), noting(NOW), noting(usage=Usage.NONE), noting(mode=Mode.MONITOR)], ids=list("abcd"))
def test_nobody_is_noted_otherwise(start: Start, policy: Policy) -> None:
    rig = start(policy, internet())
    rig.ask(BANNED, GHENT)
    assert rig.engine.take_refused_clients() == []


def test_what_was_noted_outlives_another_policy(start: Start) -> None:
    rig = start(noting(), internet())
    rig.ask(BANNED)
    rig.swap(office())
    rig.ask(BANNED)
    assert rig.engine.take_refused_clients() == [refused()]


def test_there_is_room_for_some_and_all_are_counted(start: Start) -> None:
    rig = start(noting(), internet())
    for _ in range(MOST_REFUSED + 1):
        assert isinstance(rig.judge(BANNED, transport=Transport.TCP), Reply)
    assert rig.engine.take_refused_clients() == [refused(queries=MOST_REFUSED)]
    rig.ask(BANNED)
    assert rig.engine.take_refused_clients() == [refused()]
    assert rig.pairs()["ghent", "tiktok"] == (MOST_REFUSED + 2, 0, 0)
