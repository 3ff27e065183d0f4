"""RFC 8914: when a reply has an extended error, which one, its text, and that nothing else depends on it."""

from ipaddress import ip_network

import dns.edns
import dns.flags
import dns.message
import dns.rcode

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.engine.interface import Reply as Answer
from dnsfilter.policy.model import Reply
from tests.contract.cases import REFERENCE, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, UNREGISTERED, data, edes, query
from tests.support.policies import authority, ban
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, says
from tests.support.starting import Start

ADDRESSES = ("192.0.2.80", "2001:db8::80")
OPTION_EDE = 15
STRUCTURED = (65001, 65280, OPTION_EDE)
"""Option codes that could request structured errors. None is assigned; older drafts used the code of EDE itself."""


def raw_options(message: bytes) -> list[tuple[int, bytes]]:
    """Return the options in the OPT of a message without records, as bytes. The OPT must be the end of the message."""
    end = message.index(b"\0", 12) + 5
    assert message[end : end + 3] == b"\0\0\x29"
    length = int.from_bytes(message[end + 9 : end + 11], "big")
    raw = message[end + 11 :]
    assert len(raw) == length
    found = []
    while raw:
        size = int.from_bytes(raw[2:4], "big")
        found.append((int.from_bytes(raw[:2], "big"), raw[4 : 4 + size]))
        raw = raw[4 + size :]
    return found


# Presence.


def test_what_goes_well_has_no_error(start: Start) -> None:
    rig = start(office(), internet())
    for client in (GHENT, DIEST, MECHELEN):
        for name in ("plain.example.org", "missing.example.org", "localhost", "x.invalid", "health.dnsfilter.internal"):
            for _ in range(2):
                assert edes(rig.ask(query(name), client)) == []


# Codes.


def test_an_adopted_ban_is_called_blocked_like_any_decision_of_ones_own(start: Start) -> None:
    adopted = ban(3, "mechelen", "tiktok", reference="MC 2023/9")
    rig = start(office(adopted), internet())
    ((code, text),) = edes(rig.at_once(query("www.tiktok.com"), MECHELEN))
    assert code == 15
    assert text.startswith("MC 2023/9; ict@mechelen.example.org")


def test_where_an_own_ban_and_a_bound_one_hold_the_own_one_explains(start: Start) -> None:
    rig = start(office(ban(3, "police", "tiktok", reference="PZ 1")), internet())
    ((code, text),) = edes(rig.at_once(query("www.tiktok.com"), BOUND))
    assert (code, text.partition(";")[0]) == (15, "PZ 1")


@each_row("reply", tuple(Reply))
@each_row("client", [GHENT, BOUND])
@each_row("qtype", ["A", "AAAA", "HTTPS"])
def test_forged_answer_is_said_only_where_there_is_an_answer(
    start: Start, client: str, reply: Reply, qtype: str
) -> None:
    rig = start(office(reply=reply, addresses=ADDRESSES), internet())
    answer = rig.at_once(query("www.tiktok.com", qtype), client)
    first = 15 if client == GHENT else 16
    assert [code for code, _ in edes(answer)] == ([first, 4] if answer.answer else [first])
    assert bool(answer.answer) == (reply is Reply.ADDRESS and qtype != "HTTPS")


def test_a_client_that_may_ask_without_a_range_is_not_prohibited(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), internet(), clients=clients)
    assert edes(rig.ask(query("www.tiktok.com"), UNREGISTERED)) == []


# Text.


@each_row("languages", [("fr",), ("nl", "fr", "de"), ("de", "en")])
def test_the_text_is_utf_8_of_the_stated_length_and_at_most_128_bytes(start: Start, languages: tuple[str, ...]) -> None:
    rig = start(office(authority("ghent", languages)), internet())
    answer = rig.judge(query("www.tiktok.com"))
    assert isinstance(answer, Answer)
    ((code, raw),) = raw_options(answer.message)
    assert (code, raw[:2]) == (OPTION_EDE, b"\0\x0f")
    text = raw[2:].decode("utf-8")
    assert 0 < len(raw) - 2 <= 128
    assert not text.endswith("\0")
    assert text.startswith(REFERENCE)


@each_row(("name", "client"), [("secret-subject.tiktok.com", GHENT), ("video.example.org", BOUND)])
def test_the_text_names_neither_client_nor_question(start: Start, name: str, client: str) -> None:
    rig = start(office(), internet())
    for _code, text in edes(rig.ask(query(name), client)):
        assert name not in text
        assert "secret" not in text
        assert client not in text
        assert client.rpartition(".")[0] not in text


@each_row("code", STRUCTURED)
@each_row("sent", [b"", b"\0\0", b"junk"])
def test_whoever_reads_structured_errors_gets_plain_text_for_now(start: Start, code: int, sent: bytes) -> None:
    rig = start(office(), internet())
    asked = rig.judge(query("www.tiktok.com", options=[dns.edns.GenericOption(dns.edns.OptionType.make(code), sent)]))
    plain = rig.judge(query("www.tiktok.com"))
    assert isinstance(asked, Answer)
    assert isinstance(plain, Answer)
    assert raw_options(asked.message) == raw_options(plain.message)
    ((_code, raw),) = raw_options(asked.message)
    assert not raw[2:].lstrip().startswith(b"{")


# No effect on anything else.


@each_row("code", [*range(31), 49152, 65535])
def test_an_error_of_upstream_is_neither_passed_on_nor_obeyed(start: Start, code: int) -> None:
    def behave(asked: Asked) -> list[bytes]:
        (sound,) = says({("plain.example.org", "A"): ("plain.example.org. 300 A 198.51.100.10",)})(asked)
        response = dns.message.from_wire(sound)
        response.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.make(code), "said by upstream")])
        return [response.to_wire()]

    rig = start(office(), Scripted(behave))
    for name, rcode, held in (("plain.example.org", 0, ["A 198.51.100.10"]), ("missing.example.org", 3, [])):
        for _ in range(2):
            answer = rig.ask(query(name))
            assert (answer.rcode(), data(answer), edes(answer)) == (rcode, held, [])
    assert len(rig.forwarded) == 2
