"""No type, class, flag, opcode, spelling, address, option, order or broken snapshot bypasses a ban."""

from ipaddress import ip_address, ip_network

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.engine.interface import Miss
from dnsfilter.engine.interface import Reply as Answer
from dnsfilter.policy.model import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import RECORDS, TARGETS, internet, office
from tests.support.engines import GHENT, MECHELEN, Rig, ZoneTo, edes, query
from tests.support.policies import network
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, denial, says
from tests.support.starting import Start
from tests.unit.wire.build import message, opt, question, record

ADDRESSES = ("192.0.2.80", "2001:db8::80")
FORMERR, NOTIMP, REFUSED, BADVERS = 1, 4, 5, 16
NOT_QUESTIONS = {41: FORMERR, 128: FORMERR, 250: FORMERR} | dict.fromkeys((249, 251, 252, 253, 254), NOTIMP)
"""Types that no query may ask for: OPT, NXNAME, TSIG; and those that are not supported: TKEY and the transfers."""
WITH_OPT = (1, 0, 0, 1)
BANNED = "www.tiktok.com"


@pytest.fixture
def rig(start: Start) -> Rig:
    """Return an engine with the shared policy, in which Ghent bans TikTok."""
    return start(office(), internet())


def refused(outcome: object) -> bool:
    """Return whether `outcome` is a reply with REFUSED and no record except its OPT."""
    assert isinstance(outcome, Answer), outcome
    rcode, counts = outcome.message[3] & 15, outcome.message[6:12]
    return rcode == REFUSED and counts == b"\0\0\0\0\0\x01"


# Types and classes.


def test_every_type_of_a_banned_name_is_refused(rig: Rig) -> None:
    asked = bytearray(message(question(BANNED), opt(), counts=WITH_OPT))
    place = 12 + len(question(BANNED)) - 4
    for transport in Transport:
        for qtype in range(65536):
            if qtype > 300 and qtype % 11 and qtype < 65200:
                continue
            asked[place : place + 2] = qtype.to_bytes(2, "big")
            outcome = rig.judge(bytes(asked), transport=transport)
            if qtype in NOT_QUESTIONS:
                assert isinstance(outcome, Answer)
                assert outcome.message[3] & 15 == NOT_QUESTIONS[qtype]
                assert outcome.message[6:8] == b"\0\0"
            else:
                assert refused(outcome), qtype
    assert rig.forwarded == []


