"""With `cookies`, questions over UDP have cookies (RFC 7873), which answers must return."""

from collections.abc import Iterable
from functools import partial

import dns.edns
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Strategy
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import upstream_slots
from tests.contract.cases import office
from tests.support.engines import KINDS, Rig, ZoneTo, data, query, running
from tests.support.scripted import Asked, Behaviour, Scripted, reply, silent

pytestmark = pytest.mark.parametrize("kind", KINDS)

NAME = "www.example.org"
TRUTH, FORGED = "192.0.2.1", "203.0.113.66"
SERVER_COOKIE = bytes(range(16))
COOKIE = 10
with_cookies = partial(running, cookies=True)


def sent(asked: Asked) -> bytes:
    """Return the cookie of a query; empty if it has none."""
    options = dns.message.from_wire(asked.message).options
    return next((option.to_wire() for option in options if option.otype == COOKIE), b"")


def answer(asked: Asked, cookie: bytes = b"", address: str = TRUTH, rcode: int = 0) -> bytes:
    """Return an answer with this cookie, if it is not empty."""
    message = reply(asked, () if rcode else (f"{asked.name}. 300 A {address}",), rcode=rcode)
    if not cookie:
        return message
    option = COOKIE.to_bytes(2, "big") + len(cookie).to_bytes(2, "big") + cookie
    return message[:-2] + len(option).to_bytes(2, "big") + option


def full(asked: Asked) -> bytes:
    return sent(asked)[:8] + SERVER_COOKIE


def returns(asked: Asked) -> Iterable[bytes]:
    return (answer(asked, b"" if asked.by_stream else full(asked)),)


def without(asked: Asked) -> Iterable[bytes]:
    """Answer without a cookie, over UDP with a forged address."""
    return (answer(asked, address=TRUTH if asked.by_stream else FORGED),)


def failures(rig: Rig, server: int = 0) -> dict[str, int]:
    """Return the failures of each reason. Leave out those that did not happen."""
    slots = upstream_slots(len(rig.upstreams))[server]
    found = {reason.value: rig.counters.slots[slots.failure(reason)] for reason in Failure}
    return {reason: number for reason, number in found.items() if number}


def ask_by_stream(rig: Rig, name: str = NAME) -> list[str]:
    """Ask, and answer the query by stream that follows. Return the client's data."""
    wait = rig.begin(query(name))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete()
    return data(wait())


def test_server_cookie_is_returned_with_the_client_cookie_of_that_server(kind: str) -> None:
    zone = ZoneTo("elsewhere", Scripted(returns), cookies=True)
    with with_cookies(kind, office(), Scripted(returns), zone.upstream, conditional=[zone]) as rig:
        for number in range(6):
            rig.ask(query(f"n{number}.example.org" if number % 2 else f"n{number}.elsewhere"))
        cookies = [[sent(asked) for asked in upstream.asked] for upstream in rig.upstreams]
    for first, *later in cookies:
        assert len(first) == 8
        assert later == [first + SERVER_COOKIE] * 2
    assert cookies[0][0] != cookies[1][0]


def test_nothing_is_sent_without_the_setting_and_each_zone_has_its_own(kind: str) -> None:
    zones = [ZoneTo("proven", Scripted(returns), cookies=True), ZoneTo("plain", Scripted(without))]
    with running(kind, office(), Scripted(without), *(zone.upstream for zone in zones), conditional=zones) as rig:
        for zone in ("proven", "plain", "else"):
            rig.ask(query(f"{NAME}.{zone}"))
        assert sorted(len(sent(upstream.asked[0])) for upstream in rig.upstreams) == [0, 0, 8]


def test_cookie_of_a_client_is_not_passed_on(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(returns)) as rig:
        theirs = bytes(8)
        option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, theirs)
        found = rig.ask(query(NAME, options=[option]))
        assert data(found) == [f"A {TRUTH}"]
        assert not sent(rig.upstream.asked[0]).startswith(theirs)
        assert [each.to_wire()[:8] for each in found.options if each.otype == COOKIE] == [theirs]


def test_server_without_cookies_is_a_server_like_any_other(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(lambda asked: (answer(asked),))) as rig:
        for number in range(3):
            assert data(rig.ask(query(f"n{number}.example.org"))) == [f"A {TRUTH}"]
        assert failures(rig) == {}


