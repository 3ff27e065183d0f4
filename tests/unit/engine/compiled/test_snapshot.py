"""A snapshot as C reads it: whatever the Python reader says, or nothing where C hands over."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from dnsfilter.engine.judging import ENCRYPTED_DNS
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Address, Instant, Mode, Policy, Reply, Service, Suspension, Term, Tier, WireName
from dnsfilter.snapshot.compiler import KEPT_PAST_S, compile_policy
from dnsfilter.snapshot.layout import BAN, REPLIES, RULE, Kind, Part
from dnsfilter.snapshot.names import DEFAULT_HASH_KEY
from dnsfilter.snapshot.reader import Matched, Snapshot
from dnsfilter.wire.names import parse_name
from tests.support.policies import (
    DAY,
    NOW,
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

engine = pytest.importorskip("dnsfilter.engine._engine")

VERDICTS = (Verdict.PASS, Verdict.MONITOR, Verdict.REFUSE)
MOST_MATCHES = 32
MOST_RULES = 64
GHENT = network("192.0.2.0/24", "ghent")
TIKTOK = service("tiktok", ["tiktok.example"], ["login.example.org"])
ASKED = parse_name("www.tiktok.example")


def opened(policy: Policy, site: str = "default", hash_key: bytes = DEFAULT_HASH_KEY) -> Snapshot:
    compiled = compile_policy(policy, NOW, hash_key=hash_key)
    return Snapshot.open(compiled.manifest, compiled.names.data, compiled.ranges.data, compiled.rules.data, site)


def ban_number(snapshot: Snapshot, rule: int) -> int:
    """The number of the ban of which that rule is."""
    place = RULE.unpack_from(snapshot.section(Kind.RULES, Part.RULES), rule * RULE.size)[0]
    number: int = BAN.unpack_from(snapshot.section(Kind.RULES, Part.BANS), place * BAN.size)[0]
    return number


def assert_judges_alike(
    snapshot: Snapshot, range_class: int, names: Sequence[WireName], at: Instant, question_only: bool = False
) -> None:
    """C's judgement of these names is the reader's, down to what a refusal by it says."""
    table = engine.Table(snapshot)
    matches = snapshot.match(names[0]) if question_only else snapshot.match_all(names)
    expected = snapshot.judge(range_class, matches, at)
    verdict, won, refused, monitored, exempted = table.judged(range_class, names, at, question_only)
    assert VERDICTS[verdict] is expected.verdict
    assert (refused, monitored, exempted) == (expected.refused, expected.monitored, expected.exempted)
    if expected.ban is None or expected.hit is None:
        assert won is None
        return
    rule, *hit = won
    winner = expected.ban
    assert hit == [expected.hit.suffix, expected.hit.domain, expected.hit.target]
    assert ban_number(snapshot, rule) == winner.number
    assert table.refusal(rule) == (REPLIES.index(winner.reply), winner.text.encode(), winner.ede, False)


@settings(max_examples=50, deadline=None)
@given(policies(), st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 20)), max_size=6))
def test_says_when_all_are_suspended_as_the_policy_does(policy: Policy, spans: list[tuple[int, int]]) -> None:
    more = tuple(Suspension(None, NOW + start, NOW + start + length) for start, length in spans)
    snapshot = opened(replace(policy, suspensions=(*policy.suspensions, *more)))
    table = engine.Table(snapshot)
    # A snapshot leaves out what ended long before it was made.
    kept = (each for each in (*policy.suspensions, *more) if each.end > NOW - KEPT_PAST_S)
    held = [each for each in kept if each.authority is None]
    for at in {NOW, *(edge + step for each in held for edge in (each.start, each.end) for step in (-1, 0))}:
        expected = any(each.start <= at < each.end for each in held)
        assert table.all_suspended_at(at) is snapshot.suspends_all(at) is expected


@settings(max_examples=50, deadline=None)
@given(policies(), sites, st.data())
def test_finds_the_reader_s_class(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    table = engine.Table(snapshot)
    for client in data.draw(st.lists(clients_of(policy), min_size=5, max_size=20)):
        assert table.find_address(client.packed) == snapshot.find(client.packed)


@settings(max_examples=50, deadline=None)
@given(policies(), st.binary(min_size=16, max_size=16), st.data())
def test_matches_what_the_reader_matches(policy: Policy, hash_key: bytes, data: st.DataObject) -> None:
    snapshot = opened(policy, hash_key=hash_key)
    table = engine.Table(snapshot)
    for name in data.draw(st.lists(names_of(policy), min_size=5, max_size=20)):
        assert table.asked(name) == snapshot.match(name)
        assert table.matched((name,)) == snapshot.match(name)


@settings(max_examples=50, deadline=None)
@given(policies(), st.data())
def test_adds_targets_as_the_reader_does(policy: Policy, data: st.DataObject) -> None:
    snapshot = opened(policy)
    table = engine.Table(snapshot)
    for names in data.draw(st.lists(st.lists(names_of(policy), max_size=5), min_size=3, max_size=8)):
        assert table.matched(names) == snapshot.match_all(names)


@settings(max_examples=80, deadline=None)
@given(policies(), sites, st.booleans(), st.data())
def test_judges_as_the_reader_does(policy: Policy, site: str, question_only: bool, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    chains = data.draw(st.lists(st.lists(names_of(policy), min_size=1, max_size=3), min_size=2, max_size=4))
    moments = data.draw(st.lists(instants(policy), min_size=2, max_size=5))
    for range_class, names, at in product(_classes(snapshot, policy, data), chains, moments):
        assert_judges_alike(snapshot, range_class, names, at, question_only)


@settings(max_examples=50, deadline=None)
@given(policies(), sites, st.data())
def test_knows_the_reader_s_changes(policy: Policy, site: str, data: st.DataObject) -> None:
    snapshot = opened(policy, site)
    table = engine.Table(snapshot)
    chains = data.draw(st.lists(st.lists(names_of(policy), min_size=1, max_size=3), min_size=2, max_size=4))
    moments = data.draw(st.lists(instants(policy), min_size=2, max_size=5))
    for range_class, names, at in product(_classes(snapshot, policy, data), chains, moments):
        matches = snapshot.match_all(names)
        expected = snapshot.concerned(matches), snapshot.next_change(range_class, matches, at)
        assert table.changes(range_class, names, at) == expected


def _classes(snapshot: Snapshot, policy: Policy, data: st.DataObject) -> list[int]:
    """The classes of some clients."""
    clients: list[Address] = data.draw(st.lists(clients_of(policy), min_size=2, max_size=4))
    found = (snapshot.find(client.packed) for client in clients)
    return sorted({range_class for range_class in found if range_class is not None})


@pytest.mark.parametrize("client", [b"", b"\xc0\x00\x02", bytes(5), bytes(17)])
def test_what_is_no_address_has_no_class(client: bytes) -> None:
    everywhere = opened(made(network("0.0.0.0/0", "ghent"), network("::/0", "ghent")))
    assert engine.Table(everywhere).find_address(client) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x00",
        b"\x06tiktok",
        b"\x06tiktok\x07example",
        b"\x06tiktok\x07example\x01",
        b"\x40" + b"a" * 64 + b"\x06tiktok\x07example\x00",
        b"\xc0\x06tiktok\x07example\x00",
        b"\x00\x06tiktok\x07example\x00",
        b"\x06tiktok\x07example\x00\x00",
        b"\x01a" * 127 + b"\x00",
        b"\x01a" * 119 + parse_name("tiktok.example"),
        b"\x3f" + b"a" * 63 + parse_name("tiktok.example"),
    ],
    ids=repr,
)
def test_odd_names_match_as_the_reader_says(octets: bytes) -> None:
    snapshot = opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok")))
    assert engine.Table(snapshot).matched((octets,)) == snapshot.match(octets)


@pytest.mark.parametrize("size", range(1, 64))
def test_labels_of_every_size_are_hashed_alike(size: int) -> None:
    name = bytes([size]) + b"n" * size + b"\x07example\x00"
    snapshot = opened(made(GHENT, Service("s", "S", (Tier(1, frozenset({name, name[:-9] + b"\x00"}), frozenset()),))))
    table = engine.Table(snapshot)
    for listed in (name, name[:-9] + b"\x00"):
        assert table.matched((listed,)) == (Matched(0, len(listed), True),)


def test_a_name_too_long_to_be_one_is_handed_over() -> None:
    table = engine.Table(opened(made(GHENT, TIKTOK)))
    assert table.matched((b"\x01a" * 128 + b"\x00",)) is None
    assert table.matched((ASKED, b"\x01a" * 128 + b"\x00")) is None


def many(count: int, same: str = "") -> list[Service]:
    """So many services of one domain each, by number, or all of the same."""
    return [service(f"s{number:03}", [same or f"n{number}.example"]) for number in range(count)]


def test_more_entries_than_there_is_room_for_are_handed_over() -> None:
    name = parse_name("a.shared.example")
    for count, known in ((MOST_MATCHES, True), (MOST_MATCHES + 1, False)):
        snapshot = opened(made(GHENT, *many(count, "shared.example")))
        expected = snapshot.match(name) if known else None
        assert engine.Table(snapshot).matched((name,)) == expected


def test_more_entries_of_targets_than_there_is_room_for_are_handed_over() -> None:
    snapshot = opened(made(GHENT, *many(MOST_MATCHES + 1)))
    table = engine.Table(snapshot)
    names = [parse_name(f"n{number}.example") for number in range(MOST_MATCHES + 1)]
    assert table.matched(names[:-1]) == snapshot.match_all(names[:-1])
    assert table.matched(names) is None
    assert table.judged(0, names, NOW) is None


@pytest.mark.parametrize("bans", [MOST_RULES, MOST_RULES + 1, 3 * MOST_RULES])
def test_any_number_of_bans_is_judged(bans: int) -> None:
    shared = service("all", ["shared.example"])
    snapshot = opened(made(GHENT, shared, *(ban(n, "ghent", "all", Mode.MONITOR) for n in range(1, bans + 1))))
    assert_judges_alike(snapshot, 0, (parse_name("shared.example"),), NOW)


def test_what_is_exempted_without_a_winner_is_counted() -> None:
    snapshot = opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"])))
    verdict, won, refused, monitored, exempted = engine.Table(snapshot).judged(0, (ASKED,), NOW)
    assert (verdict, won, refused, monitored, exempted) == (0, None, -1, (), (0,))


def test_without_a_class_everything_passes_and_nothing_changes() -> None:
    table = engine.Table(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok", terms=(Term(NOW, NOW + DAY),)))))
    assert table.judged(-1, (ASKED,), NOW) == (0, None, -1, (), ())
    assert table.changes(-1, (ASKED,), NOW) == (True, None)
    assert table.judged(10**6, (ASKED,), NOW) == (0, None, -1, (), ())


def test_only_the_question_counts_where_that_is_asked_for() -> None:
    table = engine.Table(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"))))
    names = (parse_name("www.example.org"), ASKED)
    assert table.judged(0, names, NOW, True)[0] == 0
    assert table.judged(0, names, NOW)[:2] == (2, (0, len(parse_name("tiktok.example")), True, True))


@pytest.mark.parametrize("reply", REPLIES)
def test_a_rule_tells_its_reply_and_text(reply: Reply) -> None:
    addresses = ("192.0.2.80",) if reply is Reply.ADDRESS else ()
    decided = ban(1, "ghent", "tiktok", reply=reply, addresses=addresses, reference="EXAMPLE-1 \u00e9")
    assert_judges_alike(opened(made(GHENT, TIKTOK, decided)), 0, (ASKED,), NOW)


@pytest.mark.parametrize(
    ("slug", "expected"), [(ENCRYPTED_DNS, True), ("encrypted_dns2", False), ("encrypted_dn", False), ("x", False)]
)
def test_a_ban_on_encrypted_resolvers_is_a_bypass(slug: str, expected: bool) -> None:
    banned = service(slug, ["resolver.example"])
    table = engine.Table(opened(made(GHENT, banned, ban(1, "ghent", slug))))
    assert table.refusal(0)[-1] is expected


def test_a_rule_that_is_not_there_says_nothing() -> None:
    table = engine.Table(opened(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok"))))
    assert table.refusal(1) is None
    assert table.refusal(2**32 - 1) is None


def test_reads_in_place_and_keeps_the_files() -> None:
    compiled = compile_policy(made(GHENT, TIKTOK, ban(1, "ghent", "tiktok")), NOW)
    # One octet further than any alignment.
    files = [
        memoryview(bytearray(b"\x00" + file.data))[1:] for file in (compiled.names, compiled.ranges, compiled.rules)
    ]
    snapshot = Snapshot.open(compiled.manifest, files[0], files[1], files[2], "default")
    table = engine.Table(snapshot)
    assert table.snapshot is snapshot
    expected = table.judged(0, (ASKED,), NOW)
    del snapshot
    files.clear()
    assert expected[0] == 2
    assert table.judged(0, (ASKED,), NOW) == expected


CORRUPTIBLE = compile_policy(
    made(
        GHENT,
        network("198.51.100.0/24", "mechelen"),
        TIKTOK,
        service("capcut", ["capcut.example", "tiktok.example"]),
        ban(1, "ghent", "tiktok", reply=Reply.NXDOMAIN),
        ban(2, "ghent", "capcut", Mode.MONITOR, (Term(NOW, NOW + DAY), Term(NOW + 2 * DAY))),
        ban(3, "mechelen", "capcut", Mode.MONITOR),
        exemption(1, 1, ["192.0.2.0/24"], NOW, NOW + DAY),
    ),
    NOW,
)
FILES = (CORRUPTIBLE.names.data, CORRUPTIBLE.ranges.data, CORRUPTIBLE.rules.data)
NAMES = tuple(map(parse_name, ("x.tiktok.example", "login.example.org", "capcut.example", "example.org")))


def corrupted(which: int, data: st.DataObject) -> Snapshot:
    """A snapshot that no digest vouches for, where it opens."""
    files = [bytearray(octets) for octets in FILES]
    for place in data.draw(st.lists(st.integers(0, len(files[which]) - 1), min_size=1, max_size=4)):
        files[which][place] = data.draw(st.integers(0, 255))
    try:
        return Snapshot.open(CORRUPTIBLE.manifest, files[0], files[1], files[2], "default")
    except SnapshotError:
        reject()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_a_corrupt_names_file_is_read_as_the_reader_reads_it(data: st.DataObject) -> None:
    snapshot = corrupted(0, data)
    table = engine.Table(snapshot)
    for name in NAMES:
        assert table.matched((name,)) == _matched_or_none(snapshot, name)


def _matched_or_none(snapshot: Snapshot, name: WireName) -> tuple[Matched, ...] | None:
    try:
        return snapshot.match(name)
    except SnapshotError:
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_a_corrupt_rules_file_is_read_as_the_reader_reads_it(data: st.DataObject) -> None:
    snapshot = corrupted(2, data)
    table = engine.Table(snapshot)
    for client, name, at in product((b"\xc0\x00\x02\x01", b"\xc6\x33\x64\x01"), NAMES, (NOW - DAY, NOW, NOW + 3 * DAY)):
        range_class = snapshot.find(client)
        assert range_class is not None
        assert_judges_alike(snapshot, range_class, (name,), at)
        matches = snapshot.match(name)
        expected = snapshot.concerned(matches), snapshot.next_change(range_class, matches, at)
        assert table.changes(range_class, (name,), at) == expected
