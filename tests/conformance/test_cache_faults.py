"""Faults by which a cache gave one client an answer meant for another, or kept expired answers."""

from collections.abc import Callable, Sequence
from itertools import cycle, pairwise, permutations, product

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import RECORDS, TARGETS, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, Rig, data, edes, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, denial, fails, reply, says, silent
from tests.support.starting import Start

NAME = "plain.example.org"
TRANSPORTS = tuple(Transport)
CONCERNED = [("www.tiktok.com", "A"), *TARGETS]
"""Questions that the policy refuses to GHENT and BOUND, counts for DIEST, and answers for MECHELEN."""
FREE, BANNED = (MECHELEN, DIEST), (GHENT, BOUND)


def seconds(ttl_s: int) -> dict[tuple[str, str], Sequence[str]]:
    """Return the shared records, with `ttl_s` as their TTL."""
    return {key: [line.replace(" 300 ", f" {ttl_s} ", 1) for line in lines] for key, lines in RECORDS.items()}


def reported(rig: Rig, message: bytes, client: str, transport: Transport) -> tuple[int, list[int], list[str]]:
    """Return what the reply reports to `client`: rcode, extended errors, data."""
    found = rig.ask(message, client, transport)
    return found.rcode(), [code for code, _ in edes(found)], data(found)


def expected(client: str, name: str, qtype: str, also: Sequence[int] = ()) -> tuple[int, list[int], list[str]]:
    """Return what the policy requires for `client`, in the form of `reported`.

    `also` lists the extended errors of an answer that the policy allows.
    """
    if client in BANNED:
        return dns.rcode.REFUSED, [15 if client == GHENT else 16], []
    lines = [line.split(" ", 3) for line in RECORDS[name, qtype]]
    return dns.rcode.NOERROR, list(also), [f"{rtype} {rdata}" for _owner, _ttl, rtype, rdata in lines]


def same(found: tuple[int, list[int], list[str]], wanted: tuple[int, list[int], list[str]]) -> bool:
    """Return whether `found` equals `wanted`. Ignore the quotes that dnspython may put around SVCB parameters."""
    return found[:2] == wanted[:2] and [line.replace('"', "") for line in found[2]] == wanted[2]


# The verdict for one client never reaches another.


PAIRS = list(product(TRANSPORTS, TRANSPORTS))


@each_row(("question", "transports"), list(zip(cycle(CONCERNED), PAIRS)))
def test_each_client_is_answered_by_its_own_rule_after_any_other_client(
    start: Start, question: tuple[str, str], transports: tuple[Transport, Transport]
) -> None:
    check_in_every_order(start, question, transports)


@pytest.mark.slow
@each_row(("question", "transports"), list(product(CONCERNED, PAIRS)))
def test_no_question_and_no_transport_makes_a_difference_to_that(
    start: Start, question: tuple[str, str], transports: tuple[Transport, Transport]
) -> None:
    check_in_every_order(start, question, transports)


def check_in_every_order(start: Start, question: tuple[str, str], transports: tuple[Transport, Transport]) -> None:
    """Ask the question for three clients in turn, in every order, and check that each gets its own answer."""
    name, qtype = question
    for order in permutations((GHENT, MECHELEN, BOUND, DIEST), 3):
        rig = start(office(), internet())
        for turn, client in enumerate((*order, *order)):
            found = reported(rig, query(name, qtype), client, transports[turn % 2])
            assert same(found, expected(client, name, qtype)), (order, turn)


@each_row("transport", TRANSPORTS)
@each_row(("name", "qtype"), CONCERNED)
@each_row("first", [GHENT, MECHELEN])
def test_each_client_is_answered_by_its_own_rule_from_stale_answers(
    start: Start, first: str, name: str, qtype: str, transport: Transport
) -> None:
    rig = start(office(), Scripted(says(seconds(2))))
    rig.ask(query(name, qtype), first, transport)
    rig.ask(query(name, qtype), MECHELEN, transport)
    rig.pass_time(3_000)
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    for client in (first, GHENT, MECHELEN, BOUND, DIEST, GHENT):
        assert same(reported(rig, query(name, qtype), client, transport), expected(client, name, qtype, also=[3]))


@each_row("transport", TRANSPORTS)
@each_row(("name", "qtype"), TARGETS)
def test_each_client_is_answered_by_its_own_rule_if_all_wait_for_one_answer(
    start: Start, name: str, qtype: str, transport: Transport
) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    clients = (GHENT, MECHELEN, BOUND, DIEST) * 3
    waiting = [rig.begin(query(name, qtype), client, transport) for client in clients]
    rig.until_asked(1)
    held.say(held.asked[0], reply(held.asked[0], RECORDS[name, qtype]))
    for client, wait in zip(clients, waiting, strict=True):
        found = wait()
        seen = (found.rcode(), [code for code, _ in edes(found)], data(found))
        assert same(seen, expected(client, name, qtype))
    assert len(held.asked) == 1