def test_server_without_edns_is_asked_without_cookie(kind: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        return (asked.message[:2] + b"\x81\x81" + bytes(8),) if asked.message[11] else (answer(asked),)

    with with_cookies(kind, office(), Scripted(behave)) as rig:
        assert data(rig.ask(query(NAME))) == [f"A {TRUTH}"]
        assert [len(sent(asked)) for asked in rig.upstream.asked] == [8, 0]


@pytest.mark.parametrize("wrong", ["another", "short", "long", "of no server"])
def test_answer_with_a_wrong_cookie_is_ignored(kind: str, wrong: str) -> None:
    cookies = {
        "another": lambda right: bytes([right[0] ^ 1]) + right[1:],
        "short": lambda right: right[:7],
        "long": lambda right: right + bytes(17),
        "of no server": lambda right: right[:9],
    }
    with with_cookies(kind, office(), Scripted(silent)) as rig:
        wait = rig.begin(query(NAME))
        rig.until_asked(1)
        (asked,) = rig.upstream.asked
        rig.upstream.say(asked, answer(asked, cookies[wrong](full(asked)), FORGED))
        rig.settle()
        rig.upstream.say(asked, answer(asked, full(asked)))
        assert data(wait()) == [f"A {TRUTH}"]
        assert failures(rig) == {"mismatch": 1}
        assert not rig.by_stream


def test_answer_without_the_usual_cookie_is_fetched_over_tcp(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(returns)) as rig:
        rig.ask(query(f"before.{NAME}"))
        rig.upstream.behave = without
        assert ask_by_stream(rig) == [f"A {TRUTH}"]
        assert [(asked.by_stream, len(sent(asked))) for asked in rig.upstream.asked[1:]] == [(False, 24), (True, 0)]
        assert failures(rig) == {"cookie": 1}
        rig.upstream.behave = returns
        assert data(rig.ask(query(f"after.{NAME}"))) == [f"A {TRUTH}"]
        assert len(sent(rig.upstream.asked[-1])) == 24


@pytest.mark.parametrize("message", ["header", "servfail", "cut", "nothing"])
def test_no_failure_without_the_usual_cookie_is_believed(kind: str, message: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        return {
            "header": (asked.message[:2] + b"\x81\x82" + bytes(8),),
            "servfail": (answer(asked, rcode=dns.rcode.SERVFAIL),),
            "cut": (reply(asked, flags=0x0200),),
            "nothing": (answer(asked, rcode=dns.rcode.NXDOMAIN),),
        }[message]

    with with_cookies(kind, office(), Scripted(returns), Scripted(silent)) as rig:
        rig.ask(query(f"before.{NAME}"))
        rig.upstream.behave = lambda asked: returns(asked) if asked.by_stream else behave(asked)
        assert ask_by_stream(rig) == [f"A {TRUTH}"]
        assert not rig.upstreams[1].asked


def test_server_that_has_lost_its_cookies_and_tcp_is_asked_again_without(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(returns)) as rig:
        rig.ask(query(f"before.{NAME}"))
        rig.upstream.behave = lambda asked: (answer(asked),)
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.complete(lambda _upstream, _message: None)
        assert data(wait()) == [f"A {TRUTH}"]
        assert [len(sent(asked)) for asked in rig.upstream.asked] == [8, 24, 0]


def bad(times: int) -> Behaviour:
    """Answer so many queries with BADCOOKIE and another cookie each."""
    left = list(range(times))

    def behave(asked: Asked) -> Iterable[bytes]:
        if left and not asked.by_stream:
            return (answer(asked, sent(asked)[:8] + bytes([left.pop(0)]) * 8, rcode=dns.rcode.BADCOOKIE),)
        return returns(asked)

    return behave


def test_bad_cookie_is_asked_about_again_with_the_new_one(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(bad(1)), Scripted(silent)) as rig:
        assert data(rig.ask(query(NAME))) == [f"A {TRUTH}"]
        first, second = (sent(asked) for asked in rig.upstream.asked)
        assert second == first + bytes(8)
        assert failures(rig) == {"cookie": 1}
        assert not rig.upstreams[1].asked


def test_second_bad_cookie_is_asked_about_over_tcp(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(bad(2)), Scripted(silent)) as rig:
        assert ask_by_stream(rig) == [f"A {TRUTH}"]
        assert failures(rig) == {"cookie": 2}
        assert not rig.upstreams[1].asked


def test_bad_cookie_without_a_cookie_is_a_failure_like_any_other(kind: str) -> None:
    with with_cookies(
        kind, office(), Scripted(lambda asked: (answer(asked, rcode=dns.rcode.BADCOOKIE),)), Scripted(returns)
    ) as rig:
        assert data(rig.ask(query(NAME))) == [f"A {TRUTH}"]
        assert failures(rig) == {"refused": 1}


def test_racer_with_a_bad_cookie_is_asked_again_unless_the_other_one_answers(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(bad(1)), Scripted(silent), strategy=Strategy.RACE) as rig:
        assert data(rig.ask(query(NAME))) == [f"A {TRUTH}"]
        assert [len(upstream.asked) for upstream in rig.upstreams] == [2, 1]


def test_varied_case_and_cookie_go_together(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(returns), vary_case=True) as rig:
        for number in range(3):
            name = f"a-name-with-many-letters-{number}.example.org"
            assert data(rig.ask(query(name))) == [f"A {TRUTH}"]
        assert [len(sent(asked)) for asked in rig.upstream.asked] == [8, 24, 24]
        assert all(name not in asked.message for name in (b"letters",) for asked in rig.upstream.asked)
        assert failures(rig) == {}


# Forgers without the cookie.


def in_lower_case(asked: Asked, message: bytes) -> bytes:
    """Return an answer with its question in lower case."""
    end = asked.message.index(b"\0", 12)
    return message[:12] + message[12:end].lower() + message[end:]


@pytest.mark.parametrize(("cookie", "counted"), [(bytes(24), "mismatch"), (b"", "cookie")])
def test_answer_in_another_case_without_the_cookie_says_nothing_about_case(
    kind: str, cookie: bytes, counted: str
) -> None:
    with with_cookies(kind, office(), Scripted(returns), vary_case=True) as rig:
        rig.ask(query("1.2.3.4"))  # without letters: that the server keeps the case is unknown
        rig.upstream.behave = silent
        wait = rig.begin(query(NAME))
        rig.until_asked(2)
        asked = rig.upstream.asked[-1]
        rig.upstream.say(asked, in_lower_case(asked, answer(asked, cookie, FORGED)))
        rig.settle()
        assert failures(rig) == {counted: 1}
        rig.upstream.behave = returns
        if cookie:
            rig.upstream.say(asked, answer(asked, full(asked)))
        else:
            rig.complete()
        assert data(wait()) == [f"A {TRUTH}"]
        rig.ask(query(f"after.{NAME}"))
        assert b"example" not in rig.upstream.asked[-1].message


def test_malformed_data_without_the_usual_cookie_are_asked_for_over_tcp(kind: str) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        message, nsec = answer(asked), b"\xc0\x0c\0\x2f\0\1\0\0\0\x3c\0\4\0\0\1\0"
        return (message[:8] + b"\0\1" + message[10:-11] + nsec + message[-11:],)

    with with_cookies(kind, office(), Scripted(returns), Scripted(silent)) as rig:
        rig.ask(query(f"before.{NAME}"))
        rig.upstream.behave = lambda asked: returns(asked) if asked.by_stream else behave(asked)
        assert ask_by_stream(rig) == [f"A {TRUTH}"]
        assert failures(rig) == {"cookie": 1}
        assert not rig.upstreams[1].asked


def test_doubt_about_one_proof_does_not_give_up_the_other(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(returns), vary_case=True) as rig:
        rig.ask(query(f"before.{NAME}"))
        rig.upstream.behave = lambda asked: (answer(asked),)
        wait = rig.begin(query(NAME))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.complete(lambda _upstream, _message: None)
        assert data(wait()) == [f"A {TRUTH}"]
        assert b"example" not in rig.upstream.asked[-1].message
        rig.upstream.behave = lambda asked: (in_lower_case(asked, answer(asked, full(asked))),)
        wait = rig.begin(query(f"after.{NAME}"))
        rig.until(lambda: b"" if rig.by_stream else None)
        rig.complete(lambda _upstream, _message: None)
        assert data(wait()) == [f"A {TRUTH}"]
        assert len(sent(rig.upstream.asked[-1])) == 24


def test_one_forged_refusal_of_edns_does_not_end_cookies(kind: str) -> None:
    left = [b"\x81\x81"]

    def behave(asked: Asked) -> Iterable[bytes]:
        return (asked.message[:2] + left.pop() + bytes(8),) if left else (answer(asked, sent(asked) and full(asked)),)

    with with_cookies(kind, office(), Scripted(behave)) as rig:
        for number in range(3):
            assert data(rig.ask(query(f"n{number}.example.org"))) == [f"A {TRUTH}"]
        assert [len(sent(asked)) for asked in rig.upstream.asked] == [8, 0, 8, 24]


def test_cookie_of_a_server_is_not_passed_on(kind: str) -> None:
    with with_cookies(kind, office(), Scripted(returns)) as rig:
        for _ in range(2):
            found = rig.ask(query(NAME))
            assert not found.options
        assert len(rig.upstream.asked) == 1
