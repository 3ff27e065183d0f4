"""RFC 2308: how long the cache keeps a denial, and how long a client may keep it."""

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from dnsfilter.engine.interface import Miss
from dnsfilter.policy.model import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.conformance.ways import BANNED
from tests.contract.cases import office
from tests.support.engines import data, edes, query, ttls
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Behaviour, Scripted, denial, fails, reply
from tests.support.starting import Start

NAME = "absent.example.org"
SOA = "example.org. {ttl} SOA ns.example.org. hostmaster.example.org. 7 3600 600 86400 {minimum}"

each_denial = each_row("rcode", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])


def _denies(ttl: int, minimum: int, rcode: int, *answer: str) -> Behaviour:
    return lambda asked: (reply(asked, answer, (SOA.format(ttl=ttl, minimum=minimum),), rcode=rcode),)


def _soa(message: dns.message.Message) -> str:
    """Return the owner and data of the only SOA in the authority section."""
    (found,) = (rrset for rrset in message.authority if rrset.rdtype == dns.rdatatype.SOA)
    return f"{found.name} {found[0]}"


@each_denial
@each_row("alias", [(), (f"{NAME}. 100000 CNAME gone.example.org.",)], ids=["direct", "behind an alias"])
@each_row(("ttl", "minimum", "kept_s"), [(60, 900, 60), (900, 60, 60), (100_000, 100_000, 3600)])
def test_a_denial_is_kept_for_the_lesser_of_soa_ttl_and_minimum_and_an_hour_at_most(
    start: Start, ttl: int, minimum: int, kept_s: int, alias: tuple[str, ...], rcode: int
) -> None:
    rig = start(office(), Scripted(_denies(ttl, minimum, rcode, *alias)))
    rig.ask(query(NAME))
    for later_s in (0, 1, kept_s - 1):
        assert rig.at_once(query(NAME), later_s=later_s).rcode() == rcode
    assert isinstance(rig.judge(query(NAME), later_s=kept_s), Miss)


@each_denial
@each_row(("ttl", "minimum"), [(60, 900), (900, 60)])
def test_the_soa_comes_with_the_denial_its_ttl_bound_by_minimum_and_counting_down(
    start: Start, ttl: int, minimum: int, rcode: int
) -> None:
    rig = start(office(), Scripted(_denies(ttl, minimum, rcode)))
    seen = [rig.ask(query(NAME))] + [rig.at_once(query(NAME), later_s=later_s) for later_s in (0, 7, 59)]
    assert [ttls(found) for found in seen] == [[60], [60], [53], [1]]
    assert {_soa(found) for found in seen} == {
        f"example.org. ns.example.org. hostmaster.example.org. 7 3600 600 86400 {minimum}"
    }


@each_denial
@each_row("do", [False, True])
@each_row(("ttl", "minimum", "kept_s"), [(86_400, 86_400, 3600), (1_000_000, 7200, 3600), (900, 60, 60)])
def test_no_client_keeps_a_denial_longer_than_this_node_may(
    start: Start, ttl: int, minimum: int, kept_s: int, do: bool, rcode: int
) -> None:
    """Check the SOA and its signature, fresh and cached. A validator takes the lesser of both TTLs."""
    signature = f"example.org. {ttl} RRSIG SOA 13 2 {ttl} 20300101000000 20200101000000 1 example.org. AAAA"
    lines = (SOA.format(ttl=ttl, minimum=minimum), signature)
    rig = start(office(), Scripted(lambda asked: (reply(asked, authority=lines, rcode=rcode),)))
    seen = [rig.ask(query(NAME, do=do))] + [rig.at_once(query(NAME, do=do), later_s=later_s) for later_s in (0, 59)]
    assert [ttls(found) for found in seen] == [[each_s] * (1 + do) for each_s in (kept_s, kept_s, kept_s - 59)]


@each_denial
@each_row(("ttl", "minimum"), [(0, 900), (900, 0), (900, 0x80000000), (0x7FFFFFFF, 0xFFFFFFFF)])
def test_a_denial_whose_soa_allows_no_time_is_given_once(start: Start, ttl: int, minimum: int, rcode: int) -> None:
    rig = start(office(), Scripted(_denies(ttl, minimum, rcode)))
    found = rig.ask(query(NAME))
    assert (found.rcode(), ttls(found)) == (rcode, [0])
    assert isinstance(rig.judge(query(NAME)), Miss)


