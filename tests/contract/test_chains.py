"""CNAME chains that an answer leaves unfinished are followed, across zones and within limits."""

import dns.rcode
import dns.rdatatype

from dnsfilter.engine.interface import Miss
from dnsfilter.policy.model import Term
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.upstream.attempt import TOTAL_MS
from tests.contract.cases import NETWORKS, office
from tests.support.engines import GHENT, MECHELEN, ZoneTo, data, query
from tests.support.policies import NOW, policy
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, denial, fails, reply, says, silent
from tests.support.starting import Start


def chain(length: int, end: str = "198.51.100.99") -> dict[tuple[str, str], tuple[str, ...]]:
    """Return records of a chain of `length` CNAMEs from c0 on, each in its own answer; the last name has an address."""
    records: dict[tuple[str, str], tuple[str, ...]] = {
        (f"c{n}.example.org", "A"): (f"c{n}.example.org. 300 CNAME c{n + 1}.example.org.",) for n in range(length)
    }
    return records | {(f"c{length}.example.org", "A"): (f"c{length}.example.org. 300 A {end}",)}


@each_row("transport", tuple(Transport))
@each_row("hops", [1, 2, 8])
def test_an_unfinished_chain_is_followed(start: Start, hops: int, transport: Transport) -> None:
    rig = start(office(), Scripted(says(chain(hops))))
    for _ in range(2):
        found = rig.ask(query("c0.example.org"), transport=transport)
        assert data(found) == [*(f"CNAME c{n + 1}.example.org." for n in range(hops)), "A 198.51.100.99"]
    assert rig.forwarded == [(f"c{n}.example.org", "A") for n in range(hops + 1)]
    assert isinstance(rig.judge(query("c1.example.org")), Miss)


@each_row("transport", tuple(Transport))
@each_row("hops", [9, 12])
def test_of_a_chain_beyond_eight_hops_what_was_found_is_answered_and_kept(
    start: Start, hops: int, transport: Transport
) -> None:
    rig = start(office(), Scripted(says(chain(hops))))
    for _ in range(2):
        found = rig.ask(query("c0.example.org"), transport=transport)
        assert (found.rcode(), data(found)) == (dns.rcode.NOERROR, [f"CNAME c{n + 1}.example.org." for n in range(9)])
        assert found.authority == []
    assert rig.forwarded == [(f"c{n}.example.org", "A") for n in range(9)]
    rig.pass_time(300_000)
    rig.ask(query("c0.example.org"), transport=transport)
    assert len(rig.forwarded) == 18


def test_a_chain_beyond_eight_hops_denies_nothing_of_its_last_name(start: Start) -> None:
    unrelated = (
        "example.net. 300 SOA ns.example.net. h.example.net. 1 2 3 4 300",
        "example.net. 300 NS ns.example.net.",
    )
    links = chain(9)
    rig = start(office(), Scripted(lambda asked: (reply(asked, links[asked.name, asked.qtype], unrelated),)))
    for _ in range(2):
        found = rig.ask(query("c0.example.org"))
        assert found.authority == []
    assert len(rig.forwarded) == 9


@each_row("banned", [1, 9])
def test_a_chain_beyond_eight_hops_through_a_banned_name_is_refused(start: Start, banned: int) -> None:
    def behave(asked: Asked) -> list[bytes]:
        at = banned if asked.name == "www.tiktok.com" else int(asked.name[1 : asked.name.index(".")])
        target = "www.tiktok.com" if at + 1 == banned else f"c{at + 1}.example.org"
        return [reply(asked, (f"{asked.name}. 300 CNAME {target}.",))]

    rig = start(office(), Scripted(behave))
    for _ in range(2):
        assert rig.ask(query("c0.example.org"), GHENT).rcode() == dns.rcode.REFUSED
        assert len(data(rig.ask(query("c0.example.org"), MECHELEN))) == 9


def test_a_chain_is_followed_from_one_zone_into_another(start: Start) -> None:
    inner = Scripted(says({("dc1.corp.local", "A"): ("dc1.corp.local. 300 A 10.0.0.1",)}))
    outer = Scripted(says({("portal.example.org", "A"): ("portal.example.org. 300 CNAME dc1.corp.local.",)}))
    rig = start(office(), outer, inner, conditional=[ZoneTo("corp.local", inner)])
    assert data(rig.ask(query("portal.example.org"))) == ["CNAME dc1.corp.local.", "A 10.0.0.1"]
    assert [(each.name, each.qtype) for each in inner.asked] == [("dc1.corp.local", "A")]


