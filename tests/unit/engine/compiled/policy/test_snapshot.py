"""Snapshots read by C: replies and counts equal the reference's, also for corrupt files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.interface import Reply as Replied
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import (
    ENCRYPTED_DNS,
    Address,
    AllowedName,
    Binding,
    Ground,
    Instant,
    Mode,
    Policy,
    Reply,
    Service,
    Suspension,
    Term,
    Tier,
    WireName,
)
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.layout import REPLIES
from dnsfilter.snapshot.names_file import DEFAULT_HASH_KEY
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.metrics import Bypass, Transport
from dnsfilter.wire.answer import Answer, parse_answer
from dnsfilter.wire.names import parse_name
from tests.contract.cases import NETWORKS, office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import answered
from tests.fuzz.wire_bytes import A, header, record
from tests.support.engines import GHENT as HALL
from tests.support.engines import MECHELEN
from tests.support.policies import (
    DAY,
    NOW,
    allowed,
    ban,
    clients_of,
    exemption,
    instants,
    names_of,
    network,
    policies,
    service,
    sites,
)
from tests.support.policies import policy as made
from tests.unit.engine.compiled.both import Both, both

pytest.importorskip("dnsfilter.engine._engine")

MOST_MATCHES = 32
MOST_RULES = 64
GHENT = network("192.0.2.0/24", "ghent")
TIKTOK = service("tiktok", ["tiktok.example"], ["login.example.org"])
ASKED = parse_name("www.tiktok.example")
CLIENT = "192.0.2.1"


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    """Yield both kinds of engine. Each test puts its own snapshots in force."""
    with both(office(), cache_bytes=16_000_000) as ask:
        yield ask


def opened(policy: Policy, site: str = "default", hash_key: bytes = DEFAULT_HASH_KEY) -> Snapshot:
    compiled = compile_policy(policy, NOW, hash_key=hash_key)
    return Snapshot.open(compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, site)


def message(name: WireName) -> bytes:
    return header(0x0100, 1) + name + b"\0\1\0\1"


def ask(pair: Both, name: WireName, client: str = CLIENT, at: Instant = NOW) -> object:
    return pair(message(name), client, later_ms=(at - pair.rigs[0].clock.now_s) * 1000 if at > NOW else 0)


numbers = count(1)


def chain(names: Sequence[WireName]) -> tuple[Answer, Sequence[WireName]]:
    """Return an answer to the first name, and the names that the cache stores as its targets."""
    data = header(0x8180, 1, 1) + names[0] + b"\0\1\0\1" + record(b"\xc0\x0c", A, bytes(4), ttl=100_000)
    return parse_answer(data), names[1:]


def judge(pair: Both, names: Sequence[WireName], client: str = CLIENT, at: Instant = NOW) -> object:
    """Return the reply to the first name if the cache has an answer that leads to the others."""
    answer, targets = chain(names)
    pair.put(CacheKey(0, answer.question.name, 1, 1, False, False), answer, targets)
    return ask(pair, names[0], client, at)


@pytest.mark.heavy
@examples(30)
@given(policies(), st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 20)), max_size=6), st.data())
def test_suspensions_of_all_are_read_as_by_the_reader(
    pair: Both, policy: Policy, spans: list[tuple[int, int]], data: st.DataObject
) -> None:
    more = tuple(Suspension(None, NOW + start, NOW + start + length) for start, length in spans)
    pair.swap(opened(replace(policy, suspensions=(*policy.suspensions, *more))))
    edges = {NOW, *(edge + step for each in more for edge in (each.start, each.end) for step in (-1, 0))}
    for at in sorted(edge for edge in edges if edge >= NOW):
        for client in ("203.0.113.200", str(data.draw(clients_of(policy)))):
            ask(pair, ASKED, client, at)


@pytest.mark.heavy
@examples(40)
@given(policies(), sites, st.binary(min_size=16, max_size=16), st.data())
def test_clients_and_names_are_judged_as_by_the_reader(
    pair: Both, policy: Policy, site: str, hash_key: bytes, data: st.DataObject
) -> None:
    pair.swap(opened(policy, site, hash_key))
    clients: list[Address] = data.draw(st.lists(clients_of(policy), min_size=3, max_size=6))
    chains = data.draw(st.lists(st.lists(names_of(policy), min_size=1, max_size=4), min_size=3, max_size=6))
    times = data.draw(st.lists(instants(policy), min_size=2, max_size=4))
    for names in chains:
        for client in clients:
            for at in times:
                judge(pair, names, str(client), at)


@pytest.mark.heavy
@examples(40)
@given(policies(), policies(), st.data())
def test_cached_answer_is_decided_by_all_its_names_under_each_policy(
    pair: Both, one: Policy, other: Policy, data: st.DataObject
) -> None:
    drawn = [
        (policy, names_of(policy), data.draw(st.lists(clients_of(policy), min_size=2, max_size=3)))
        for policy in (one, other)
    ]
    chains = data.draw(st.lists(st.lists(drawn[0][1] | drawn[1][1], min_size=1, max_size=4), min_size=3, max_size=6))
    pair.swap(opened(one))
    for names in chains:
        judge(pair, names)
    for policy, _, clients in (*drawn, drawn[0]):
        pair.swap(opened(policy))
        for names in chains:
            for client in clients:
                ask(pair, names[0], str(client))


@pytest.mark.parametrize("services", [1, 9, 10, MOST_MATCHES, MOST_MATCHES + 1])
def test_cached_answer_may_belong_to_many_services_and_to_others_after_a_swap(pair: Both, services: int) -> None:
    """Up to nine services are stored with the answer; more are looked up each time."""
    leads = [parse_name("leads.example"), parse_name("a.shared.example")]
    shared = many(services, "shared.example")
    banned = opened(made(GHENT, *shared, ban(1, "ghent", f"s{services - 1:03}")))
    spared = opened(made(GHENT, *many(services, "other.example"), ban(1, "ghent", f"s{services - 1:03}")))
    pair.swap(banned)
    refused = judge(pair, leads)
    for snapshot in (banned, spared, spared, banned, banned):
        pair.swap(snapshot)
        assert (ask(pair, leads[0]) == refused) == (snapshot is banned)


def test_each_name_of_a_cached_answer_counts_after_a_swap(pair: Both) -> None:
    """A banned name of its chain refuses the answer; a banned additional name is removed from it."""
    pair.swap(opened(made(*NETWORKS)))
    seen = pair.answered(
        answered(
            "A",
            "@ 300 CNAME one.example.net.",
            "one.example.net. 60 CNAME two.example.net.",
            "two.example.net. 60 A 192.0.2.1",
            authority=("example.net. 300 NS ns1.example.com.", "example.net. 300 NS ns2.example.com."),
            additional=("ns1.example.com. 300 A 192.0.2.53", "ns2.example.com. 300 AAAA 2001:db8::53"),
        ),
        A,
    )
    assert seen.kept
    assert not seen.handed
    plain = ask(pair, parse_name(seen.name), MECHELEN)
    for name in (seen.name, "one.example.net", "two.example.net", "ns1.example.com", "ns2.example.com"):
        pair.swap(opened(made(*NETWORKS, service("s", [name]), ban(1, "ghent", "s"))))
        assert ask(pair, parse_name(seen.name), HALL) != ask(pair, parse_name(seen.name), MECHELEN)
        pair.swap(opened(made(*NETWORKS)))
        assert ask(pair, parse_name(seen.name), HALL) == plain


@pytest.mark.parametrize(
    "name",
    [
        b"\x01a" * 126 + b"\x00",
        b"\x01a" * 119 + parse_name("tiktok.example"),
        b"\x3f" + b"a" * 63 + parse_name("tiktok.example"),
        b"\x01\x00" + parse_name("tiktok.example"),
        b"\x00",
    ],
    ids=repr,
)
def test_odd_names_match_as_in_the_reader(pair: Both, name: bytes) -> None:
    pair.swap(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"))))
    ask(pair, name)


@pytest.mark.parametrize("size", [*range(1, 18), 31, 32, 33, 62, 63])
def test_labels_of_every_size_have_the_same_hash(pair: Both, size: int) -> None:
    name = bytes([size]) + b"n" * size + b"\x07example\x00"
    for listed in (name, name[:-9] + b"\x00"):
        tier = Tier(1, frozenset({listed}), frozenset())
        pair.swap(opened(made(GHENT, Service("s", "S", (tier,)), ban(1, "ghent", "s"))))
        assert isinstance(ask(pair, listed), Replied)


def many(number: int, same: str = "") -> list[Service]:
    """Return `number` services of one domain each, numbered, or all of the domain `same`."""
    return [service(f"s{place:03}", [same or f"n{place}.example"]) for place in range(number)]


@pytest.mark.parametrize("services", [MOST_MATCHES, MOST_MATCHES + 1])
def test_too_many_entries_are_handed_over(pair: Both, services: int) -> None:
    banned = ban(1, "ghent", f"s{services - 1:03}")
    pair.swap(opened(made(GHENT, *many(services, "shared.example"), banned)))
    assert isinstance(ask(pair, parse_name("a.shared.example")), Replied)
    pair.swap(opened(made(GHENT, *many(services), banned)))
    judge(pair, [parse_name(f"n{number}.example") for number in range(services)])


@pytest.mark.parametrize("bans", [MOST_RULES, MOST_RULES + 1, 3 * MOST_RULES])
def test_any_number_of_bans_is_judged(pair: Both, bans: int) -> None:
    shared = service("all", ["shared.example"])
    pair.swap(opened(made(GHENT, shared, *(ban(n, "ghent", "all", Mode.MONITOR) for n in range(1, bans + 1)))))
    judge(pair, (parse_name("shared.example"),))


def test_exemption_without_a_winning_ban_is_counted(pair: Both) -> None:
    pair.swap(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"]))))
    judge(pair, (ASKED,))
    assert list(pair.rigs[1].counters.policy[:6]) == [0, 0, 1, 0, 0, 1]  # a pair and a ban count


def test_client_without_a_class_is_not_judged(pair: Both) -> None:
    pair.swap(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok", terms=(Term(NOW, NOW + DAY),)))))
    judge(pair, (ASKED,), "198.51.100.1")


def test_targets_are_judged_too(pair: Both) -> None:
    pair.swap(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"))))
    plain = judge(pair, (parse_name("www.example.org"),))
    assert judge(pair, (parse_name("www.example.net"), ASKED)) != plain


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("at", [NOW, NOW + 5, NOW + 30])
def test_reply_and_text_of_a_rule_are_read(pair: Both, reply: Reply, at: Instant) -> None:
    addresses = ("192.0.2.80",) if reply is Reply.ADDRESS else ()
    terms = (Term(0, NOW + 35),)
    decided = ban(1, "ghent", "tiktok", reply=reply, addresses=addresses, reference="EXAMPLE-1 \u00e9", terms=terms)
    pair.swap(opened(made(GHENT, TIKTOK, decided)))
    for name in (ASKED, parse_name("tiktok.example"), parse_name("login.example.org")):
        ask(pair, name, at=at)
    judge(pair, (parse_name("www.example.com"), ASKED), at=at)


LEADS = tuple(map(parse_name, ("leads.example", "a.tiktok.example", "login.example.org")))


@pytest.mark.parametrize(
    ("given_names", "refused"),
    [
        pytest.param((), True, id="no allowed name"),
        pytest.param((allowed(1, "ghent", "leads.example"),), False, id="the question"),
        pytest.param((allowed(1, "ghent", "a.tiktok.example"),), True, id="one target of two"),
        pytest.param(
            (allowed(1, "ghent", "a.tiktok.example"), allowed(2, "ghent", "example.org")), False, id="each target"
        ),
        pytest.param((allowed(1, "ghent", "example", exact=True),), True, id="exactly a name above"),
        pytest.param((allowed(1, "mechelen", "leads.example"),), True, id="of another authority"),
        pytest.param(
            [allowed(number, "ghent", f"n{number:03}.example") for number in range(300)]
            + [allowed(300, "ghent", "leads.example")],
            False,
            id="one of many",
        ),
    ],
)
def test_allowed_names_free_cached_answers_and_their_targets(
    pair: Both, given_names: Sequence[AllowedName], refused: bool
) -> None:
    pair.swap(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), *given_names)))
    reply = judge(pair, LEADS)
    assert isinstance(reply, Replied)
    assert (reply.message[3] & 15 == 5) is refused


def test_a_bound_ban_refuses_an_allowed_name(pair: Both) -> None:
    bound = (ban(1, "mechelen", "tiktok"), Binding(1, 1, "ghent", Ground.LAW, 0), allowed(1, "ghent", "tiktok.example"))
    pair.swap(opened(made(GHENT, TIKTOK, *bound)))
    reply = ask(pair, ASKED)
    assert isinstance(reply, Replied)
    assert reply.message[3] & 15 == 5


def test_answers_are_kept_no_longer_than_an_allowed_name_and_its_start_and_end_need_no_snapshot(pair: Both) -> None:
    given_name = allowed(1, "ghent", "leads.example", NOW + 10, NOW + 30)
    pair.swap(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok", reply=Reply.NXDOMAIN), given_name)))
    replies = [judge(pair, LEADS, at=NOW + at) for at in (0, 9, 10, 25, 29, 30)]
    found = [(one.message[7], _ttl(one.message)) for one in replies if isinstance(one, Replied)]
    assert found == [(0, 10), (0, 1), (1, 20), (1, 5), (1, 1), (0, 10)]


def test_pending_names_are_answered_until_their_instant(pair: Both) -> None:
    fresh = Tier(1, frozenset({parse_name("fresh.example")}), enforced_from=NOW + 30)
    both = replace(TIKTOK, tiers=(*TIKTOK.tiers, fresh))
    pair.swap(opened(made(GHENT, both, ban(1, "ghent", "tiktok"))))
    names = (parse_name("leads.example"), parse_name("a.fresh.example"))
    replies = [judge(pair, names, at=NOW + at) for at in (0, 20, 29, 30)]
    found = [(one.message[3] & 15, _ttl(one.message)) for one in replies if isinstance(one, Replied)]
    assert found == [(0, 30), (0, 10), (0, 1), (5, None)]
    assert isinstance(ask(pair, ASKED), Replied)


def test_pending_names_are_refused_at_once_where_a_law_asks_for_that(pair: Both) -> None:
    fresh = Tier(1, frozenset({parse_name("fresh.example")}), enforced_from=NOW + 30)
    both = replace(TIKTOK, tiers=(*TIKTOK.tiers, fresh))
    laws = (
        Binding(1, 1, "ghent", Ground.LAW, 0, NOW + 10, new_names_at_once=True),
        Binding(2, 1, "ghent", Ground.LAW, NOW + 10),
    )
    pair.swap(opened(made(GHENT, both, ban(1, "mechelen", "tiktok"), *laws)))
    names = (parse_name("leads.example"), parse_name("a.fresh.example"))
    replies = [judge(pair, names, at=NOW + at) for at in (0, 9, 10, 29, 30)]
    assert [one.message[3] & 15 for one in replies if isinstance(one, Replied)] == [5, 5, 0, 0, 5]


def test_pending_names_of_targets_are_counted(pair: Both) -> None:
    fresh = Tier(1, frozenset(map(parse_name, ("fresh.example", "another.example"))), enforced_from=NOW + 30)
    tiers = replace(TIKTOK, tiers=(*TIKTOK.tiers, fresh))
    pair.swap(opened(made(GHENT, tiers, ban(1, "ghent", "tiktok"), allowed(1, "ghent", "free.fresh.example"))))
    for targets, counted in {
        ("a.fresh.example",): {"fresh.example": 2},
        ("a.fresh.example", "a.another.example"): {"another.example": 2},
        ("free.fresh.example",): {},
        ("free.fresh.example", "b.another.example"): {"another.example": 2},
        ("a.fresh.example", "login.example.org"): {},
    }.items():
        names = tuple(map(parse_name, ("leads.example", *targets)))
        answer, leads = chain(names)
        pair.put(CacheKey(0, answer.question.name, 1, 1, False, False), answer, leads)
        for rig in pair.rigs:
            for _ in range(2):
                rig.judge(message(names[0]), CLIENT)
            noted, lost = rig.engine.take_pending_names()
            assert ({each.name: each.queries for each in noted}, lost) == (counted, 0)


def _ttl(reply: bytes) -> int | None:
    """Return the TTL of the first record, or None if there is none."""
    parsed = parse_answer(reply)
    return next((record.ttl for record in parsed.records), None)


@pytest.mark.parametrize("slug", [ENCRYPTED_DNS, "encrypted_dns2", "encrypted_dn", "x"])
@pytest.mark.parametrize("bans", [(), (1,)], ids=["no ban", "a ban"])
def test_only_encrypted_resolvers_are_a_bypass_with_or_without_a_ban(
    pair: Both, slug: str, bans: tuple[int, ...]
) -> None:
    pair.swap(opened(made(GHENT, service(slug, ["resolver.example"]), *(ban(each, "ghent", slug) for each in bans))))
    before = [sum(rig.counters.policy[-len(Bypass) :]) for rig in pair.rigs]
    for names in (("resolver.example",), ("www.example.com", "resolver.example")):
        judge(pair, tuple(map(parse_name, names)))
    judge(pair, (parse_name("resolver.example"),), "198.51.100.1")
    counted = 2 if slug == ENCRYPTED_DNS else 0
    assert [sum(rig.counters.policy[-len(Bypass) :]) for rig in pair.rigs] == [each + counted for each in before]


def test_files_are_read_in_place_and_kept_alive(pair: Both) -> None:
    compiled = compile_policy(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok")), NOW)
    # One byte off any alignment.
    files = [
        memoryview(bytearray(b"\x00" + file.data))[1:] for file in (compiled.names, compiled.ranges, compiled.rules)
    ]
    pair.swap(Snapshot.open(compiled.manifest, files[0], files[1], files[2], "default"))
    expected = ask(pair, ASKED)
    files.clear()
    assert isinstance(expected, Replied)
    assert ask(pair, ASKED) == expected


CORRUPTIBLE = compile_policy(
    made(
        GHENT,
        network("198.51.100.0/24", "mechelen"),
        TIKTOK,
        service("capcut", ["capcut.example", "tiktok.example"]),
        ban(1, "ghent", "tiktok", reply=Reply.NXDOMAIN),
        ban(2, "ghent", "capcut", Mode.MONITOR, (Term(NOW, NOW + DAY), Term(NOW + 2 * DAY))),
        ban(3, "mechelen", "capcut", Mode.MONITOR),
        allowed(1, "ghent", "login.example.org", NOW + DAY, NOW + 9 * DAY),
        allowed(2, "ghent", "x.tiktok.example", exact=True),
        exemption(1, 1, ["192.0.2.0/24"], NOW, NOW + DAY),
    ),
    NOW,
)
FILES = (CORRUPTIBLE.names.data, CORRUPTIBLE.ranges.data, CORRUPTIBLE.rules.data)
NAMES = tuple(map(parse_name, ("x.tiktok.example", "login.example.org", "capcut.example", "example.org")))


def corrupted(which: int, data: st.DataObject) -> Snapshot:
    """Return a snapshot with some changed bytes that still opens, although its digests are wrong."""
    files = [bytearray(data) for data in FILES]
    for place in data.draw(st.lists(st.integers(0, len(files[which]) - 1), min_size=1, max_size=4)):
        files[which][place] = data.draw(st.integers(0, 255))
    try:
        return Snapshot.open(CORRUPTIBLE.manifest, files[0], files[1], files[2], "default")
    except SnapshotError:
        reject()


@pytest.mark.heavy
@pytest.mark.parametrize("which", [0, 2], ids=["names", "rules"])
def test_corrupt_files_are_read_as_by_the_reader(pair: Both, which: int) -> None:
    @settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
    @given(st.data())
    def check(data: st.DataObject) -> None:
        pair.swap(corrupted(which, data))
        for client in ("192.0.2.1", "198.51.100.1"):
            for name in NAMES:
                for at in (NOW, NOW + 3 * DAY):
                    pair(message(name), client, Transport.TCP, later_ms=(at - NOW) * 1000)
                    judge(pair, (parse_name("leads.example"), name), client, at)

    check()
