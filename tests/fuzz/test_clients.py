"""Arbitrary and mutated messages from clients: each gets a reply by the rules or none, and so does the next one."""

import dns.name
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine.interface import Drop, Miss, Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import QUERIES
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, UNREGISTERED, Rig, data, query, running
from tests.support.message_mutations import Mutant, mutants, noise
from tests.support.oracle import check_reply, read_query
from tests.support.weighted_choices import often

BANNED = (dns.name.from_text("tiktok.com"), dns.name.from_text("cdn.example.net"))
CLIENTS = (GHENT, BOUND, MECHELEN, DIEST, UNREGISTERED, "2001:db8::1")
LONGEST_DATAGRAM = 65_507
SHORT = 4_096
"""Length in bytes of the longest datagram of which a socket's buffer holds five."""
GOOD = query("www.tiktok.com")

messages = often((1, noise(QUERIES["banned"])), (3, mutants(QUERIES)))


def check_judged(rig: Rig, message: bytes, client: str, transport: Transport) -> None:
    """Check that the engine handles a message by the rules, and counts it once."""
    banned = BANNED if client in (GHENT, BOUND) else ()
    before = sum(rig.outcomes().values())
    asked = read_query(message)
    outcome = rig.judge(message, client, transport)
    match outcome:
        case Drop():
            assert asked is None
        case Miss():
            assert asked is not None
            assert asked.sound
            assert not asked.opcode
            assert outcome.query.question.wire == asked.question
            assert not any(asked.name.is_subdomain(suffix) for suffix in banned)
        case Reply(reply):
            check_reply(message, reply, transport, banned=banned, relayed=False)
    assert sum(rig.outcomes().values()) == before + (not isinstance(outcome, Miss))


@pytest.mark.parametrize("transport", tuple(Transport))
def test_a_seed_is_answered_by_rule_or_not_at_all(kind: str, transport: Transport) -> None:
    with running(kind, office(), internet()) as rig:
        for message in QUERIES.values():
            for client in (GHENT, MECHELEN):
                check_judged(rig, message, client, transport)


@pytest.mark.parametrize("transport", tuple(Transport))
def test_a_mutant_is_answered_by_rule_or_not_at_all(kind: str, transport: Transport) -> None:
    with running(kind, office(), internet()) as rig:

        @examples(200)
        @given(messages, st.sampled_from(CLIENTS))
        def check(message: Mutant, client: str) -> None:
            check_judged(rig, message.data, client, transport)
            assert rig.at_once(GOOD).rcode() == dns.rcode.REFUSED

        check()


def test_mutants_through_the_socket_leave_the_engine_alive(kind: str) -> None:
    with running(kind, office(), internet()) as rig:

        @examples(80)
        @given(st.lists(messages, min_size=1, max_size=5), st.sampled_from((GHENT, MECHELEN)))
        def check(burst: list[Mutant], client: str) -> None:
            sent = [m.data for m in burst if len(m.data) <= LONGEST_DATAGRAM]
            senders = []
            for message in sent:
                senders.append(rig.send(message, client))
                if len(message) > SHORT:
                    rig.settle()
            rig.settle()
            for message, sender in zip(sent, senders, strict=True):
                if read_query(message) is not None:
                    # Scripted upstreams answer everything by datagram. A busy kernel delivers the answers with a delay.
                    reply = rig.until(sender.receive)
                    check_reply(message, reply, Transport.UDP, banned=BANNED if client == GHENT else ())
                assert sender.receive() is None
                sender.close()

        check()
        assert data(rig.ask(query("plain.example.org"))) == ["A 198.51.100.10"]