@each_row(
    ("target", "rcode", "end"),
    [
        ("x.local", "NXDOMAIN", []),
        ("x.onion", "NXDOMAIN", []),
        ("1.0.0.10.in-addr.arpa", "NXDOMAIN", []),
        ("a.resolver.arpa", "NOERROR", []),
        ("x.internal", "NXDOMAIN", []),
        ("localhost", "NOERROR", ["A 127.0.0.1"]),
    ],
)
def test_special_use_target_is_not_forwarded(start: Start, target: str, rcode: str, end: list[str]) -> None:
    rig = start(office(), Scripted(says({("odd.example.org", "A"): (f"odd.example.org. 300 CNAME {target}.",)})))
    for found in (rig.ask(query("odd.example.org")), rig.at_once(query("odd.example.org"))):
        assert dns.rcode.to_text(found.rcode()) == rcode
        assert data(found) == [f"CNAME {target}.", *end]
        assert [record.rdtype for record in found.authority] == ([] if end else [dns.rdatatype.SOA])
    assert rig.forwarded == [("odd.example.org", "A")]


def test_denial_at_the_end_of_a_chain_is_relayed_with_the_chain(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "a.example.org":
            return [reply(asked, ("a.example.org. 300 CNAME missing.example.net.",))]
        return [denial(asked, "example.net")]

    rig = start(office(), Scripted(behave))
    found = rig.ask(query("a.example.org"))
    assert (found.rcode(), data(found)) == (dns.rcode.NXDOMAIN, ["CNAME missing.example.net."])
    assert [rrset.name.to_text() for rrset in found.authority] == ["example.net."]


def test_later_leg_ends_at_the_deadline_of_its_question(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    wait = rig.begin(query("c0.example.org"))
    rig.until_asked(1)
    rig.clock.advance(TOTAL_MS - 100)
    (first,) = rig.upstream.asked
    rig.upstream.say(first, reply(first, chain(1)["c0.example.org", "A"]))
    rig.until(lambda: b"" if ("c1.example.org", "A") in rig.forwarded else None)
    rig.pass_time(100)
    assert wait().rcode() == dns.rcode.SERVFAIL


def test_a_chain_whose_end_fails_is_a_failure(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "a.example.org":
            return [reply(asked, ("a.example.org. 300 CNAME b.example.net.",))]
        return list(fails(dns.rcode.SERVFAIL)(asked))

    rig = start(office(), Scripted(behave))
    assert rig.ask(query("a.example.org")).rcode() == dns.rcode.SERVFAIL


@each_row("rcode", [2, 5])
def test_chain_with_a_banned_name_is_refused_even_if_its_end_fails(start: Start, rcode: int) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == "video.example.org":
            return [reply(asked, ("video.example.org. 300 CNAME www.tiktok.com.",))]
        return [reply(asked, rcode=rcode)]

    rig = start(office(), Scripted(behave))
    waiting = [rig.begin(query("video.example.org"), client) for client in (GHENT, MECHELEN)]
    assert [dns.rcode.to_text(wait().rcode()) for wait in waiting] == ["REFUSED", "SERVFAIL"]


@each_row("transport", list(Transport))
def test_additional_records_of_a_banned_name_are_removed_for_a_refused_client(
    start: Start, transport: Transport
) -> None:
    def behave(asked: Asked) -> list[bytes]:
        mail, added = "shop.example.org. 300 MX 10 www.tiktok.com.", "www.tiktok.com. 300 A 192.0.2.100"
        return [reply(asked, (mail,), additional=(added,))]

    rig = start(office(), Scripted(behave))
    for client, added in ((GHENT, []), (MECHELEN, ["www.tiktok.com."]), (GHENT, [])):
        found = rig.ask(query("shop.example.org", "MX"), client, transport)
        assert data(found) == ["MX 10 www.tiktok.com."]
        assert [rrset.name.to_text() for rrset in found.additional] == added
    rig.swap(policy(*NETWORKS, revision=2))
    assert len(rig.ask(query("shop.example.org", "MX"), GHENT, transport).additional) == 1


@each_row("records", [(), ("dc1.corp.local. 300 A 203.0.113.66",)], ids=["denied", "forged"])
def test_public_upstream_is_not_trusted_for_names_of_a_conditional_zone(start: Start, records: tuple[str, ...]) -> None:
    def behave(asked: Asked) -> list[bytes]:
        alias = f"{asked.name}. 300 CNAME dc1.corp.local."
        soa = ". 60 SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 60"
        return [reply(asked, (alias, *records), () if records else (soa,), rcode=0 if records else 3)]

    inner = Scripted(says({("dc1.corp.local", "A"): ("dc1.corp.local. 300 A 10.0.0.1",)}))
    rig = start(office(), Scripted(behave), inner, conditional=[ZoneTo("corp.local", inner)])
    for found in (rig.ask(query("portal.example.org")), rig.at_once(query("portal.example.org"))):
        assert data(found) == ["CNAME dc1.corp.local.", "A 10.0.0.1"]


def test_server_of_a_conditional_zone_is_not_trusted_for_public_names(start: Start) -> None:
    forged = ("out.corp.local. 300 CNAME www.bank.example.", "www.bank.example. 300 A 203.0.113.66")
    inner = Scripted(says({("out.corp.local", "A"): forged}))
    outer = Scripted(says({("www.bank.example", "A"): ("www.bank.example. 300 A 192.0.2.7",)}))
    rig = start(office(), outer, inner, conditional=[ZoneTo("corp.local", inner)])
    assert data(rig.ask(query("out.corp.local"))) == ["CNAME www.bank.example.", "A 192.0.2.7"]


@each_row("target", ["localhost", "printer.local"])
def test_no_upstream_is_trusted_for_local_names(start: Start, target: str) -> None:
    forged = ("odd.example.org. 300 CNAME {target}.", "{target}. 300 A 203.0.113.66")
    lines = tuple(line.format(target=target) for line in forged)
    rig = start(office(), Scripted(says({("odd.example.org", "A"): lines})))
    assert "A 203.0.113.66" not in data(rig.ask(query("odd.example.org")))


def test_loop_over_several_answers_ends_at_the_first_repeated_name(start: Start) -> None:
    records = {
        ("a.example.org", "A"): ("a.example.org. 300 CNAME b.example.net.",),
        ("b.example.net", "A"): ("b.example.net. 300 CNAME a.example.org.",),
    }
    rig = start(office(), Scripted(says(records)))
    assert rig.ask(query("a.example.org")).rcode() == dns.rcode.SERVFAIL
    assert len(rig.forwarded) == 2


def test_chain_costs_a_limited_number_of_datagrams(start: Start) -> None:
    lost: dict[str, int] = {}

    def behave(asked: Asked) -> list[bytes]:
        """Drop the first two datagrams about each name."""
        lost[asked.name] = lost.get(asked.name, 0) + 1
        number = int(asked.name[1 : asked.name.index(".")])
        alias = f"{asked.name}. 300 CNAME c{number + 1}.example.org."
        return [reply(asked, (alias,))] if lost[asked.name] == 3 else []

    rig = start(office(), Scripted(behave), longest_wait_ms=50)
    client = rig.send(query("c0.example.org"))
    for _ in range(60):
        rig.pass_time(100)
    assert rig.wait(client).rcode() == dns.rcode.SERVFAIL
    assert len(rig.forwarded) <= 19


@each_row("qtype", ["A", "CNAME"])
def test_cname_of_a_dname_is_synthesised_if_the_server_omits_it(start: Start, qtype: str) -> None:
    dname = "tree.example.org. 300 DNAME plain.example.net."
    lines = (dname,) if qtype == "CNAME" else (dname, "www.plain.example.net. 60 A 198.51.100.1")
    rig = start(office(), Scripted(says({("www.tree.example.org", qtype): lines})))
    for found in (rig.ask(query("www.tree.example.org", qtype)), rig.at_once(query("www.tree.example.org", qtype))):
        made = ["DNAME plain.example.net.", "CNAME www.plain.example.net."]
        assert data(found) == made + ([] if qtype == "CNAME" else ["A 198.51.100.1"])
        assert found.answer[1].ttl == 300


@each_row(
    "added",
    [
        "w.example.org. 300 CNAME www.tiktok.com.",
        "w.example.org. 300 HTTPS 1 www.tiktok.com. ipv4hint=192.0.2.100",
        "www.tiktok.com. 300 HTTPS 1 . ipv4hint=192.0.2.100",
    ],
)
def test_no_extra_record_leads_to_a_banned_name(start: Start, added: str) -> None:
    def behave(asked: Asked) -> list[bytes]:
        return [reply(asked, ("shop.example.org. 300 SRV 1 2 443 w.example.org.",), (added,), (added,))]

    rig = start(office(), Scripted(behave))
    shown = {client: rig.ask(query("shop.example.org", "SRV"), client) for client in (GHENT, MECHELEN)}
    assert [len(found.additional) for found in shown.values()] == [0, 0]
    assert [found.authority for found in shown.values()] == [[], []]


def test_additional_records_of_a_banned_name_have_the_ttl_cap_of_the_ban(start: Start) -> None:
    def behave(asked: Asked) -> list[bytes]:
        mail = "shop.example.org. 3600 MX 10 www.tiktok.com."
        return [reply(asked, (mail,), additional=("www.tiktok.com. 3600 A 192.0.2.100",))]

    rig = start(office(terms=(Term(NOW + 10),)), Scripted(behave))
    found = rig.ask(query("shop.example.org", "MX"))
    assert [rrset.ttl for rrset in (*found.answer, *found.additional)] == [10, 10]
