"""A rules file names what is counted, and which rule and class feeds it. Files without counts stay readable."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Binding, Ground, Mode, Policy, Suspension, Usage
from dnsfilter.snapshot.compiler import Compiled, compile_policy
from dnsfilter.snapshot.layout import BAN_COUNT, CLASS_COUNT, OPTIONAL, RULE, RULE_COUNT, Kind, Part
from dnsfilter.snapshot.manifest import FileRef, parse_manifest, write_manifest
from dnsfilter.snapshot.overlay import overlay_rules
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.rulebook import RuleTable
from dnsfilter.snapshot.sections import File, read_file, write_file
from dnsfilter.telemetry.metrics import BanGround
from dnsfilter.telemetry.policy_words import BanCount
from tests.support.policies import NOW, authority, ban, network, policy, service

COUNTS = (Part.BAN_COUNTS, Part.RULE_COUNTS, Part.CLASS_COUNTS)
TIKTOK_NAME = b"\x06tiktok\x07example\0"
TIKTOK = service("tiktok", ["tiktok.example"])
OFFICE = policy(
    network("192.0.2.0/24", "ghent"),
    network("198.51.100.0/24", "police"),
    network("203.0.113.0/24", "diest"),
    authority("diest", usage=Usage.NONE),
    TIKTOK,
    ban(1, "ghent", "tiktok"),
    ban(2, "police", "tiktok", Mode.OFF),
    ban(3, "diest", "tiktok"),
    Binding(1, 1, "police", Ground.LAW, 0),
)
GHENT = BanCount("ghent", "tiktok", "ghent", BanGround.OWN)
POLICE = BanCount("police", "tiktok", "police", BanGround.OWN)
BOUND = BanCount("police", "tiktok", "ghent", BanGround.LAW)


def parts_of(compiled: Compiled) -> dict[Part, bytes]:
    return {part: bytes(section.data) for part, section in read_file(Kind.RULES, compiled.rules.data).items()}


def opened(compiled: Compiled, rules: File) -> Snapshot:
    given = FileRef(rules.digest, len(rules.data))
    manifest = write_manifest(replace(parse_manifest(compiled.manifest), rules=given))
    return Snapshot.open(manifest, compiled.names.data, compiled.ranges.data, rules.data, "default")


def test_rules_and_classes_feed_the_counts_of_their_authority() -> None:
    table = RuleTable(compile_policy(OFFICE, NOW).rules.data)
    words = table.counts.words
    assert words.pairs == (("ghent", "tiktok"), ("police", "tiktok"))
    assert words.bans == (GHENT, BOUND, POLICE)
    assert words.bypass == ("ghent", "police")
    fed = [[words.bans[rule.count] for rule in table.rules(number) if rule.count >= 0] for number in range(3)]
    assert dict(zip(table.authorities, fed, strict=True)) == {"diest": [], "ghent": [GHENT], "police": [BOUND]}
    assert dict(zip(table.authorities, table.counts.by_class, strict=True)) == {"diest": -1, "ghent": 0, "police": 1}


def test_policy_that_counts_nothing_has_no_section_of_counts() -> None:
    quiet = replace(OFFICE, authorities=tuple(replace(each, usage=Usage.NONE) for each in OFFICE.authorities))
    assert parts_of(compile_policy(quiet, NOW)).keys().isdisjoint(OPTIONAL - {Part.CLASS_SCOPES})


def test_file_without_counts_is_read_and_decides_the_same() -> None:
    compiled = compile_policy(OFFICE, NOW)
    old = {part: data for part, data in parts_of(compiled).items() if part not in COUNTS}
    snapshot = opened(compiled, write_file(Kind.RULES, old))
    assert (snapshot.words.pairs, snapshot.words.bans, snapshot.words.bypass) == (
        (("ghent", "tiktok"), ("police", "tiktok")),
        (),
        (),
    )
    found = snapshot.find(b"\xc0\x00\x02\x01")
    assert found is not None
    judgement = snapshot.judge(found, snapshot.match(TIKTOK_NAME), NOW, [TIKTOK_NAME])
    assert (judgement.verdict, judgement.refused, judgement.refused_by) == (Verdict.REFUSE, 0, -1)
    assert snapshot.bypass_number(found) == -1


def test_toggle_changes_no_word() -> None:
    def words(mode: Mode) -> object:
        bans = tuple(replace(each, mode=mode) if each.number == 1 else each for each in OFFICE.bans)
        return RuleTable(compile_policy(replace(OFFICE, bans=bans), NOW).rules.data).counts.words

    assert words(Mode.ENFORCE) == words(Mode.MONITOR) == words(Mode.OFF)


def test_suspension_laid_over_keeps_the_counts() -> None:
    rules = compile_policy(OFFICE, NOW).rules.data
    laid = overlay_rules(rules, [Suspension("ghent", NOW, NOW + 60)], NOW)
    assert RuleTable(laid).counts == RuleTable(rules).counts


def number(value: int) -> bytes:
    return RULE_COUNT.pack(value)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (Part.RULE_COUNTS, lambda data: data + number(0), "records instead of"),
        (Part.RULE_COUNTS, lambda data: data[4:], "records instead of"),
        (Part.RULE_COUNTS, lambda data: number(3) + data[4:], "does not exist"),
        (Part.CLASS_COUNTS, lambda data: data + number(0), "records instead of"),
        (Part.CLASS_COUNTS, lambda data: number(7) + data[4:], "does not exist"),
        (Part.CLASS_COUNTS, lambda data: number(0) + data[4:], "counts as"),
        (Part.BAN_COUNTS, lambda data: b"", "does not exist"),
        (Part.BAN_COUNTS, lambda data: BAN_COUNT.pack(0, 0, 0, 0, 0, 3) + data[24:], "unknown ground 3"),
        (Part.BAN_COUNTS, lambda data: BAN_COUNT.pack(1 << 20, 0, 0, 0, 0, 0) + data[24:], "no record"),
    ],
)
def test_damaged_counts_are_an_error(part: Part, change: object, message: str) -> None:
    assert callable(change)
    parts = parts_of(compile_policy(OFFICE, NOW))
    parts[part] = change(parts[part])
    with pytest.raises(SnapshotError, match=message):
        RuleTable(write_file(Kind.RULES, parts).data)


def test_sections_are_parallel_to_rules_and_classes() -> None:
    parts = parts_of(compile_policy(OFFICE, NOW))
    assert len(parts[Part.RULE_COUNTS]) // RULE_COUNT.size == len(parts[Part.RULES]) // RULE.size
    assert len(parts[Part.CLASS_COUNTS]) // CLASS_COUNT.size == 3


def test_two_policies_with_equal_counts_have_equal_words() -> None:
    def words(policy: Policy) -> object:
        return RuleTable(compile_policy(policy, NOW).rules.data).counts.words

    assert words(OFFICE) == words(replace(OFFICE, revision=9))


def test_ranges_counted_on_their_own_have_ban_counts_of_their_own() -> None:
    ranged = replace(
        OFFICE,
        ranges=(*OFFICE.ranges, network("192.0.3.0/28", "ghent"), network("192.0.3.16/29", "ghent")),
        authorities=tuple(
            replace(each, usage=Usage.RANGE) if each.slug == "ghent" else each for each in OFFICE.authorities
        ),
    )
    compiled = compile_policy(ranged, NOW)
    snapshot = opened(compiled, compiled.rules)
    counts = {}
    for first in ("192.0.2.1", "192.0.3.1", "192.0.3.17"):
        found = snapshot.find(ip_address(first).packed)
        assert found is not None
        judgement = snapshot.judge(found, snapshot.match(TIKTOK_NAME), NOW, [TIKTOK_NAME])
        counts[first] = snapshot.words.bans[judgement.refused_by]
        assert snapshot.words.pairs[judgement.refused] == ("ghent", "tiktok")
        assert snapshot.words.bypass[snapshot.bypass_number(found)] == "ghent"
    assert counts == {
        "192.0.2.1": GHENT._replace(site="default", prefix="192.0.2.0/24"),
        "192.0.3.1": GHENT._replace(site="default", prefix="192.0.3.0/28"),
        "192.0.3.17": GHENT,
    }
    words = range(snapshot.words.first_ban, snapshot.words.first_bypass)
    samples = set(map(snapshot.words.sample, words))
    assert len(samples) == 3 * len({count[:4] for count in snapshot.words.bans})


def test_change_of_the_level_makes_new_classes_even_if_ranges_are_the_same() -> None:
    before = compile_policy(OFFICE, NOW)
    ranged = replace(OFFICE, authorities=tuple(replace(each, usage=Usage.RANGE) for each in OFFICE.authorities))
    after = compile_policy(ranged, NOW, before=before)
    assert after.ranges.data == compile_policy(ranged, NOW).ranges.data
    assert after.rules == compile_policy(ranged, NOW).rules
