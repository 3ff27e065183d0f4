"""The cache: TTLs, size, and the policy's cap on the TTLs that clients see."""

from ipaddress import ip_network

import dns.flags
import dns.message
import dns.rcode
import pytest

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.engine.interface import Miss
from dnsfilter.policy.model import Mode, Reply, Term
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.slots import CACHE_BYTES, CACHE_ENTRIES, CACHE_HITS
from dnsfilter.wire.names import parse_name
from tests.contract.cases import NETWORKS, TIKTOK, internet, office
from tests.support.engines import MECHELEN, UNREGISTERED, data, query, ttls
from tests.support.policies import NOW, ban, policy
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, says
from tests.support.starting import Start

NAME = "plain.example.org"


def test_ttls_count_down_and_an_expired_answer_is_asked_for_again(start: Start) -> None:
    rig = start(office(), internet())
    assert ttls(rig.ask(query(NAME))) == [300]
    seen = [ttls(rig.at_once(query(NAME), later_s=later_s)) for later_s in (0, 1, 7, 299)]
    assert seen == [[300], [299], [293], [1]]
    assert isinstance(rig.judge(query(NAME), later_s=300), Miss)


def test_ttls_of_authority_and_additional_count_down_too(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        return [
            reply(
                asked,
                (f"{NAME}. 300 A 198.51.100.10",),
                ("example.org. 400 NS ns.example.org.",),
                ("ns.example.org. 30 A 198.51.100.53",),
            )
        ]

    rig = start(office(), Scripted(behave))
    rig.ask(query(NAME))
    found = rig.at_once(query(NAME), later_s=40)
    assert ttls(found) == [260, 360]
    assert [rrset.ttl for rrset in found.additional] == [0]


def test_answer_with_a_ttl_of_0_is_served_once(start: Start) -> None:
    rig = start(office(), Scripted(says({(NAME, "A"): (f"{NAME}. 0 A 198.51.100.10",)})))
    assert ttls(rig.ask(query(NAME))) == [0]
    assert isinstance(rig.judge(query(NAME)), Miss)


# TTLs of a service that some ban concerns.

SIGNED = (
    "www.tiktok.com. 3000 A 192.0.2.100",
    "www.tiktok.com. 3000 RRSIG A 13 3 3000 20300101000000 20200101000000 1 tiktok.com. AAAA",
)


def concerned() -> Scripted:
    def behave(asked: Asked) -> list[bytes]:
        if asked.qtype == "TXT":
            soa = "tiktok.com. 900 SOA ns.tiktok.com. hostmaster.tiktok.com. 1 3600 600 86400 900"
            return [reply(asked, authority=(soa,))]
        if asked.name == "video.example.org":
            return [reply(asked, ("video.example.org. 5 CNAME www.tiktok.com.", SIGNED[0]))]
        return [reply(asked, SIGNED, ("tiktok.com. 20 NS ns.tiktok.com.",))]

    return Scripted(behave)


def test_answer_that_a_ban_concerns_has_a_ttl_of_at_most_a_minute(start: Start) -> None:
    rig = start(office(), concerned())
    for _ in range(2):
        assert ttls(rig.ask(query("www.tiktok.com", do=True), MECHELEN)) == [60, 60, 20]
        assert ttls(rig.ask(query("www.tiktok.com", "TXT"), MECHELEN)) == [60]
        assert ttls(rig.ask(query("video.example.org"), MECHELEN)) == [5, 60]
    later = rig.at_once(query("www.tiktok.com", do=True), MECHELEN, later_s=10)
    assert ttls(later) == [60, 60, 10]


def test_the_cache_keeps_the_original_ttl(start: Start) -> None:
    rig = start(office(), Scripted(says({("www.tiktok.com", "A"): SIGNED[:1]})))
    rig.ask(query("www.tiktok.com"), MECHELEN)
    assert ttls(rig.at_once(query("www.tiktok.com"), MECHELEN, later_s=2990)) == [10]
    rig.swap(policy(*NETWORKS, TIKTOK, revision=2))
    assert ttls(rig.at_once(query("www.tiktok.com"), MECHELEN)) == [3000]


@each_row("mode", [Mode.OFF, Mode.MONITOR])
def test_a_ban_that_is_not_enforced_lowers_ttls_too(start: Start, mode: Mode) -> None:
    rig = start(policy(*NETWORKS, TIKTOK, ban(1, "ghent", "tiktok", mode)), concerned())
    assert ttls(rig.ask(query("www.tiktok.com", do=True))) == [60, 60, 20]


@each_row(("in_s", "expected"), [(200, 60), (60, 60), (59, 59), (10, 10), (1, 1)])
def test_no_answer_outlives_the_next_change_of_its_client(start: Start, in_s: int, expected: int) -> None:
    rig = start(office(terms=(Term(NOW + in_s),)), Scripted(says({("www.tiktok.com", "A"): SIGNED[:1]})))
    assert ttls(rig.ask(query("www.tiktok.com"))) == [expected]
    assert ttls(rig.ask(query("www.tiktok.com"), MECHELEN)) == [60]


def test_a_refusal_does_not_outlive_the_ban(start: Start) -> None:
    rig = start(office(terms=(Term(0, NOW + 4),), reply=Reply.NXDOMAIN), internet())
    assert ttls(rig.at_once(query("www.tiktok.com"))) == [4]
    assert ttls(rig.at_once(query("www.tiktok.com"), later_s=3)) == [1]


def test_answer_to_an_unregistered_client_has_a_ttl_of_at_most_a_minute(start: Start) -> None:
    clients = Clients(Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),))
    rig = start(office(), concerned(), clients=clients)
    assert ttls(rig.ask(query("www.tiktok.com", do=True), UNREGISTERED)) == [60, 60, 20]


