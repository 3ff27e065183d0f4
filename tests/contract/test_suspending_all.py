"""While all authorities are suspended, unregistered clients are answered as clients without bans; else refused."""

from typing import TypeAlias

import dns.message
import dns.rcode

from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.engine.interface import Drop
from dnsfilter.policy.model import Instant, Suspension
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import MECHELEN, UNREGISTERED, Rig, data, edes, query
from tests.support.policies import HOUR, NOW, policy
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says, silent
from tests.support.starting import Start

START, END = NOW + 20, NOW + 40
ALL = Suspension(None, START, END)
PLAIN, BANNED = "plain.example.org", "www.tiktok.com"
Seen: TypeAlias = tuple[str, list[str], list[int]]
TURNED_AWAY: Seen = ("REFUSED", [], [18])
PLAIN_DATA: Seen = ("NOERROR", ["A 198.51.100.10"], [])
each_transport = each_row("transport", tuple(Transport))


def seen(message: dns.message.Message) -> Seen:
    return dns.rcode.to_text(message.rcode()), data(message), [code for code, _ in edes(message)]


def ask(rig: Rig, transport: Transport, name: str = PLAIN, *, at: Instant | None = None) -> Seen:
    """Return the answer to an unregistered client, after setting the wall clock to `at`."""
    if at is not None:
        rig.clock.now_s = at
    return seen(rig.ask(query(name), UNREGISTERED, transport))


@each_transport
@each_row("cached", [False, True])
def test_unregistered_clients_are_answered_during_the_suspension(
    start: Start, transport: Transport, cached: bool
) -> None:
    rig = start(office(ALL), internet())
    if cached:
        rig.ask(query(PLAIN), MECHELEN)
    assert [ask(rig, transport, at=at) for at in (START - 1, START, END - 1, END, END + 1)] == [
        TURNED_AWAY,
        PLAIN_DATA,
        PLAIN_DATA,
        TURNED_AWAY,
        TURNED_AWAY,
    ]
    assert len(rig.forwarded) == 1


@each_transport
def test_suspension_ends_by_elapsed_time_if_the_clock_is_doubted(start: Start, transport: Transport) -> None:
    rig = start(office(ALL), internet(), wall_s=0)
    found = []
    for _ in range(5):
        found.append(ask(rig, transport))
        rig.pass_time(10_000)
    assert found == [TURNED_AWAY, TURNED_AWAY, PLAIN_DATA, PLAIN_DATA, TURNED_AWAY]


@each_transport
def test_unregistered_clients_count_as_other_clients_and_for_no_ban(start: Start, transport: Transport) -> None:
    rig = start(office(ALL), internet(), wall_s=START)
    for name in (BANNED, BANNED, "video.example.org"):
        assert ask(rig, transport, name)[1][-1] == "A 192.0.2.100"
    kind = transport.value
    assert rig.outcomes() == {(kind, "forwarded"): 2, (kind, "cached"): 1}
    assert set(rig.pairs().values()) == {(0, 0, 0)}
    ask(rig, transport, at=END)
    assert rig.outcomes()[kind, "unregistered"] == 1


@each_transport
@each_row(
    "message",
    [
        query("localhost"),
        query("use-application-dns.net"),
        query("resolver.arpa"),
        query(PLAIN, "ANY"),
        query(PLAIN, "AXFR"),
        query(PLAIN, "NS"),
        query(PLAIN, qclass="CH"),
        query(PLAIN, qclass="HS"),
        query(PLAIN, rd=False),
        query(PLAIN, do=True),
        query(PLAIN, edns=1),
        query(PLAIN) + b"\0",
    ],
    ids=["local", "signal", "zone", "ANY", "AXFR", "NS", "CH", "HS", "RD=0", "DO", "EDNS1", "longer"],
)
def test_queries_are_answered_as_for_a_client_without_bans(start: Start, message: bytes, transport: Transport) -> None:
    rig = start(office(ALL), internet(), wall_s=START)
    theirs, registered = (rig.ask(message, client, transport) for client in (UNREGISTERED, MECHELEN))
    assert theirs.to_wire() == registered.to_wire()


@each_transport
def test_query_that_waits_past_the_end_is_refused(start: Start, transport: Transport) -> None:
    rig = start(office(ALL), Scripted(silent), wall_s=END - 1)
    waiting = rig.begin(query(PLAIN), UNREGISTERED, transport)
    rig.until_asked(1)
    rig.upstream.behave = says({(PLAIN, "A"): (f"{PLAIN}. 300 A 198.51.100.10",)})
    rig.pass_time(3_000)
    assert seen(waiting()) == TURNED_AWAY


@each_transport
def test_query_that_waits_during_the_suspension_is_answered(start: Start, transport: Transport) -> None:
    rig = start(office(ALL), internet(), wall_s=START)
    waiting = [rig.begin(query(PLAIN), client, transport) for client in (UNREGISTERED, MECHELEN)]
    assert [seen(each()) for each in waiting] == [PLAIN_DATA, PLAIN_DATA]


def test_unregistered_clients_have_the_limits_of_clients(start: Start) -> None:
    limits = Limits(clients=Rate(1, 4), unregistered=Rate(1, 2), slip=0)
    rig = start(office(ALL), internet(), wall_s=START, limits=limits)
    rig.ask(query(PLAIN), MECHELEN)
    assert [isinstance(rig.judge(query(PLAIN), UNREGISTERED), Drop) for _ in range(6)] == 4 * [False] + 2 * [True]


@each_transport
def test_suspension_of_one_authority_serves_no_unregistered_client(start: Start, transport: Transport) -> None:
    rig = start(office(Suspension("ghent", NOW - HOUR, NOW + HOUR)), internet())
    assert ask(rig, transport) == TURNED_AWAY


@each_transport
def test_overlapping_or_adjacent_suspensions_are_one_and_a_gap_is_a_gap(start: Start, transport: Transport) -> None:
    spans = ((NOW, NOW + 5), (NOW + 3, NOW + 8), (NOW + 8, NOW + 9), (NOW + 12, NOW + 14))
    rig = start(office(*(Suspension(None, *span) for span in spans)), internet())
    served = [second for second in range(16) if ask(rig, transport, at=NOW + second) == PLAIN_DATA]
    assert served == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13]


@each_transport
def test_policy_without_ranges_serves_all_clients_during_the_suspension(start: Start, transport: Transport) -> None:
    rig = start(policy(ALL), internet())
    assert [ask(rig, transport, at=at) for at in (START - 1, START)] == [TURNED_AWAY, PLAIN_DATA]


@each_transport
def test_newer_policy_without_the_suspension_ends_it(start: Start, transport: Transport) -> None:
    rig = start(office(ALL), internet(), wall_s=START)
    assert ask(rig, transport) == PLAIN_DATA
    rig.swap(office(revision=2), START)
    assert ask(rig, transport) == TURNED_AWAY
