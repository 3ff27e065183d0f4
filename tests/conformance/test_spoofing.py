"""Faults by which other resolvers accepted, kept or asked for what a forger wanted."""

import ast
import random
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode

from dnsfilter.engine.interface import Miss
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import upstream_slots
from tests.contract.cases import RECORDS, office
from tests.support.engines import DIEST, GHENT, MECHELEN, data, query
from tests.support.nodes import ROOT
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, fails, lies, reply, says, silent
from tests.support.starting import Start
from tests.unit.engine.tables import no_more_descriptors

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]
FORGED = "203.0.113.66"


def truth(asked: Asked) -> bytes:
    return reply(asked, RECORDS[NAME, "A"])


# TuDoor (CVE-2023-29483 and related): messages before the true answer do not end the wait for it.


@each_row("transport", tuple(Transport))
def test_junk_before_the_true_answer_neither_ends_the_wait_nor_costs_a_send(start: Start, transport: Transport) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query(NAME), transport=transport)
    rig.until_asked(1)
    asked = held.asked[0]
    for lie in lies(asked):
        held.say(asked, lie)
        rig.settle()
    held.say_from_elsewhere(asked, reply(asked, (f"{NAME}. 300 A {FORGED}",)))
    rig.pass_time(200)
    assert len(held.asked) == 1
    held.say(asked, truth(asked))
    assert data(wait()) == TRUTH
    assert data(rig.at_once(query(NAME))) == TRUTH
    slots = upstream_slots(1)[0]
    ignored = (Failure.MISMATCH, Failure.MALFORMED)
    assert sum(rig.counters.slots[slots.failure(reason)] for reason in ignored) == len(lies(asked))