# The wall clock.


@each_row("behind_s", [61, 3600, 400_000])
def test_wall_clock_before_the_snapshot_is_not_trusted(start: Start, behind_s: int) -> None:
    rig = start(office(terms=(Term(NOW - 30, NOW + 50),)), internet(), wall_s=NOW - behind_s)
    for later_s, refused in ((0, True), (49, True), (50, False), (400, False)):
        outcome = rig.engine.answer(
            query("www.tiktok.com"),
            bytes((127, 0, 5, 10)),
            Transport.UDP,
            NOW - behind_s,
            rig.clock.boot_ms + later_s * 1000,
        )
        assert isinstance(outcome, Miss) != refused


def test_wall_clock_slightly_behind_is_trusted(start: Start) -> None:
    rig = start(office(terms=(Term(NOW - 30),)), internet(), wall_s=NOW - 60)
    assert isinstance(rig.judge(query("www.tiktok.com")), Miss)
    assert rig.at_once(query("www.tiktok.com"), later_s=30).rcode() == dns.rcode.REFUSED


# Size.


@pytest.mark.heavy
def test_cache_stays_within_its_limit_and_keeps_entries_in_use(start: Start) -> None:
    upstream = Scripted(lambda asked: (reply(asked, (f"{asked.name}. 300 A 198.51.100.10",)),))
    rig = start(office(), upstream, cache_bytes=40_000)
    rig.ask(query(NAME))
    rig.at_once(query(NAME))
    for number in range(400):
        rig.ask(query(f"n{number}.example.org"))
    rig.settle()
    assert 0 < rig.counters.slots[CACHE_BYTES] <= 40_000
    assert 0 < rig.counters.slots[CACHE_ENTRIES] < 200
    hits = rig.counters.slots[CACHE_HITS]
    assert data(rig.at_once(query(NAME))) == ["A 198.51.100.10"]
    assert rig.counters.slots[CACHE_HITS] == hits + 1


SEVERAL = (
    "several.example.org. 300 CNAME there.example.org.",
    *(f"there.example.org. 300 A 198.51.100.{last}" for last in (1, 2, 3)),
)


@each_row("transport", tuple(Transport))
def test_addresses_of_a_name_rotate(start: Start, transport: Transport) -> None:
    rig = start(office(), Scripted(says({("several.example.org", "A"): SEVERAL})))
    found = [data(rig.ask(query("several.example.org", id=number), transport=transport)) for number in range(4)]
    assert [answer[0] for answer in found] == ["CNAME there.example.org."] * 4
    assert [[address[-1] for address in answer[1:]] for answer in found] == [
        list(turn) for turn in ("123", "231", "312", "123")
    ]


@each_row("transport", tuple(Transport))
def test_signatures_stay_behind_rotating_addresses(start: Start, transport: Transport) -> None:
    addresses = tuple(f"six.example.org. 300 AAAA 2001:db8::{last}" for last in (1, 2))
    signature = "six.example.org. 300 RRSIG AAAA 8 3 300 20300101000000 20200101000000 1 example.org. c2ln"
    rig = start(office(), Scripted(says({("six.example.org", "AAAA"): (*addresses, signature)})))
    for number in range(3):
        found = data(rig.ask(query("six.example.org", "AAAA", do=True, id=number), transport=transport))
        assert [line.split()[0] for line in found] == ["AAAA", "AAAA", "RRSIG"]
        assert found[number % 2] == "AAAA 2001:db8::1"


def test_other_records_keep_their_order(start: Start) -> None:
    lines = tuple(f"mail.example.org. 300 MX 10 m{number}.example.org." for number in range(3))
    rig = start(office(), Scripted(says({("mail.example.org", "MX"): lines})))
    assert data(rig.ask(query("mail.example.org", "MX", id=1))) == data(rig.ask(query("mail.example.org", "MX", id=2)))


def test_flushed_name_is_asked_for_again_and_others_are_not(start: Start) -> None:
    other = "www.tiktok.com"
    rig = start(office(), internet())
    for name in (NAME, other):
        rig.ask(query(name), MECHELEN)
    assert rig.engine.flush(parse_name(NAME), below=False) == 1
    assert rig.counters.slots[CACHE_ENTRIES] == 1
    assert isinstance(rig.judge(query(NAME)), Miss)
    assert rig.at_once(query(other), MECHELEN).answer
    assert rig.engine.flush(parse_name("com"), below=True) == 1
    assert (rig.counters.slots[CACHE_ENTRIES], rig.counters.slots[CACHE_BYTES]) == (0, 0)


def test_flush_forgets_that_a_question_failed(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: [reply(asked, rcode=dns.rcode.SERVFAIL)]))
    rig.ask(query(NAME))
    assert not isinstance(rig.judge(query(NAME)), Miss)
    assert rig.engine.flush(parse_name(NAME), below=False) == 0
    assert isinstance(rig.judge(query(NAME)), Miss)