@each_denial
def test_a_denial_without_soa_is_given_once(start: Start, rcode: int) -> None:
    rig = start(office(), Scripted(fails(rcode)))
    for _ in range(2):
        assert rig.ask(query(NAME)).rcode() == rcode
    assert len(rig.forwarded) == 2


@each_denial
def test_a_denial_of_one_type_says_nothing_about_another(start: Start, rcode: int) -> None:
    rig = start(office(), Scripted(_denies(300, 300, rcode)))
    rig.ask(query(NAME))
    for other in ("AAAA", "TXT", "HTTPS"):
        assert isinstance(rig.judge(query(NAME, other)), Miss)
    assert isinstance(rig.judge(query(NAME, "A", "HS")), Miss)
    assert isinstance(rig.judge(query(f"www.{NAME}")), Miss)
    assert rig.at_once(query(NAME)).rcode() == rcode


def test_the_alias_in_a_denial_stays_in_it(start: Start) -> None:
    alias = f"{NAME}. 300 CNAME gone.example.org."
    rig = start(office(), Scripted(_denies(300, 300, dns.rcode.NXDOMAIN, alias)))
    for _ in range(2):
        found = rig.ask(query(NAME))
        assert (found.rcode(), data(found)) == (dns.rcode.NXDOMAIN, ["CNAME gone.example.org."])
    assert len(rig.forwarded) == 1


def test_a_denial_of_what_an_alias_leads_to_in_another_zone_is_kept_by_that_zones_soa(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == NAME:
            return [reply(asked, (f"{NAME}. 300 CNAME gone.example.net.",))]
        return [denial(asked, "example.net", ttl=40)]

    rig = start(office(), Scripted(behave))
    rig.ask(query(NAME))
    found = rig.at_once(query(NAME), later_s=39)
    assert (found.rcode(), data(found)) == (dns.rcode.NXDOMAIN, ["CNAME gone.example.net."])
    assert _soa(found).startswith("example.net. ")
    assert isinstance(rig.judge(query(NAME), later_s=40), Miss)


@each_row(("reply", "qtype"), [(Reply.NXDOMAIN, "A"), (Reply.NODATA, "A"), (Reply.ADDRESS, "TXT")])
def test_a_denial_of_our_own_has_a_soa_so_that_clients_need_not_ask_again_at_once(
    start: Start, reply: Reply, qtype: str
) -> None:
    found = start(office(reply=reply), Scripted(fails(0))).at_once(query(BANNED, qtype))
    (soa,) = found.authority
    assert soa.rdtype == dns.rdatatype.SOA
    assert dns.name.from_text(BANNED).is_subdomain(soa.name)
    assert (soa.ttl, soa[0].minimum) == (10, 10)


@each_row(
    ("ban", "name", "rcode", "has_data"),
    [
        (Reply.NODATA, "TikTok.com", dns.rcode.NOERROR, True),
        (Reply.ADDRESS, "TikTok.com", dns.rcode.NOERROR, True),
        (Reply.NODATA, BANNED, dns.rcode.NOERROR, False),
        (Reply.ADDRESS, BANNED, dns.rcode.NOERROR, False),
        (Reply.NXDOMAIN, "TikTok.com", dns.rcode.NXDOMAIN, False),
        (Reply.REFUSED, "TikTok.com", dns.rcode.REFUSED, None),
    ],
)
@each_row("transport", tuple(Transport))
def test_the_soa_at_the_apex_of_a_refused_domain_is_ours(
    start: Start, transport: Transport, ban: Reply, name: str, rcode: int, has_data: bool | None
) -> None:
    """Check that no denial says that the owner of its own SOA has none."""
    found = start(office(reply=ban), Scripted(fails(0))).at_once(query(name, "SOA"), transport=transport)
    assert (found.rcode(), [code for code, _ in edes(found)]) == (rcode, [15])
    shown = {True: [found.answer], False: [found.authority], None: []}[has_data]
    assert [found.answer, found.authority].count([]) == 2 - len(shown)
    for (soa,) in shown:
        assert (soa.name, soa.rdtype, soa.ttl) == (dns.name.from_text("tiktok.com"), dns.rdatatype.SOA, 10)


@each_row("name", ["x.invalid", "use-application-dns.net", "localhost", "1.0.0.10.in-addr.arpa"])
def test_a_denial_of_a_special_name_has_a_soa_too(start: Start, name: str) -> None:
    (soa,) = start(office(), Scripted(fails(0))).at_once(query(name, "TXT")).authority
    assert soa.rdtype == dns.rdatatype.SOA
    assert soa.ttl == soa[0].minimum > 0
