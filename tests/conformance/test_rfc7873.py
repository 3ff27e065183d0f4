"""RFC 7873 and 9018: cookies of clients get a server cookie, and prove that an address is not forged."""

from ipaddress import ip_address

import dns.edns
import dns.message
import dns.rcode

from dnsfilter.config.node_config import Limits, Rate
from dnsfilter.engine.interface import Reply
from dnsfilter.engine.interoperable_cookie import make_server_cookie
from dnsfilter.engine.server_cookies import PERIOD_S, ServerCookies
from dnsfilter.telemetry.metrics import Limit, Transport
from dnsfilter.telemetry.slots import LIMITED
from tests.contract.cases import internet, office
from tests.support.engines import COOKIE_SECRET, GHENT, UNREGISTERED, Rig, data, parsed, query
from tests.support.policies import NOW
from tests.support.row_tables import each_row
from tests.support.starting import Start

NAME = "plain.example.org"
SIZES = {True: (8, 16, 24, 40), False: (0, 1, 7, 9, 15, 41, 255)}
CLIENT_COOKIE = bytes(range(1, 9))
TIGHT = Limits(clients=Rate(10, 4), unregistered=Rate(10, 3))
EMPTY = b"\xbe\xef\1\0" + bytes(7) + b"\1"
"""The header of a query without a question, before its OPT."""

each_transport = each_row("transport", tuple(Transport))
each_with_cookies = each_row("transport", [Transport.UDP, Transport.TCP, Transport.DOT])


def cookie(size: int) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(range(1, 256))[:size])


def with_server_cookie(server_cookie: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.COOKIE, CLIENT_COOKIE + server_cookie)


def server_cookie(client: str = GHENT, made_s: int = NOW) -> bytes:
    key = ServerCookies(COOKIE_SECRET).key_at(made_s)
    return make_server_cookie(key, CLIENT_COOKIE, ip_address(client).packed, made_s)


def cookie_of(reply: dns.message.Message) -> bytes:
    (option,) = (option for option in reply.options if isinstance(option, dns.edns.CookieOption))
    return option.client + option.server


def without_question(option: dns.edns.Option) -> bytes:
    return EMPTY + query(".", options=[option])[17:]


@each_with_cookies
@each_row("size", SIZES[True])
@each_row("name", [NAME, "www.tiktok.com", "localhost", "fresh.example.org"])
def test_a_cookie_is_answered_and_not_passed_on(start: Start, size: int, name: str, transport: Transport) -> None:
    rig = start(office(), internet())
    for _ in range(2):
        found = rig.ask(query(name, options=[cookie(size)]), transport=transport)
        assert cookie_of(found) == CLIENT_COOKIE + server_cookie()
    assert all(dns.message.from_wire(asked.message).options == () for asked in rig.upstream.asked)


def test_a_cookie_is_not_answered_over_https(start: Start) -> None:
    rig = start(office(), internet())
    found = rig.ask(query(NAME, options=[cookie(8)]), transport=Transport.DOH)
    assert (data(found), found.options) == (["A 198.51.100.10"], ())
    found = rig.at_once(without_question(cookie(8)), transport=Transport.DOH)
    assert (found.rcode(), found.options) == (dns.rcode.FORMERR, ())


@each_transport
@each_row("size", SIZES[False])
def test_a_malformed_cookie_is_formerr(start: Start, size: int, transport: Transport) -> None:
    rig = start(office(), internet())
    rig.ask(query(NAME))
    for name in (NAME, "www.tiktok.com", "fresh.example.org"):
        found = rig.at_once(query(name, options=[cookie(size)]), transport=transport)
        assert (found.rcode(), found.answer, found.edns, found.options) == (dns.rcode.FORMERR, [], 0, ())
        found = rig.at_once(query(name, options=[cookie(8), cookie(size)]), transport=transport)
        assert (found.rcode(), found.answer) == (dns.rcode.FORMERR, [])
    assert len(rig.forwarded) == 1


