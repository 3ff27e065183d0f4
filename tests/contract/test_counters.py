"""Each query has exactly one outcome, and each ban counts its decisions."""

from collections.abc import Callable

import dns.rcode

from dnsfilter.policy.model import Binding, Ground, Mode, Suspension, Usage
from dnsfilter.policy.model import Reply as BanReply
from dnsfilter.telemetry.metrics import BanGround, Transport
from dnsfilter.telemetry.policy_words import BanCount
from dnsfilter.telemetry.slots import ANSWER_DURATION, CACHE_HITS, upstream_slots
from tests.contract.cases import NETWORKS, TIKTOK, internet, office
from tests.support.engines import DIEST, GHENT, MECHELEN, UNREGISTERED, Rig, query
from tests.support.policies import NOW, authority, ban, exemption, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, fails, says
from tests.support.starting import Start

PLAIN = query("plain.example.org")


def asked(wire: bytes, client: str = GHENT) -> Callable[[Rig, Transport], None]:
    def ask(rig: Rig, transport: Transport) -> None:
        rig.ask(wire, client, transport)

    return ask


def dropped(rig: Rig, transport: Transport) -> None:
    rig.judge(b"\0" * 5, GHENT, transport)


def failed(rig: Rig, transport: Transport) -> None:
    rig.upstream.behave = fails(dns.rcode.SERVFAIL)
    rig.ask(PLAIN, GHENT, transport)


def stale(rig: Rig, transport: Transport) -> None:
    rig.upstream.behave = says({("plain.example.org", "A"): ("plain.example.org. 1 A 198.51.100.10",)})
    rig.ask(PLAIN, GHENT, transport)
    rig.pass_time(2000)
    failed(rig, transport)


def with_code(rcode: int, edns: int | bool = 0) -> Callable[[Rig, Transport], None]:
    def ask(rig: Rig, transport: Transport) -> None:
        rig.upstream.behave = fails(rcode)
        rig.ask(query("plain.example.org", edns=edns), GHENT, transport)

    return ask


@each_row("transport", tuple(Transport))
@each_row(
    ("act", "outcomes", "types", "codes"),
    [
        (asked(PLAIN), ["forwarded"], {"A": 1}, {"NOERROR": 1}),
        (
            lambda rig, transport: [rig.ask(PLAIN, GHENT, transport) for _ in range(2)],
            ["forwarded", "cached"],
            {"A": 2},
            {"NOERROR": 2},
        ),
        (stale, ["forwarded", "stale"], {"A": 2}, {"NOERROR": 2}),
        (failed, ["failed"], {"A": 1}, {"SERVFAIL": 1}),
        (with_code(dns.rcode.NXDOMAIN), ["forwarded"], {"A": 1}, {"NXDOMAIN": 1}),
        (with_code(dns.rcode.YXDOMAIN), ["forwarded"], {"A": 1}, {"other": 1}),
        (with_code(24), ["forwarded"], {"A": 1}, {"other": 1}),
        (with_code(24, edns=False), ["forwarded"], {"A": 1}, {"SERVFAIL": 1}),
        (asked(query("localhost")), ["local"], {"A": 1}, {"NOERROR": 1}),
        (asked(query("localhost", "MX")), ["local"], {"MX": 1}, {"NOERROR": 1}),
        (asked(query("plain.example.org", "ANY")), ["forwarded"], {"ANY": 1}, {"NXDOMAIN": 1}),
        (asked(query("use-application-dns.net", "AAAA")), ["local"], {"AAAA": 1}, {"NXDOMAIN": 1}),
        (asked(query("x.invalid", "SRV")), ["local"], {"SRV": 1}, {"NXDOMAIN": 1}),
        (asked(query("health.dnsfilter.internal")), ["local"], {"A": 1}, {"NOERROR": 1}),
        (asked(query("www.tiktok.com", "HTTPS")), ["refused"], {"HTTPS": 1}, {"REFUSED": 1}),
        (asked(query("www.tiktok.com", "CNAME", rd=False)), ["refused"], {"other": 1}, {"REFUSED": 1}),
        (asked(query("video.example.org")), ["refused"], {"A": 1}, {"REFUSED": 1}),
        (asked(query("video.example.org"), MECHELEN), ["forwarded"], {"A": 1}, {"NOERROR": 1}),
        (asked(PLAIN, UNREGISTERED), ["unregistered"], {"A": 1}, {"REFUSED": 1}),
        (asked(query("plain.example.org", "NS", rd=False)), ["not_recursive"], {"NS": 1}, {"REFUSED": 1}),
        (asked(PLAIN + b"\0"), ["malformed"], {}, {"FORMERR": 1}),
        (asked(query("plain.example.org", edns=1)), ["malformed"], {}, {"other": 1}),
        (asked(query("plain.example.org", "AXFR")), ["unsupported"], {}, {"NOTIMP": 1}),
        (asked(query("version.bind", "TXT", "CH")), ["unsupported"], {"TXT": 1}, {"REFUSED": 1}),
        (dropped, ["dropped"], {}, {}),
    ],
)
def test_each_query_has_exactly_one_outcome_and_its_type_and_each_reply_its_code(
    start: Start,
    act: Callable[[Rig, Transport], object],
    outcomes: list[str],
    types: dict[str, int],
    codes: dict[str, int],
    transport: Transport,
) -> None:
    rig = start(office(), internet())
    act(rig, transport)
    assert rig.outcomes() == {(transport.value, outcome): 1 for outcome in outcomes}
    assert (rig.types(), rig.responses()) == (types, codes)