@each_row("qtype", list(dns.rdatatype.RdataType))
def test_every_named_type_is_refused_also_where_only_the_answer_leads_to_a_banned_name(
    start: Start, qtype: dns.rdatatype.RdataType
) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name != "x.example.org":
            return [denial(asked, "tiktok.com", rcode=0)]
        end = asked.message.index(b"\0", 12) + 5
        alias = record(b"\xc0\x0c", 5, b"\x03www\x06tiktok\x03com\0")
        return [asked.message[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + asked.message[12:end] + alias]

    rig = start(office(), Scripted(behave))
    wire = message(question("x.example.org", int(qtype)), opt(), counts=WITH_OPT)
    for _ in range(2):
        found = rig.ask(wire)
        assert (found.rcode(), found.answer) == (NOT_QUESTIONS.get(int(qtype), REFUSED), [])
    assert bool(rig.forwarded) == (int(qtype) not in NOT_QUESTIONS)


CLASSES = (0, 2, 3, 4, 254, 255, 256, 4660, 65280, 65535)


@each_row("qclass", CLASSES)
@each_row("reply", tuple(Reply))
def test_no_class_leads_around_a_ban(start: Start, reply: Reply, qclass: int) -> None:
    rig = start(office(reply=reply, addresses=ADDRESSES), internet())
    for qtype in (1, 16, 65, 255):
        for transport in Transport:
            found = rig.at_once(message(question(BANNED, qtype, qclass), opt(), counts=WITH_OPT), transport=transport)
            assert found.answer == []
            assert [code for code, _ in edes(found)] == [15]
    assert rig.forwarded == []


# Spelling.

DEEP = "a." * 63 + "tiktok.com"
DEEPEST = "a." * 121 + "tiktok.com"
LONGEST = ".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 50, "tiktok.com"])
COVERED = (
    *("tiktok.com", "TIKTOK.COM", "TikTok.com", "www.tIkToK.cOm", "tiktok.com.", "_443._tcp.tiktok.com"),
    *("_.tiktok.com", "_dns.tiktok.com", "-.tiktok.com", "-x.tiktok.com", "x-.tiktok.com", "*.tiktok.com"),
    *("xn--tktok-q4a.tiktok.com", r"\000.tiktok.com", r"\255\254.tiktok.com", r"a\.b.tiktok.com", r"\032.tiktok.com"),
    *("tiktok.com.tiktok.com", "com.tiktok.com", DEEP, DEEPEST, LONGEST, "1.tiktok.com", "0x7f.tiktok.com"),
    *("api.example.net", "API.example.NET", "cdn.example.net", "x.cdn.example.net"),
)
EXTRA = (
    *("nottiktok.com", "tiktok.com.evil.org", "www.tiktok.com.evil.org", "tiktok.co", "tiktok.comm", "tiktok", "com"),
    *("xtiktok.com", "-tiktok.com", "_tiktok.com", "tik-tok.com", "tiktok-com.example.org", r"x\.tiktok.com"),
    *(r"tiktok\.com", r"www.tiktok\.com", "xn--tktok-q4a.com", "xn--ttok-eqa4i.com", r"tik\000tok.com"),
    *(r"tiktok\000.com", r"tiktok.com\000", r"tiktok\032.com", "tiktok.c0m", "t1ktok.com", "moc.kotkit"),
    *("x.api.example.net", "example.net", "dn.example.net", "xcdn.example.net", r"a\006tiktok\003com.example.org"),
    *("tiktok.org", "x.com", "x.tiktok", "cdn.example.net.example.org", "tiktok.example.org"),
)


@each_row("name", COVERED)
@each_row("transport", tuple(Transport))
def test_however_a_banned_name_is_spelt_it_is_refused(rig: Rig, name: str, transport: Transport) -> None:
    assert refused(rig.judge(query(name), transport=transport))
    assert isinstance(rig.judge(query(name), MECHELEN, transport), Miss)


@each_row("name", EXTRA)
def test_what_only_looks_like_a_banned_name_is_none(rig: Rig, name: str) -> None:
    for transport in Transport:
        # TXT, because addresses of a name of one label are not forwarded.
        assert isinstance(rig.judge(query(name, "TXT"), transport=transport), Miss)


# Flags, opcodes and other parts of a message.

BITS = [(rd, cd, do, ad) for rd in (0, 1) for cd in (0, 1) for do in (0, 1) for ad in (0, 1)]


@each_row(("rd", "cd", "do", "ad"), BITS)
@each_row("name", [BANNED, "video.example.org"])
@each_row("transport", tuple(Transport))
def test_no_flag_leads_around_a_ban(
    start: Start, name: str, rd: int, cd: int, do: int, ad: int, transport: Transport
) -> None:
    rig = start(office(), internet())
    wire = query(name, rd=bool(rd), cd=bool(cd), do=bool(do), ad=bool(ad))
    for client in (GHENT, MECHELEN, GHENT):
        reply = rig.ask(wire, client, transport)
        if client == MECHELEN and rd:
            assert reply.answer
            continue
        assert (reply.rcode(), reply.answer, reply.authority) == (REFUSED, [], [])
        expected = 15 if client == GHENT and (rd or name == BANNED) else 20
        assert [code for code, _ in edes(reply)] == [expected]
        assert not reply.flags & (dns.flags.AD | dns.flags.AA)


@each_row("bits", range(0, 0x0800, 0x10))
def test_no_combination_of_header_bits_gets_data_of_a_banned_name(rig: Rig, bits: int) -> None:
    for low in (0, 5):
        outcome = rig.judge(message(question(BANNED), opt(), flags=bits | low, counts=WITH_OPT))
        assert refused(outcome)


TSIG = record(
    b"\x03key\0", 250, b"\x0bhmac-sha256\0" + bytes(6) + b"\x01\x2c\0\x20" + bytes(32) + b"\0\x07\0\0\0\0", 0, 255
)
SIG_0 = record(b"\0", 24, bytes(18) + b"\x03key\0" + bytes(64), 0, 255)


@each_row("signature", [TSIG, SIG_0], ids=["tsig", "sig(0)"])
@each_row("with_opt", [0, 1])
@each_row("name", [BANNED, "video.example.org"])
def test_a_signed_query_is_refused_like_any_other(start: Start, name: str, with_opt: int, signature: bytes) -> None:
    rig = start(office(), internet())
    wire = message(question(name), *[opt()] * with_opt, signature, counts=(1, 0, 0, 1 + with_opt))
    for _ in range(2):
        got = rig.ask(wire)
        assert (got.rcode(), got.answer) == (REFUSED, [])
    assert len(rig.forwarded) == (name != BANNED)
    for sent in rig.upstream.asked:
        assert signature not in sent.message


# Clients.


@each_row("unregistered", tuple(Unregistered))
def test_an_ipv4_address_in_ipv6_form_is_no_way_out_of_a_range(start: Start, unregistered: Unregistered) -> None:
    clients = Clients(unregistered, (ip_network("2001:db8::/32"), ip_network("127.0.99.0/24")))
    rig = start(office(), internet(), clients=clients)
    for mapped in (f"::ffff:{GHENT}", f"::{GHENT}", f"64:ff9b::{GHENT}", "::ffff:7f00:50a"):
        outcome = rig.engine.answer(
            query(BANNED), ip_address(mapped).packed, Transport.UDP, rig.clock.now_s, rig.clock.boot_ms
        )
        assert refused(outcome)


@each_row(("registered", "code"), [(True, 15), (False, 18)])
def test_a_client_over_ipv6_is_judged_by_its_ipv6_address(start: Start, registered: bool, code: int) -> None:
    own = [network("::1/128", "ghent")] if registered else []
    rig = start(office(*own), internet(), listen="::1")
    for name in (BANNED, "video.example.org"):
        reply = rig.ask(query(name), "::1")
        assert (reply.rcode(), [found for found, _ in edes(reply)]) == (REFUSED, [code])


# Order, views and the cache.


@each_row("key", TARGETS)
def test_an_alias_in_a_conditional_zone_is_followed_before_the_ban_is_looked_up(
    start: Start, key: tuple[str, str]
) -> None:
    office_server = internet()
    rig = start(office(), internet(), office_server, conditional=[ZoneTo("example.org", office_server)])
    for client, banned in ((MECHELEN, False), (GHENT, True), (MECHELEN, False)):
        assert (rig.ask(query(*key), client).rcode() == REFUSED) == banned
    assert len(office_server.asked) == 1


def test_an_alias_out_of_a_conditional_zone_is_followed_into_the_ban(start: Start) -> None:
    inner = Scripted(says({("portal.corp.local", "A"): ("portal.corp.local. 300 CNAME www.tiktok.com.",)}))
    rig = start(office(), internet(), inner, conditional=[ZoneTo("corp.local", inner)])
    for client, code in ((GHENT, REFUSED), (MECHELEN, 0), (GHENT, REFUSED)):
        assert rig.ask(query("portal.corp.local"), client).rcode() == code


@each_row("suffix", ["tiktok.com", "www.tiktok.com", "com"])
def test_a_conditional_zone_for_a_banned_name_lifts_no_ban(start: Start, suffix: str) -> None:
    inner = internet()
    rig = start(office(), internet(), inner, conditional=[ZoneTo(suffix, inner)])
    assert refused(rig.judge(query(BANNED)))
    assert rig.ask(query(BANNED), MECHELEN).answer
    assert refused(rig.judge(query(BANNED)))
    assert len(inner.asked) == 1


# The bytes of a refusal.


@each_row("reply", tuple(Reply))
@each_row("edns", [True, False])
@each_row("name", ["wWw.TikTok.CoM", "API.example.NET", "Video.Example.ORG"])
@each_row("qtype", [1, 28, 65])
def test_a_refusal_repeats_the_question_and_claims_no_authority(
    start: Start, reply: Reply, edns: bool, name: str, qtype: int
) -> None:
    records = {key: lines for key, lines in RECORDS.items() if key[0] != "video.example.org"}
    alias = ("video.example.org. 300 CNAME www.tiktok.com.",)
    records |= {("video.example.org", kind): alias for kind in ("A", "AAAA", "HTTPS")}
    rig = start(office(reply=reply, addresses=ADDRESSES), Scripted(says(records)))
    wire = query(name, qtype, edns=0 if edns else False, do=edns, cd=True, payload=4096)
    end = wire.index(b"\0", 12) + 5
    for transport in Transport:
        for _ in range(2):
            wait = rig.begin(wire, GHENT, transport)
            found = wait()
            data = found.wire
            assert data is not None
            assert data[:2] == wire[:2]
            assert data[12:end] == wire[12:end]
            flags = int.from_bytes(data[2:4], "big")
            assert flags & 0xFFF0 == 0x8190  # QR, RD, RA and CD are set; AA, TC, Z and AD are not
            assert found.edns == (0 if edns else -1)
            if edns:
                assert (found.payload, found.ednsflags) == (1232, int(dns.flags.DO))
            has_soa = any(rrset.rdtype == dns.rdatatype.SOA for rrset in found.authority)
            no_address = reply is Reply.ADDRESS and qtype == 65
            assert has_soa == (reply in (Reply.NXDOMAIN, Reply.NODATA) or no_address)
            assert found.additional == []
            assert all(rrset.ttl <= 10 for rrset in (*found.answer, *found.authority))
