"""Arbitrary and mutated messages from upstream: the client's reply obeys the rules for any answer."""

from collections.abc import Mapping, Sequence
from itertools import count

import dns.message
import dns.name
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine.interface import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import ANSWERS, BIG_ANSWERS, LABEL, QNAME, addressed
from tests.support.engines import GHENT, MECHELEN, Client, Rig, data, query, running
from tests.support.message_mutations import Mutant, mutants, noise
from tests.support.oracle import check_cut, check_reply, is_answer_to
from tests.support.scripted import Asked, Scripted, reply, silent
from tests.support.weighted_choices import often

BANNED = {GHENT: (dns.name.from_text("tiktok.com"), dns.name.from_text("cdn.example.net")), MECHELEN: ()}
"""Clients, and the names about which they must get no data."""
TYPE_AT = 34
"""The position of the type in a question about a name as long as `QNAME`."""

answers = often((1, noise(ANSWERS["address"])), (4, mutants(ANSWERS)))
features = st.fixed_dictionaries(
    {
        "edns": st.sampled_from((True, True, True, False)),
        "do": st.booleans(),
        "cd": st.booleans(),
        "payload": st.sampled_from((0, 512, 600, 1232, 4096)),
    }
)


class Names:
    """Labels that no example has used, so that their names are in no cache."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def next(self) -> bytes:
        """Return a label as long as that of the seeds' name."""
        return b"\x08n" + b"%07d" % next(self._numbers)


def asked_for(label: bytes, answer: Mutant, seeds: Mapping[str, bytes], **fields: bool | int) -> bytes:
    """Return the query, under this label, to which a seed is the answer."""
    about = seeds.get(answer.seed, b"")[TYPE_AT : TYPE_AT + 4]
    qtype, qclass = (int.from_bytes(about[:2], "big"), int.from_bytes(about[2:], "big")) if len(about) == 4 else (1, 1)
    name = QNAME.replace(LABEL[1:].decode(), label[1:].decode())
    edns, do = bool(fields["edns"]), bool(fields["do"] and fields["edns"])
    return query(name, qtype, qclass, edns=edns, do=do, cd=bool(fields["cd"]), payload=fields["payload"], id=7)


def refused(asked: Asked) -> bytes:
    """Return the final answer of an upstream: REFUSED."""
    return reply(asked, rcode=dns.rcode.REFUSED)


def reported(asked: Asked) -> bytes:
    """Return an answer to the later queries of a chain."""
    lines = (f"{asked.name}. 300 A 192.0.2.100",) if asked.qtype == "A" else ()
    return reply(asked, lines)


def speak(rig: Rig, label: bytes, spoken: Sequence[Mutant]) -> None:
    """Send all answers by datagram, or by stream if the engine asks for it."""
    rig.until_asked(1)
    for answer in spoken:
        asked = rig.upstream.asked[-1]
        by_stream = addressed(answer.data, bytes(2) + asked.message[2:], label)
        if rig.by_stream:
            rig.complete(lambda _upstream, message, said=by_stream: message[:2] + said[2:])  # type: ignore[misc]
        else:
            rig.upstream.say(asked, addressed(answer.data, asked.message, label))
        rig.settle()


def conclude(rig: Rig, clients: Sequence[Client]) -> list[bytes]:
    """Return the replies to all clients. While one is missing, send valid answers from upstream, then refusals."""
    found = [client.receive() for client in clients]
    for turn in range(14):
        if None not in found:
            break
        for number in range(len(rig.upstream.asked)) if turn > 10 else (-1,):
            last = rig.upstream.asked[number]
            rig.upstream.say(last, reported(last) if turn < 10 else refused(last))
        rig.complete(lambda _upstream, _message: None)
        rig.settle()
        found = [reply or client.receive() for reply, client in zip(found, clients, strict=True)]
    assert [reply is None for reply in found] == [False] * len(clients)
    assert [client.receive() for client in clients] == [None] * len(clients)
    return [reply for reply in found if reply is not None]