def test_a_flood_of_guesses_does_not_end_the_wait(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    asked = held.asked[0]
    forged = reply(asked, (f"{NAME}. 300 A {FORGED}",))
    for step in range(1, 2_000):
        held.say(asked, ((asked.id + step) & 0xFFFF).to_bytes(2, "big") + forged[2:])
        if step % 50 == 0:
            rig.settle()
    rig.pass_time(200)
    held.say(asked, truth(asked))
    assert data(wait()) == TRUTH
    assert len(held.asked) == 1


def test_an_icmp_error_does_not_keep_the_true_answer_away(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    first = held.asked[0]
    held.close()
    rig.pass_time(900)  # the second attempt reaches a closed port
    assert rig.counters.slots[upstream_slots(1)[0].failure(Failure.UNREACHABLE)] == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind((str(held.endpoint.address), held.endpoint.port))
        rig.clock.advance(200)
        again.sendto(truth(first), first.peer)
        assert data(wait()) == TRUTH


def test_an_icmp_error_about_a_question_that_was_sent_twice_from_one_socket_counts_once(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    rig.begin(query(NAME))
    rig.until_asked(1)
    held.close()
    with no_more_descriptors():  # the second attempt leaves from the only open socket
        rig.pass_time(900)
    assert rig.counters.slots[upstream_slots(1)[0].failure(Failure.UNREACHABLE)] == 1


# Birthday: CVE-2020-25684 to 25686, CVE-2025-5994, CVE-2025-30192.

SUBNETS = (None, ("127.0.5.0", 24), ("127.0.7.0", 24), ("2001:db8::", 32), ("0.0.0.0", 0))


def _cased(number: int) -> str:
    """Return NAME with capitals where `number` has a bit set."""
    return "".join(c.upper() if number >> (i % 8) & 1 else c for i, c in enumerate(NAME))


def _varied(number: int) -> bytes:
    """Return one of many variants of the same query."""
    subnet = SUBNETS[number % len(SUBNETS)]
    options = [dns.edns.ECSOption(*subnet)] if subnet else None
    return query(_cased(number), payload=512 + number, ad=number % 2 == 1, options=options, id=number)


def test_two_hundred_ways_to_ask_one_question_cost_one_send(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    transports = tuple(Transport)
    waiting = [
        rig.begin(_varied(number), (GHENT, MECHELEN, DIEST)[number % 3], transports[number // 3 % 2])
        for number in range(200)
    ]
    rig.until_asked(1)
    rig.settle()
    held.say(held.asked[0], truth(held.asked[0]))
    found = [wait() for wait in waiting]
    assert [message.id for message in found] == list(range(200))
    assert [message.question[0].name.to_text(True) for message in found] == [_cased(number) for number in range(200)]
    assert all(data(message) == TRUTH for message in found)
    assert len(held.asked) == 1


def test_two_hundred_clients_cost_one_send_for_each_of_do_and_cd(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    waiting = [rig.begin(query(NAME, do=number % 2 == 1, cd=number // 2 % 2 == 1)) for number in range(200)]
    rig.until_asked(4)
    rig.settle()
    for asked in held.asked:
        held.say(asked, truth(asked))
    assert all(data(wait()) == TRUTH for wait in waiting)
    assert len(held.asked) == 4


# Weak randomness: CVE-2025-40780, CVE-2026-26018.

WEAK = frozenset({"random", "numpy", "uuid"})
COMPILED = (".pyx", ".pxi", ".c", ".h")


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_resolver_knows_no_randomness_but_the_system_s() -> None:
    modules = list((ROOT / "dnsfilter").rglob("*.py"))
    assert len(modules) > 50
    assert {str(path): weak for path in modules if (weak := _imports(path) & WEAK)} == {}
    assert {path.stem for path in modules if "secrets" in _imports(path)} >= {"pool"}
    compiled = [path for path in (ROOT / "dnsfilter").rglob("*") if path.suffix in COMPILED]
    weak_calls = re.compile(r"\b(?:s?rand|s?random|[dlm]rand48|rand_r|mt19937)\s*\(")
    assert {str(path) for path in compiled if weak_calls.search(path.read_text())} == set()


def test_a_seed_predicts_neither_ids_nor_ports(start: Start) -> None:
    drawn = []
    for _ in range(2):
        random.seed(4711)
        rig = start(office(), Scripted(silent))
        for number in range(16):
            rig.begin(query(f"n{number}.example.org", id=1))
        rig.until_asked(16)
        drawn.append([(asked.id, asked.peer[1]) for asked in rig.upstream.asked])
    assert not set(drawn[0]) & set(drawn[1])


# Bailiwick: MaginotDNS, CVE-2025-40778, CVE-2025-59023.

VICTIM = "bank.example.net"
EXTRA: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "answer": ((f"{VICTIM}. 300 A {FORGED}",), (), ()),
    "additional": ((), (), (f"{VICTIM}. 300 A {FORGED}",)),
    "delegation": ((), ("example.net. 300 NS ns.example.net.",), (f"ns.example.net. 300 A {FORGED}",)),
    "dname above": (("net. 300 DNAME example.org.", f"{VICTIM}. 300 CNAME www.example.org."), (), ()),
    "another type": ((f"{NAME}. 300 AAAA 2001:db8::66",), (), ()),
    "denial": ((), ("example.net. 300 SOA ns.example.net. h.example.net. 1 3600 600 86400 300",), ()),
}


@each_row("extra", EXTRA)
def test_additional_records_answer_no_other_question(start: Start, extra: str) -> None:
    answer, authority, additional = EXTRA[extra]

    def behave(asked: Asked) -> Iterable[bytes]:
        if (asked.name, asked.qtype) == (NAME, "A"):
            return (reply(asked, (*RECORDS[NAME, "A"], *answer), authority, additional),)
        return (reply(asked, (f"{asked.name}. 300 {asked.qtype} {TRUE_DATA[asked.qtype]}",)),)

    rig = start(office(), Scripted(behave))
    assert data(rig.ask(query(NAME))) == TRUTH
    others = ((VICTIM, "A"), ("ns.example.net", "A"), (NAME, "AAAA"), ("example.net", "NS"), ("net", "DNAME"))
    for name, qtype in others:
        assert isinstance(rig.judge(query(name, qtype)), Miss)
        assert data(rig.ask(query(name, qtype))) == [f"{qtype} {TRUE_DATA[qtype]}"]
    assert rig.forwarded[1:] == list(others)


TRUE_DATA = {"A": "198.51.100.77", "AAAA": "2001:db8::77", "NS": "true.example.org.", "DNAME": "true.example.org."}


# Falling back: CVE-2026-52690.


def _once(first: Behaviour) -> Behaviour:
    """Return an upstream that uses `first` for the first query. It answers the others truthfully and without OPT."""
    reported: list[Asked] = []

    def behave(asked: Asked) -> Iterable[bytes]:
        reported.append(asked)
        if len(reported) == 1:
            return first(asked)
        message = dns.message.from_wire(reply(asked, (f"{asked.name}. 300 A 198.51.100.10",)))
        message.use_edns(False)
        return (message.to_wire(),)

    return behave


@each_row(
    "first",
    [fails(dns.rcode.FORMERR), fails(dns.rcode.NOTIMP), fails(dns.rcode.SERVFAIL), fails(dns.rcode.BADVERS), says({})],
    ids=["formerr", "notimp", "servfail", "badvers", "nxdomain"],
)
def test_no_answer_makes_later_questions_go_without_edns(start: Start, first: Behaviour) -> None:
    rig = start(office(), Scripted(_once(first)))
    for number in range(5):
        rig.ask(query(f"n{number}.example.org", do=True))
    sent = [dns.message.from_wire(asked.message) for asked in rig.upstream.asked]
    assert len(sent) == 5
    assert {(message.edns, message.payload, message.ednsflags) for message in sent} == {(0, 1232, 0x8000)}
