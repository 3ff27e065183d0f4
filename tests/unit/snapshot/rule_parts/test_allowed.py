"""The allowed names of a rules file: what is kept, when each holds, and which records are invalid."""

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import AllowedName
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.layout import ALLOWED, CLASS_ALLOWED, Kind, Part
from dnsfilter.snapshot.rule_parts.allowed import AllowedTable, allowed_sections
from dnsfilter.snapshot.sections import Section, read_file
from dnsfilter.wire.names import parse_name
from tests.support.policies import DAY, NOW, allowed, network, policy, service

CLASSES = ("ghent", "ghent", "mechelen")
NAME = parse_name("cdn.example.net")


def table(*names: AllowedName, since: int = NOW) -> AllowedTable:
    made = allowed_sections(names, CLASSES, since)
    return AllowedTable({part: Section(part.name, memoryview(data)) for part, data in made.items() if data}, 3)


def test_names_hold_for_every_class_of_their_authority_while_in_force() -> None:
    found = table(allowed(1, "ghent", "cdn.example.net", NOW + 10, NOW + 20), allowed(2, "diest", "example.net"))
    assert [found.has_any(number) for number in range(3)] == [True, True, False]
    holding = {at: found.covers(1, NAME, NOW + at) for at in (9, 10, 19, 20)}
    assert holding == {9: False, 10: True, 19: True, 20: False}
    changes = [found.next_change(0, [parse_name("other.example"), NAME], NOW + at) for at in (0, 10, 20)]
    assert changes == [NOW + 10, NOW + 20, None]
    assert found.next_change(0, [parse_name("example.net")], NOW) is None
    assert found.in_force(0, NOW + 10) == {(NAME, False)}
    assert found.in_force(0, NOW) == found.in_force(2, NOW + 10) == frozenset()


def test_times_of_one_name_are_joined() -> None:
    names = (allowed(1, "ghent", "cdn.example.net", NOW, NOW + 10), allowed(2, "ghent", "cdn.example.net", NOW + 10))
    assert table(*names).next_change(0, [NAME], NOW) == NOW + 30 * DAY


def test_exactly_a_name_is_apart_from_all_below_it() -> None:
    found = table(
        allowed(1, "ghent", "example.net", end=NOW + 9, exact=True), allowed(2, "ghent", "example.net", NOW + 5)
    )
    assert [found.covers(0, parse_name("example.net"), NOW + at) for at in (0, 5, 9)] == [True, True, True]
    assert [found.covers(0, NAME, NOW + at) for at in (0, 5, 9)] == [False, True, True]


@pytest.mark.parametrize(
    "ended",
    [
        allowed(1, "ghent", "example.net", NOW - 9, NOW),
        allowed(1, "ghent", "example.net", recorded=None),
        allowed(1, "diest", "example.net"),
    ],
    ids=["ended", "not approved", "of an authority without ranges"],
)
def test_sections_are_left_out_without_names_that_matter(ended: AllowedName) -> None:
    assert set(allowed_sections([ended], CLASSES, NOW).values()) == {b""}
    made = compile_policy(policy(network("192.0.2.0/24", "ghent"), service("tiktok", ["tiktok.example"])), NOW)
    assert not {Part.ALLOWED, Part.ALLOWED_NAMES, Part.CLASS_ALLOWED} & read_file(Kind.RULES, made.rules.data).keys()


RECORD = ALLOWED.pack(NOW, NOW + 1, 0, 4, 0)
SOUND = {
    Part.ALLOWED: RECORD,
    Part.ALLOWED_NAMES: b"\x02ab\x00\x02aa\x00",
    Part.CLASS_ALLOWED: CLASS_ALLOWED.pack(0, 1),
}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({Part.ALLOWED: ALLOWED.pack(NOW, NOW, 0, 4, 0)}, "is invalid"),
        ({Part.ALLOWED: ALLOWED.pack(NOW, NOW + 1, 0, 4, 2)}, "is invalid"),
        ({Part.ALLOWED: ALLOWED.pack(NOW, NOW + 1, 5, 4, 0)}, "has no 4 bytes at 5"),
        ({Part.CLASS_ALLOWED: CLASS_ALLOWED.pack(0, 2)}, "has no 2 records from 0"),
        ({Part.CLASS_ALLOWED: CLASS_ALLOWED.pack(0, 1) * 2}, "2 of 1 classes"),
        ({Part.ALLOWED: b""}, "do not exist"),
        (
            {
                Part.ALLOWED: RECORD + ALLOWED.pack(NOW, NOW + 1, 4, 4, 0),
                Part.CLASS_ALLOWED: CLASS_ALLOWED.pack(0, 2),
            },
            "are not sorted",
        ),
    ],
)
def test_invalid_records_are_rejected(changed: dict[Part, bytes], fault: str) -> None:
    def opened(parts: dict[Part, bytes]) -> AllowedTable:
        return AllowedTable({part: Section(part.name, memoryview(data)) for part, data in parts.items() if data}, 1)

    assert opened(SOUND).covers(0, b"\x02ab\x00", NOW)
    with pytest.raises(SnapshotError, match=fault):
        opened({**SOUND, **changed})
