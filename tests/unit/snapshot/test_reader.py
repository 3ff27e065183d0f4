"""Reading a snapshot: targets, counters, bans for replies, changes, canaries."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Mode, Policy, Reply, Term, Tier
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import PASS, BanView, Matched, Snapshot
from dnsfilter.wire.names import ROOT, parse_name
from tests.support.policies import DAY, NOW, authority, ban, network, policy, service, wire

TIKTOK = service(
    "tiktok", ["tiktok.example"], ["login.example.org"], Tier(2, wire("bytes.example", "cdn.tiktok.example"))
)
CAPCUT = service("capcut", ["capcut.example", "cdn.tiktok.example"])
GHENT = network("192.0.2.0/24", "ghent")
MECHELEN = network("198.51.100.0/24", "mechelen")


def opened(policy: Policy, site: str = "default") -> Snapshot:
    compiled = compile_policy(policy, NOW)
    return Snapshot.open(compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, site)


def class_of(snapshot: Snapshot, address: str) -> int:
    found = snapshot.find(ip_address(address).packed)
    assert found is not None
    return found


def entries(snapshot: Snapshot, matches: tuple[Matched, ...]) -> dict[tuple[str, int], Matched]:
    return {snapshot.entries[hit.entry][:2]: hit for hit in matches}


def test_has_revision_creation_time_and_digests() -> None:
    compiled = compile_policy(policy(GHENT, TIKTOK, revision=17), NOW)
    snapshot = Snapshot.open(
        compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, "default"
    )
    assert (snapshot.revision, snapshot.made_s) == (17, NOW)
    assert (snapshot.names_digest, snapshot.rules_digest) == (compiled.names.digest, compiled.rules.digest)


def test_reads_buffers_in_place() -> None:
    compiled = compile_policy(policy(GHENT, TIKTOK, ban(1, "ghent", "tiktok")), NOW)
    files = [memoryview(bytearray(file.data)) for file in (compiled.names, compiled.ranges, compiled.rules)]
    snapshot = Snapshot.open(compiled.manifest, files[0], files[1], files[2], "default")
    decision = snapshot.decide(ip_address("192.0.2.1"), parse_name("www.tiktok.example"), NOW)
    assert decision.verdict is Verdict.REFUSE


def test_an_unregistered_client_has_no_class() -> None:
    snapshot = opened(policy(GHENT, TIKTOK))
    assert snapshot.find(ip_address("203.0.113.1").packed) is None
    assert snapshot.find(ip_address("2001:db8::1").packed) is None


def test_no_matches_give_the_pass_constant() -> None:
    snapshot = opened(policy(GHENT, TIKTOK, ban(1, "ghent", "tiktok")))
    assert snapshot.judge(class_of(snapshot, "192.0.2.1"), (), NOW, [ROOT]) is PASS


def test_ban_has_the_data_for_a_reply() -> None:
    snapshot = opened(
        policy(
            authority("ghent", ("nl", "en")),
            GHENT,
            TIKTOK,
            ban(
                3,
                "ghent",
                "tiktok",
                reply=Reply.ADDRESS,
                addresses=("192.0.2.80", "2001:db8::80"),
                reference="CBS-1",
            ),
        )
    )
    name = parse_name("tiktok.example")
    judgement = snapshot.judge(class_of(snapshot, "192.0.2.1"), snapshot.match(name), NOW, [name])
    assert judgement.ban == BanView(
        3,
        "ghent",
        "tiktok",
        Reply.ADDRESS,
        (ip_address("192.0.2.80").packed, ip_address("2001:db8::80").packed),
        15,
        "CBS-1; ict@ghent.example.org; Tiktok geblokkeerd door GHENT; Tiktok blocked by GHENT",
        False,
    )
    assert judgement.hit is not None
    assert judgement.hit.suffix == len(parse_name("tiktok.example"))


def test_a_target_is_marked_and_the_question_is_preferred() -> None:
    snapshot = opened(policy(GHENT, TIKTOK, CAPCUT))
    question, target = parse_name("www.tiktok.example"), parse_name("x.cdn.tiktok.example")
    found = entries(snapshot, snapshot.match_all([question, target]))
    assert found[("tiktok", 1)] == (1, len(parse_name("tiktok.example")), True, False)
    assert found[("tiktok", 2)].target
    assert found[("capcut", 1)].target
    assert found[("capcut", 1)].suffix == len(parse_name("cdn.tiktok.example"))


def test_of_several_targets_the_longest_suffix_is_kept() -> None:
    deep = service("deep", ["example.org", "a.example.org"])
    snapshot = opened(policy(GHENT, deep))
    chain = [parse_name(name) for name in ("www.example.net", "x.example.org", "a.example.org", "y.example.org")]
    assert snapshot.match_all(chain) == (Matched(0, len(parse_name("a.example.org")), True, True),)
    assert snapshot.match_all([]) == ()


def test_ban_on_question_and_target_is_explained_by_the_question() -> None:
    snapshot = opened(policy(GHENT, TIKTOK, ban(1, "ghent", "tiktok")))
    names = [parse_name("tiktok.example"), parse_name("x.cdn.tiktok.example")]
    judgement = snapshot.judge(class_of(snapshot, "192.0.2.1"), snapshot.match_all(names), NOW, names)
    assert judgement.hit is not None
    assert not judgement.hit.target
    assert judgement.hit.suffix == len(parse_name("tiktok.example"))


@pytest.mark.parametrize("mode", list(Mode))
def test_entry_is_concerned_by_a_ban_in_any_mode(mode: Mode) -> None:
    snapshot = opened(policy(GHENT, TIKTOK, CAPCUT, ban(1, "mechelen", "tiktok", mode, (Term(0, 1),))))
    assert snapshot.concerned(snapshot.match(parse_name("www.bytes.example")))
    assert not snapshot.concerned(snapshot.match(parse_name("capcut.example")))
    assert not snapshot.concerned(())


def test_the_next_change_is_of_that_class_and_those_entries() -> None:
    snapshot = opened(
        policy(
            GHENT,
            MECHELEN,
            TIKTOK,
            CAPCUT,
            ban(1, "ghent", "tiktok", terms=(Term(NOW + 10, NOW + 20), Term(NOW + 20, NOW + 30), Term(NOW + 40))),
            ban(2, "mechelen", "tiktok", terms=(Term(NOW + 1, NOW + 2),)),
            ban(3, "ghent", "capcut", terms=(Term(NOW + 3, NOW + 4),)),
        )
    )
    ghent = class_of(snapshot, "192.0.2.1")
    name, cdn = parse_name("tiktok.example"), parse_name("cdn.tiktok.example")
    tiktok = snapshot.match(name)
    table = {
        NOW: NOW + 10,
        NOW + 9: NOW + 10,
        NOW + 10: NOW + 30,
        NOW + 29: NOW + 30,
        NOW + 30: NOW + 40,
        NOW + 40: None,
    }
    assert {at: snapshot.next_change(ghent, tiktok, at, [name]) for at in table} == table
    assert snapshot.next_change(class_of(snapshot, "198.51.100.1"), tiktok, NOW, [name]) == NOW + 1
    assert snapshot.next_change(ghent, snapshot.match(cdn), NOW, [cdn]) == NOW + 3
    assert snapshot.next_change(ghent, (), NOW, [ROOT]) is None


def test_enforcing_holds_while_some_ban_refuses() -> None:
    snapshot = opened(
        policy(
            GHENT,
            MECHELEN,
            TIKTOK,
            CAPCUT,
            ban(1, "ghent", "tiktok", terms=(Term(NOW, NOW + DAY),)),
            ban(2, "ghent", "capcut", Mode.MONITOR),
        )
    )
    ghent = class_of(snapshot, "192.0.2.1")
    assert [snapshot.enforcing(ghent, at) for at in (NOW - 1, NOW, NOW + DAY - 1, NOW + DAY)] == [
        False,
        True,
        True,
        False,
    ]
    assert not snapshot.enforcing(class_of(snapshot, "198.51.100.1"), NOW)


def test_enforced_services_and_the_next_change_of_any() -> None:
    snapshot = opened(
        policy(
            GHENT,
            TIKTOK,
            CAPCUT,
            ban(1, "ghent", "tiktok", terms=(Term(NOW, NOW + DAY),)),
            ban(2, "ghent", "capcut", terms=(Term(NOW + 10),)),
        )
    )
    ghent = class_of(snapshot, "192.0.2.1")
    changes = {NOW: NOW + 10, NOW + 10: NOW + DAY, NOW + DAY: None}
    assert {at: snapshot.next_change_of_any(ghent, at) for at in changes} == changes
    services = {NOW: ["tiktok"], NOW + 10: ["capcut", "tiktok"], NOW + DAY: ["capcut"]}
    assert {at: sorted(snapshot.enforced(ghent, at)) for at in services} == services


def test_a_tier_that_the_service_does_not_have_matches_nothing() -> None:
    snapshot = opened(policy(GHENT, TIKTOK, ban(1, "ghent", "tiktok", tiers=frozenset({7}))))
    assert snapshot.decide(ip_address("192.0.2.1"), parse_name("tiktok.example"), NOW).verdict is Verdict.PASS


def test_weekly_hours_of_a_year_are_found_by_bisection() -> None:
    terms = tuple(Term(NOW + day * DAY, NOW + day * DAY + 3600) for day in range(400))
    snapshot = opened(policy(GHENT, TIKTOK, replace(ban(1, "ghent", "tiktok"), terms=terms)))
    for day in (0, 1, 199, 398, 399):
        client, name, start = ip_address("192.0.2.1"), parse_name("tiktok.example"), NOW + day * DAY
        verdicts = [snapshot.decide(client, name, start + step).verdict for step in (-1, 0, 3599, 3600)]
        assert verdicts == [Verdict.PASS, Verdict.REFUSE, Verdict.REFUSE, Verdict.PASS]