@each_row("transport", tuple(Transport))
@each_row(
    ("qtype", "kind"),
    [("A", "A"), ("PTR", "PTR"), ("SOA", "SOA"), ("DS", "other"), (0, "other"), (256, "other"), (65_280, "other")],
)
def test_each_type_is_counted_as_itself_or_as_another(
    start: Start, qtype: str | int, kind: str, transport: Transport
) -> None:
    rig = start(office(), internet())
    rig.judge(query("plain.example.org", qtype), GHENT, transport)
    rig.judge(query("www.tiktok.com", qtype), GHENT, transport)
    assert rig.types() == {kind: 2}


@each_row(
    ("reply", "code"),
    [
        (BanReply.REFUSED, "REFUSED"),
        (BanReply.NXDOMAIN, "NXDOMAIN"),
        (BanReply.NODATA, "NOERROR"),
        (BanReply.ADDRESS, "NOERROR"),
    ],
)
def test_each_reply_of_a_ban_counts_its_code(start: Start, reply: BanReply, code: str) -> None:
    rig = start(office(reply=reply, addresses=("192.0.2.7",) if reply is BanReply.ADDRESS else ()), internet())
    rig.ask(query("www.tiktok.com"))
    assert rig.responses() == {code: 1}


def test_refused_queries_are_counted_for_the_clients_authority_and_the_service(start: Start) -> None:
    rig = start(office(), internet())
    for client in (GHENT, GHENT, "127.0.14.10", MECHELEN, DIEST, UNREGISTERED):
        rig.ask(query("www.tiktok.com"), client)
    rig.ask(query("video.example.org"), GHENT)
    rig.ask(query("plain.example.org"), GHENT)
    assert rig.pairs() == {
        ("ghent", "tiktok"): (3, 0, 0),
        ("police", "tiktok"): (1, 0, 0),
        ("diest", "tiktok"): (0, 1, 0),
    }


def test_a_monitored_query_is_counted_once_whether_forwarded_cached_or_without_recursion(start: Start) -> None:
    rig = start(office(), internet())
    for number, wire in enumerate(
        (
            query("www.tiktok.com"),
            query("www.tiktok.com"),
            query("www.tiktok.com", rd=False),
            query("www.tiktok.com", "ANY"),
            query("video.example.org"),
            query("video.example.org"),
        ),
        1,
    ):
        rig.ask(wire, DIEST)
        assert rig.pairs()[("diest", "tiktok")] == (0, number, 0)


def test_every_monitoring_ban_counts_also_when_another_refuses(start: Start) -> None:
    videos = service("videos", ("tiktok.com",))
    rig = start(office(videos, ban(9, "ghent", "videos", Mode.MONITOR)), internet())
    rig.ask(query("www.tiktok.com"))
    assert rig.pairs()[("ghent", "tiktok")] == (1, 0, 0)
    assert rig.pairs()[("ghent", "videos")] == (0, 1, 0)


@each_row("thing", [exemption(1, 1, ["127.0.5.0/24"]), Suspension("ghent", NOW - 60, NOW + 60)])
def test_query_that_is_exempted_from_refusal_is_counted_as_exempted(start: Start, thing: object) -> None:
    rig = start(office(thing), internet())
    rig.ask(query("www.tiktok.com"))
    rig.ask(query("video.example.org"))
    assert rig.pairs()[("ghent", "tiktok")] == (0, 0, 2)


def test_authority_without_usage_counts_has_no_counts(start: Start) -> None:
    quiet = authority("ghent", usage=Usage.NONE)
    bans = (ban(1, "ghent", "tiktok"), ban(2, "diest", "tiktok"))
    rig = start(policy(*NETWORKS, TIKTOK, quiet, *bans), internet())
    assert rig.ask(query("www.tiktok.com"), GHENT).rcode() == dns.rcode.REFUSED
    assert rig.pairs() == {("diest", "tiktok"): (0, 0, 0)}
    assert list(rig.bans()) == [BanCount("diest", "tiktok", "diest", BanGround.OWN)]
    assert "ghent" not in rig.snapshot.words.bypass