# Queries without recursion do not reveal the cache (CVE-2026-40012).


@each_row("transport", TRANSPORTS)
@each_row(("name", "qtype"), [(NAME, "A"), ("video.example.org", "A"), ("www.tiktok.com", "A")])
def test_without_recursion_nobody_learns_what_others_asked(
    start: Start, name: str, qtype: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    probes = [query(name, qtype, rd=False, id=7, edns=edns) for edns in (0, False)]
    cold = [rig.judge(probe, client, transport) for probe in probes for client in (GHENT, DIEST)]
    rig.ask(query(name, qtype), MECHELEN)
    assert [rig.judge(probe, client, transport) for probe in probes for client in (GHENT, DIEST)] == cold
    found = rig.at_once(probes[0], DIEST, transport)
    assert (found.rcode(), edes(found), found.answer) == (dns.rcode.REFUSED, [(20, "")], [])


# DO, CD and AD.

FLAGS = list(product((False, True), repeat=3))


def signed(asked: Asked) -> list[bytes]:
    """Return an answer, with a signature if the query has DO."""
    lines = [f"{asked.name}. 300 A 198.51.100.10"]
    if dns.message.from_wire(asked.message).ednsflags & 0x8000:
        lines.append(f"{asked.name}. 300 RRSIG A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA")
    return [reply(asked, lines, flags=int(dns.flags.AD))]


@each_row("trusted", [False, True])
@each_row("transport", TRANSPORTS)
def test_do_cd_and_ad_mean_the_same_warm_and_cold(start: Start, transport: Transport, trusted: bool) -> None:
    wires = [query(NAME, do=do, cd=cd, ad=ad, id=7) for do, cd, ad in FLAGS]
    cold = []
    for wire in wires:
        rig = start(office(), Scripted(signed), trust_ad=trusted)
        cold.append(rig.ask(wire, transport=transport).to_wire())
    for order in (wires, wires[::-1]):
        rig = start(office(), Scripted(signed), trust_ad=trusted)
        for _ in range(2):
            warm = {wire: rig.ask(wire, transport=transport).to_wire() for wire in order}
            assert [warm[wire] for wire in wires] == cold
        assert len(rig.upstream.asked) == 4
    assert len(set(cold)) == (6 if trusted else 4)


# Time.


def _three_sections(asked: Asked) -> list[bytes]:
    return [
        reply(
            asked,
            (f"{NAME}. 60 CNAME www.example.org.", "www.example.org. 40 A 198.51.100.10"),
            ("example.org. 50 NS ns.example.org.",),
            ("ns.example.org. 30 A 198.51.100.53", "ns.example.org. 10 AAAA 2001:db8::53"),
        )
    ]


def _all_ttls(message: dns.message.Message) -> list[int]:
    return [rrset.ttl for section in (message.answer, message.authority, message.additional) for rrset in section]


def test_ttls_of_all_sections_count_down_together_and_never_rise(start: Start) -> None:
    rig = start(office(), Scripted(_three_sections))
    original = _all_ttls(rig.ask(query(NAME)))
    assert original == [60, 40, 50, 30, 10]
    seen = [_all_ttls(rig.at_once(query(NAME), later_s=later_s)) for later_s in range(40)]
    assert seen == [[max(ttl - later_s, 0) for ttl in original] for later_s in range(40)]
    assert isinstance(rig.judge(query(NAME), later_s=40), Miss)


def test_neither_a_swap_nor_another_client_makes_ttls_rise(start: Start) -> None:
    rig = start(office(), Scripted(says(seconds(50))))
    seen = [rig.ask(query("video.example.org"), MECHELEN)]
    for revision, client in enumerate((MECHELEN, DIEST, MECHELEN, DIEST), 2):
        rig.clock.advance(1_000)
        rig.swap(office(revision=revision))
        rig.at_once(query("video.example.org"), GHENT)
        seen.append(rig.at_once(query("video.example.org"), client))
    assert all(_all_ttls(before) > _all_ttls(after) for before, after in pairwise(seen))


def _zero(*ttls: int) -> Behaviour:
    first, second = ttls
    return says({(NAME, "A"): (f"{NAME}. {first} CNAME www.example.org.", f"www.example.org. {second} A 192.0.2.1")})


@each_row(
    "behave",
    [_zero(0, 300), _zero(300, 0), lambda asked: (denial(asked, "example.org", ttl=0),)],
    ids=["alias", "address", "denial"],
)
def test_an_answer_with_a_ttl_of_zero_is_not_cached(start: Start, behave: Callable[[Asked], list[bytes]]) -> None:
    rig = start(office(), Scripted(behave))
    for count in (1, 2, 3):
        rig.ask(query(NAME))
        assert len(rig.upstream.asked) == count
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    assert rig.ask(query(NAME)).rcode() == dns.rcode.SERVFAIL
