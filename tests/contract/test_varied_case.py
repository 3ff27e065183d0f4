"""With `vary_case`, the case of letters in questions over UDP varies, and an answer must repeat it."""

from collections.abc import Iterable
from functools import partial

import dns.rcode
import dns.rdatatype
import pytest

from dnsfilter.config.node_config import Strategy
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import upstream_slots
from dnsfilter.upstream.health import CHANGES_TO_LOWER
from tests.contract.cases import office
from tests.support.engines import KINDS, Rig, ZoneTo, data, query, running
from tests.support.scripted import Asked, Scripted, reply, silent, truncated

pytestmark = pytest.mark.parametrize("kind", KINDS)

NAME = "www.long-name-of-letters.example.org"
TRUTH = "192.0.2.1"
FORGED = "203.0.113.66"
varying = partial(running, vary_case=True)


def sent(asked: Asked) -> bytes:
    """Return the name of a query as it was sent, in wire form."""
    return asked.message[12 : asked.message.index(b"\0", 12) + 1]


def answer(asked: Asked, address: str = TRUTH) -> bytes:
    return reply(asked, (f"{asked.name}. 300 A {address}",))


def lowered(asked: Asked, message: bytes) -> bytes:
    """Return the message with its question in lower case."""
    end = 12 + len(sent(asked))
    return message[:12] + message[12:end].lower() + message[end:]


def keeps(asked: Asked) -> Iterable[bytes]:
    return (answer(asked),)


def lowers(asked: Asked) -> Iterable[bytes]:
    """Answer in lower case over UDP, with another address than over TCP."""
    return (answer(asked) if asked.by_stream else lowered(asked, answer(asked, FORGED)),)


def failures(rig: Rig, reason: Failure, server: int = 0) -> int:
    return rig.counters.slots[upstream_slots(len(rig.upstreams))[server].failure(reason)]


def teach(rig: Rig) -> None:
    """Ask until the server that answers in another case is known for it."""
    for number in range(CHANGES_TO_LOWER):
        assert ask_by_stream(rig, f"taught{number}.{NAME}") == [f"A {TRUTH}"]


def ask_by_stream(rig: Rig, name: str = NAME) -> list[str]:
    """Ask, and answer the query by stream that follows. Return the client's data."""
    wait = rig.begin(query(name))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete()
    return data(wait())


# What is asked.


def test_half_of_the_letters_are_in_upper_case_and_no_two_names_look_alike(kind: str) -> None:
    with varying(kind, office(), Scripted(keeps)) as rig:
        for number in range(40):
            assert data(rig.ask(query(f"n{number}.{NAME}"))) == [f"A {TRUTH}"]
        names = [sent(asked) for asked in rig.upstream.asked]
    letters = [byte for name in names for byte in name if chr(byte).isalpha()]
    assert 0.4 < sum(chr(byte).isupper() for byte in letters) / len(letters) < 0.6
    assert len({name[-40:] for name in names}) == 40


def test_letters_behind_the_first_64_bytes_stay_in_lower_case(kind: str) -> None:
    name = ".".join("abcdefghijklmnopqrstuvwxyz" for _ in range(6))
    with varying(kind, office(), Scripted(keeps)) as rig:
        assert data(rig.ask(query(name))) == [f"A {TRUTH}"]
        (asked,) = rig.upstream.asked
        assert not sent(asked)[:64].islower()
        assert sent(asked)[64:].islower()


@pytest.mark.parametrize("name", ["1.2.3.4", r"\233\195\228.\201t\233.1234"])
def test_other_bytes_stay_as_they_are(kind: str, name: str) -> None:
    with varying(kind, office(), Scripted(keeps)) as rig:
        assert data(rig.ask(query(name))) == [f"A {TRUTH}"]
        asked = query(name)
        assert sent(rig.upstream.asked[0]).lower() == asked[12 : 12 + len(sent(rig.upstream.asked[0]))]


def test_each_client_gets_its_own_case_back_from_one_question(kind: str) -> None:
    with varying(kind, office(), Scripted(keeps)) as rig:
        for name in (NAME, NAME.upper(), NAME.title()):
            for transport in (Transport.UDP, Transport.TCP):
                found = rig.ask(query(name), transport=transport)
                assert (str(found.question[0].name), str(found.answer[0].name)) == (f"{name}.", f"{name}.")
        assert len(rig.upstream.asked) == 1


def test_nothing_varies_without_the_setting(kind: str) -> None:
    with running(kind, office(), Scripted(lambda asked: (lowered(asked, answer(asked)),))) as rig:
        assert data(rig.ask(query(NAME.upper()))) == [f"A {TRUTH}"]
        assert sent(rig.upstream.asked[0]).islower()


def test_each_zone_has_its_own_setting(kind: str) -> None:
    zones = [ZoneTo("varied", Scripted(keeps), vary_case=True), ZoneTo("plain", Scripted(keeps))]
    with running(kind, office(), Scripted(keeps), *(zone.upstream for zone in zones), conditional=zones) as rig:
        for zone in ("varied", "plain", "else"):
            rig.ask(query(f"{NAME}.{zone}"))
        assert [sent(upstream.asked[0]).islower() for upstream in rig.upstreams] == [True, False, True]