def test_ban_that_is_off_has_counts_that_stand_still(start: Start) -> None:
    rig = start(office(mode=Mode.OFF), internet())
    for client in (GHENT, "127.0.14.10"):
        rig.ask(query("www.tiktok.com"), client)
    assert rig.pairs() == dict.fromkeys([("diest", "tiktok"), ("ghent", "tiktok"), ("police", "tiktok")], (0, 0, 0))
    assert rig.bans() == {
        BanCount("diest", "tiktok", "diest", BanGround.OWN): (0, 0, 0),
        BanCount("ghent", "tiktok", "ghent", BanGround.OWN): (0, 0, 0),
        BanCount("police", "tiktok", "ghent", BanGround.LAW): (0, 0, 0),
    }


def test_queries_are_counted_for_the_ban_that_decided(start: Start) -> None:
    rig = start(
        office(
            ban(3, "mechelen", "tiktok", Mode.MONITOR),
            ban(4, "diest", "tiktok", Mode.MONITOR),
            ban(5, "police", "tiktok"),
            Binding(2, 3, "police", Ground.AGREEMENT, 0, accepted=0),
            Binding(3, 2, "police", Ground.AGREEMENT, 0, accepted=0),
            Binding(4, 2, "police", Ground.LAW, 0),
        ),
        internet(),
    )
    for _ in range(3):
        rig.ask(query("www.tiktok.com"), "127.0.14.10")
        rig.ask(query("video.example.org"), "127.0.14.10")
    # Once per query for the pair, and once for each ban that has an effect. Ghent's ban by law loses against the own.
    assert rig.pairs()["police", "tiktok"] == (6, 6, 0)
    assert {count: three for count, three in rig.bans().items() if count.authority == "police"} == {
        BanCount("police", "tiktok", "diest", BanGround.LAW): (0, 6, 0),
        BanCount("police", "tiktok", "ghent", BanGround.LAW): (0, 0, 0),
        BanCount("police", "tiktok", "mechelen", BanGround.AGREEMENT): (0, 6, 0),
        BanCount("police", "tiktok", "police", BanGround.OWN): (6, 0, 0),
    }


def test_query_is_counted_for_the_ground_that_holds_at_its_time(start: Start) -> None:
    law = Binding(3, 1, "mechelen", Ground.LAW, NOW + 30, NOW + 60)
    rig = start(office(Binding(2, 1, "mechelen", Ground.AGREEMENT, 0, accepted=0), law), internet())
    counted = []
    for _ in range(3):
        rig.ask(query("www.tiktok.com"), MECHELEN)
        rig.pass_time(30_000)
        counted.append({count.ground: three[0] for count, three in rig.bans().items() if count.authority == "mechelen"})
    assert counted == [
        {BanGround.AGREEMENT: 1, BanGround.LAW: 0},
        {BanGround.AGREEMENT: 1, BanGround.LAW: 1},
        {BanGround.AGREEMENT: 2, BanGround.LAW: 1},
    ]
    assert rig.pairs()["mechelen", "tiktok"] == (3, 0, 0)


def test_exempted_bans_are_counted_each(start: Start) -> None:
    rig = start(office(ban(5, "police", "tiktok"), Suspension("police", NOW - 60, NOW + 60)), internet())
    rig.ask(query("www.tiktok.com"), "127.0.14.10")
    assert rig.pairs()["police", "tiktok"] == (0, 0, 1)
    assert {count.ban_authority: three for count, three in rig.bans().items() if count.authority == "police"} == {
        "ghent": (0, 0, 1),
        "police": (0, 0, 1),
    }


def test_counts_continue_after_a_swap_without_changed_rules_and_restart_otherwise(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(query("www.tiktok.com"))
    rig.swap(office(revision=1), made_s=NOW + 1)
    rig.ask(query("www.tiktok.com"))
    assert rig.pairs()[("ghent", "tiktok")] == (2, 0, 0)
    rig.swap(office(ban(9, "mechelen", "tiktok"), revision=2))
    rig.ask(query("www.tiktok.com"))
    assert rig.pairs()[("ghent", "tiktok")] == (1, 0, 0)
    # Each query counts for its pair and its ban.
    assert sum(sum(generation.counts) for generation in rig.counters.unreleased()) == 6


def test_upstreams_and_the_cache_are_counted(start: Start) -> None:
    rig = start(office(), Scripted(fails(dns.rcode.REFUSED)), internet())
    for _ in range(3):
        rig.ask(PLAIN)
    slots, (first, second) = rig.counters.slots, upstream_slots(2)
    assert [slots[first.queries], slots[second.queries]] == [1, 1]
    assert slots[first.failure("refused")] == 1
    assert slots[CACHE_HITS] == 2
    observed = range(second.duration.first, second.duration.sum)
    assert sum(slots[slot] for slot in observed) == 1


def test_one_answer_in_eight_is_timed(start: Start) -> None:
    rig = start(office(), internet())
    for _ in range(64):
        rig.ask(query("www.tiktok.com"))
    observed = range(ANSWER_DURATION.first, ANSWER_DURATION.sum)
    assert sum(rig.counters.slots[slot] for slot in observed) == 8