@each_row(
    "age_s, kept",
    [(-301, False), (-300, True), (0, True), (1799, True), (1800, False), (3600, False), (PERIOD_S, False)],
)
def test_a_server_cookie_is_kept_for_half_an_hour(start: Start, age_s: int, kept: bool) -> None:
    rig = start(office(), internet())
    sent = server_cookie(made_s=NOW - age_s)
    found = cookie_of(rig.ask(query(NAME, options=[with_server_cookie(sent)])))
    assert found == CLIENT_COOKIE + (sent if kept else server_cookie())


def test_a_server_cookie_is_valid_beyond_the_end_of_its_period(start: Start) -> None:
    rig = start(office(), internet())
    end_s = NOW // PERIOD_S * PERIOD_S + PERIOD_S
    later_s = end_s + 60 - NOW
    sent = server_cookie(made_s=end_s - 1)
    found = rig.at_once(without_question(with_server_cookie(sent)), later_s=later_s)
    assert (found.rcode(), cookie_of(found)) == (dns.rcode.NOERROR, CLIENT_COOKIE + sent)


@each_with_cookies
@each_row(
    "sent, rcode",
    [
        (b"", dns.rcode.NOERROR),
        (server_cookie(), dns.rcode.NOERROR),
        (server_cookie(made_s=NOW - 3600), dns.rcode.NOERROR),
        (server_cookie(made_s=NOW - 3601), dns.rcode.BADCOOKIE),
        (server_cookie(UNREGISTERED), dns.rcode.BADCOOKIE),
        (bytes(8), dns.rcode.BADCOOKIE),
    ],
)
def test_a_query_without_a_question_gets_a_cookie(
    start: Start, sent: bytes, rcode: dns.rcode.Rcode, transport: Transport
) -> None:
    rig = start(office(), internet())
    found = rig.at_once(without_question(with_server_cookie(sent)), transport=transport)
    assert (found.rcode(), found.question, cookie_of(found)[:8]) == (rcode, [], CLIENT_COOKIE)
    assert rig.outcomes() == {(transport.value, "local"): 1}


@each_row("payload", range(512, 700, 7))
def test_a_reply_has_its_cookie_within_the_size_that_the_client_accepts(start: Start, payload: int) -> None:
    rig = start(office(), internet())
    for name in (NAME, "www.tiktok.com", "many.example.org", "localhost"):
        found = rig.ask(query(name, payload=payload, options=[cookie(8)]))
        assert any(isinstance(option, dns.edns.CookieOption) for option in found.options)
        assert len(found.to_wire()) <= payload


def passed(rig: Rig, option: dns.edns.Option, client: str) -> list[str]:
    replies = [rig.judge(query(NAME, options=[option]), client) for _ in range(8)]
    return [dns.rcode.to_text(parsed(one.message).rcode()) if isinstance(one, Reply) else "-" for one in replies]


def test_an_unregistered_client_beyond_the_limit_is_asked_for_its_cookie_and_then_charged_alone(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    assert passed(rig, cookie(8), UNREGISTERED) == [*["REFUSED"] * 3, "-", "BADCOOKIE", "-", "BADCOOKIE", "-"]
    proven = with_server_cookie(server_cookie(UNREGISTERED))
    assert passed(rig, proven, UNREGISTERED) == [*["REFUSED"] * 4, *["-"] * 4]
    assert [rig.counters.slots[LIMITED[limit]] for limit in (Limit.UNREGISTERED, Limit.CLIENT)] == [5, 4]


def test_a_cookie_of_another_address_proves_nothing(start: Start) -> None:
    rig = start(office(), internet(), limits=TIGHT)
    stolen = with_server_cookie(server_cookie(GHENT))
    assert passed(rig, stolen, UNREGISTERED)[:3] == ["REFUSED"] * 3
    assert passed(rig, stolen, UNREGISTERED).count("REFUSED") == 0