def test_each_leg_of_a_chain_varies(kind: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        if asked.name == NAME:
            return (reply(asked, (f"{NAME}. 300 CNAME other.{NAME}.",)),)
        return (answer(asked),)

    with varying(kind, office(), Scripted(behave)) as rig:
        assert data(rig.ask(query(NAME))) == [f"CNAME other.{NAME}.", f"A {TRUTH}"]
        assert [sent(asked).islower() for asked in rig.upstream.asked] == [False, False]


# Answers that repeat the case.


def test_no_letters_of_ours_reach_a_client_in_owners_and_targets(kind: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        """Answer with the name itself where others compress, and with an alias that has its first labels."""
        name, head = sent(asked), answer(asked)
        target = name[:-13] + b"\x07EXAMPLE\x03net\0"
        alias = name + b"\0\5\0\1\0\0\1\x2c" + len(target).to_bytes(2, "big") + target
        address = target + b"\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"
        return (head[:4] + b"\0\1\0\2\0\0\0\0" + head[12 : 16 + len(name)] + alias + address,)

    with varying(kind, office(), Scripted(behave)) as rig:
        found = rig.ask(query(NAME))
        target = NAME.replace("example.org", "example.net.")
        assert data(found) == [f"CNAME {target}", f"A {TRUTH}"]
        assert [str(part.name) for part in found.answer] == [f"{NAME}.", target]


@pytest.mark.parametrize("by_stream", [False, True])
def test_no_letters_of_ours_reach_a_client_in_data(kind: str, by_stream: bool) -> None:
    """A resolver like BIND keeps the end of a name in data as an earlier question spelled it."""
    records = [
        "example.org. 300 NS ns1.EXAMple.NET.",
        "example.org. 300 SOA ns1.EXAMple.NET. Host.EXAMple.NET. 1 2 3 4 5",
        "example.org. 300 MX 10 mail.EXAMple.NET.",
        "_sip._tcp.example.org. 300 SRV 1 2 3 sip.EXAMple.NET.",
        "_ipp._tcp.example.org. 300 PTR My-Printer._iPp._tcP.EXAMple.NET.",
        "example.org. 300 TXT EXAMple.NET.",
    ]

    def behave(asked: Asked) -> Iterable[bytes]:
        if by_stream and not asked.by_stream:
            return (truncated(asked),)
        return (reply(asked, [record for record in records if f" 300 {asked.qtype} " in record]),)

    with varying(kind, office(), Scripted(behave)) as rig:
        found = []
        for record in records:
            name, _, qtype = record.split()[:3]
            wait = rig.begin(query(name[:-1], qtype))
            if by_stream:
                rig.until(lambda: b"" if rig.by_stream else None)
                rig.complete()
            found += data(wait())
    assert found == [
        "NS ns1.example.net.",
        "SOA ns1.example.net. host.example.net. 1 2 3 4 5",
        "MX 10 mail.example.net.",
        "SRV 1 2 3 sip.example.net.",
        "PTR My-Printer._ipp._tcp.example.net.",
        'TXT "EXAMple.NET."',
    ]


def test_retry_varies_again_and_either_answer_counts_with_its_own_letters(kind: str) -> None:
    for answered in range(2):
        with varying(kind, office(), Scripted(silent)) as rig:
            wait = rig.begin(query(NAME))
            rig.until_asked(1)
            rig.pass_time(900)
            rig.until_asked(2)
            first, second = rig.upstream.asked
            assert sent(first) != sent(second)
            rig.upstream.say((first, second)[answered], answer((first, second)[answered]))
            assert data(wait()) == [f"A {TRUTH}"]
            assert not rig.by_stream


def test_server_without_edns_is_asked_again_in_other_letters(kind: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        return (asked.message[:2] + b"\x81\x81" + bytes(8),) if asked.message[11] else (answer(asked),)

    with varying(kind, office(), Scripted(behave)) as rig:
        assert data(rig.ask(query(NAME))) == [f"A {TRUTH}"]
        first, second = rig.upstream.asked
        assert sent(first) != sent(second)
        assert not sent(second).islower()


# Answers in another case.


def test_answer_in_another_case_is_fetched_over_tcp(kind: str) -> None:
    with varying(kind, office(), Scripted(lowers)) as rig:
        assert ask_by_stream(rig) == [f"A {TRUTH}"]
        assert [(asked.by_stream, sent(asked).islower()) for asked in rig.upstream.asked] == [
            (False, False),
            (True, True),
        ]
        assert failures(rig, Failure.CASE) == 1
        assert sum(failures(rig, reason) for reason in Failure) == 1


@pytest.mark.parametrize("damage", ["cut", "nothing", "servfail", "malformed"])
def test_nothing_of_an_answer_in_another_case_is_used(kind: str, damage: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        if asked.by_stream:
            return (answer(asked),)
        messages = {
            "cut": truncated(asked),
            "nothing": reply(asked, rcode=dns.rcode.NXDOMAIN),
            "servfail": reply(asked, rcode=dns.rcode.SERVFAIL),
            "malformed": answer(asked)[:-1],
        }
        return (lowered(asked, messages[damage]),)

    with varying(kind, office(), Scripted(behave), Scripted(keeps)) as rig:
        assert ask_by_stream(rig) == [f"A {TRUTH}"]
        assert [len(upstream.asked) for upstream in rig.upstreams] == [2, 0]


def test_server_that_lowers_is_asked_over_tcp_thrice_and_then_in_lower_case(kind: str) -> None:
    with varying(kind, office(), Scripted(lowers)) as rig:
        teach(rig)
        rig.upstream.behave = lambda asked: (lowered(asked, answer(asked)),)
        for number in range(5):
            assert data(rig.ask(query(f"n{number}.{NAME}"))) == [f"A {TRUTH}"]
        lower = [(asked.by_stream, sent(asked).islower()) for asked in rig.upstream.asked]
        assert lower == CHANGES_TO_LOWER * [(False, False), (True, True)] + 5 * [(False, True)]
        assert failures(rig, Failure.CASE) == CHANGES_TO_LOWER


@pytest.mark.parametrize("before", [0, 1])
def test_forgery_in_another_case_neither_counts_nor_ends_the_variation(kind: str, before: int) -> None:
    with varying(kind, office(), Scripted(keeps)) as rig:
        for number in range(before):
            rig.ask(query(f"n{number}.{NAME}"))
        rig.upstream.behave = silent
        wait = rig.begin(query(NAME))
        rig.until_asked(before + 1)
        asked = rig.upstream.asked[-1]
        rig.upstream.say(asked, lowered(asked, answer(asked, FORGED)))
        rig.upstream.say(asked, answer(asked))
        rig.settle()
        rig.upstream.behave = keeps
        rig.complete()
        assert data(wait()) == [f"A {TRUTH}"]
        assert data(rig.ask(query(f"after.{NAME}"))) == [f"A {TRUTH}"]
        assert not sent(rig.upstream.asked[-1]).islower()


@pytest.mark.parametrize("others", [0, 1])
def test_server_without_tcp_is_asked_again_over_udp_unless_another_one_answers(kind: str, others: int) -> None:
    with varying(kind, office(), Scripted(lowers), *(Scripted(keeps) for _ in range(others))) as rig:
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.upstream.behave = lambda asked: (lowered(asked, answer(asked)),)
        rig.complete(lambda _upstream, _message: None)
        assert data(wait()) == [f"A {TRUTH}"]
        assert [len(upstream.asked) for upstream in rig.upstreams] == [1, 1] if others else [2]
        assert sent(rig.upstreams[others].asked[-1]).islower() == (not others)


def test_question_fails_if_the_server_answers_neither_over_tcp_nor_in_lower_case(kind: str) -> None:
    with varying(kind, office(), Scripted(lowers)) as rig:
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.upstream.behave = silent
        rig.complete(lambda _upstream, _message: None)
        for _ in range(6):
            rig.pass_time(1_000)
        assert wait().rcode() == dns.rcode.SERVFAIL
        assert not rig.by_stream


def test_stale_answer_comes_if_tcp_hangs(kind: str) -> None:
    with varying(kind, office(), Scripted(lambda asked: (reply(asked, (f"{asked.name}. 1 A {TRUTH}",)),))) as rig:
        rig.ask(query(NAME))
        rig.pass_time(3_000)
        rig.upstream.behave = lowers
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.pass_time(2_000)
        assert data(wait()) == [f"A {TRUTH}"]


# Races.


def test_racers_get_different_letters_and_the_first_that_repeats_its_own_counts(kind: str) -> None:
    with varying(kind, office(), Scripted(silent), Scripted(silent), strategy=Strategy.RACE) as rig:
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if all(upstream.asked for upstream in rig.upstreams) else None)
        first, second = (upstream.asked[0] for upstream in rig.upstreams)
        assert sent(first) != sent(second)
        rig.upstreams[1].say(second, answer(second))
        assert data(wait()) == [f"A {TRUTH}"]


def test_racer_that_lowers_is_asked_over_tcp_and_in_lower_case_from_then_on(kind: str) -> None:
    with varying(kind, office(), Scripted(silent), Scripted(lowers), strategy=Strategy.RACE) as rig:
        teach(rig)
        rig.upstreams[0].say(rig.upstreams[0].asked[0], answer(rig.upstreams[0].asked[0]))
        rig.settle()
        assert sum(failures(rig, reason, server) for reason in Failure for server in range(2)) == CHANGES_TO_LOWER
        wait = rig.begin(query(f"after.{NAME}"))
        rig.until(lambda: b"" if all(f"after.{NAME}" == up.asked[-1].name for up in rig.upstreams) else None)
        assert [sent(upstream.asked[-1]).islower() for upstream in rig.upstreams] == [False, True]
        assert data(wait()) == [f"A {FORGED}"]  # in lower case, this is an ordinary answer