def check_heard(rig: Rig, wire: bytes, replies: Sequence[bytes]) -> None:
    """Check each client's reply, and the replies to the same query sent again by datagram and by stream."""
    for (client, banned), heard in zip(BANNED.items(), replies, strict=True):
        check_reply(wire, heard, Transport.UDP, banned=banned)
        again = [rig.judge(wire, client, transport) for transport in (Transport.UDP, Transport.TCP)]
        for outcome, transport in zip(again, (Transport.UDP, Transport.TCP), strict=True):
            if isinstance(outcome, Reply):
                check_reply(wire, outcome.message, transport, banned=banned)
        if isinstance(again[1], Reply):
            check_cut(heard, again[1].message)


def check_spoken(rig: Rig, label: bytes, wire: bytes, spoken: Sequence[Mutant]) -> None:
    """Ask as two clients, answer with `spoken`, and check the replies against the rules."""
    rig.upstream.asked.clear()
    clients = [rig.send(wire, client) for client in BANNED]
    speak(rig, label, spoken)
    check_heard(rig, wire, conclude(rig, clients))
    for client in clients:
        client.close()


def test_every_seed_gets_a_reply_by_the_rules(kind: str) -> None:
    seeds = {**ANSWERS, **BIG_ANSWERS}
    names = Names()
    with running(kind, office(), Scripted(silent)) as rig:
        for seed, raw in seeds.items():
            for do in (False, True):
                label, answer = names.next(), Mutant(seed, (), raw)
                wire = asked_for(label, answer, seeds, edns=do, do=do, cd=False, payload=1232)
                check_spoken(rig, label, wire, [answer, answer])


def test_any_upstream_answer_leads_to_a_reply_by_the_rules(kind: str) -> None:
    names = Names()
    with running(kind, office(), Scripted(silent)) as rig:

        @examples(150)
        @given(st.lists(answers, min_size=1, max_size=4), features)
        def check(spoken: list[Mutant], fields: dict[str, bool | int]) -> None:
            label = names.next()
            check_spoken(rig, label, asked_for(label, spoken[0], ANSWERS, **fields), spoken)

        check()


def test_big_answers_are_relayed_by_rule(kind: str) -> None:
    names = Names()
    with running(kind, office(), Scripted(silent)) as rig:

        @examples(12)
        @given(mutants(BIG_ANSWERS, 2), features)
        def check(answer: Mutant, fields: dict[str, bool | int]) -> None:
            label = names.next()
            check_spoken(rig, label, asked_for(label, answer, BIG_ANSWERS, **fields), [answer, answer])

        check()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_does_not_match_id_and_question_changes_nothing(kind: str, elsewhere: bool) -> None:
    names = Names()
    strange = st.one_of(noise(ANSWERS["address"]), mutants(ANSWERS))
    flips = st.tuples(st.sampled_from((0, 1, 2, 5, 12, 13, 20, 33, 34, 35, 36, 37)), st.integers(1, 255))
    with running(kind, office(), Scripted(silent)) as rig:

        @examples(100)
        @given(st.lists(st.tuples(strange, flips), min_size=1, max_size=5))
        def check(said: list[tuple[Mutant, tuple[int, int]]]) -> None:
            label = names.next()
            rig.upstream.asked.clear()
            client = rig.send(query(f"{label[1:].decode()}.example.org"), MECHELEN)
            rig.until_asked(1)
            (asked,) = rig.upstream.asked
            for mutant, (place, change) in said:
                raw = addressed(mutant.data, asked.message, label)
                if elsewhere:
                    rig.upstream.say_from_elsewhere(asked, raw)
                    continue
                raw = raw[:place] + bytes(o ^ change for o in raw[place : place + 1]) + raw[place + 1 :]
                if not is_answer_to(asked.message, raw):
                    rig.upstream.say(asked, raw)
            rig.settle()
            assert client.receive() is None
            assert not rig.by_stream
            assert len(rig.upstream.asked) == 1
            rig.upstream.say(asked, reply(asked, (f"{asked.name}. 300 A 198.51.100.1",)))
            assert data(rig.wait(client)) == ["A 198.51.100.1"]
            client.close()

        check()
