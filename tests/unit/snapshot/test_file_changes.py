"""Changes lead from one names file to another, and damaged ones lead nowhere."""

from collections.abc import Iterable
from struct import pack, pack_into

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Service, Tier
from dnsfilter.snapshot.compiler import compile_names
from dnsfilter.snapshot.file_changes import apply_changes, changes_between
from dnsfilter.snapshot.ranges_file import compile_ranges
from dnsfilter.wire.names import parse_name
from tests.support.policies import policy

ROOM = 1 << 20


def names_file(services: dict[str, Iterable[str]]) -> bytes:
    made = (
        Service(slug, slug, (Tier(1, frozenset(map(parse_name, names)), frozenset()),))
        for slug, names in services.items()
    )
    return compile_names(tuple(made)).data


MANY = [f"n{number}.example.org" for number in range(5_000)]
FILES = {
    "none": names_file({}),
    "one": names_file({"alpha": ["example.net"]}),
    "many": names_file({"large": MANY}),
    "many-and-one": names_file({"large": MANY, "a-single.example.net": ["a-single.example.net"]}),
    "many-less-some": names_file({"large": MANY[:-100], "alpha": ["example.net"]}),
}


def changes(before: bytes, after: bytes) -> bytes:
    found = changes_between(before, after, ROOM)
    assert found is not None
    return found


@pytest.mark.parametrize("after", FILES)
@pytest.mark.parametrize("before", FILES)
def test_changes_lead_from_any_file_to_any_other(before: str, after: str) -> None:
    old, new = FILES[before], FILES[after]
    assert apply_changes(old, changes(old, new), len(new)) == new


def test_changes_of_one_name_are_small_next_to_all_names() -> None:
    old, new = FILES["many"], FILES["many-and-one"]
    assert len(changes(old, new)) < len(new) // 20


def test_changes_that_are_too_large_are_none() -> None:
    size = len(changes(FILES["one"], FILES["many"]))
    assert changes_between(FILES["one"], FILES["many"], size) is not None
    assert changes_between(FILES["one"], FILES["many"], size - 1) is None
    assert changes_between(FILES["one"], FILES["many"], 10) is None


def test_only_names_files_are_compared() -> None:
    ranges = compile_ranges(policy(), {}, {}).data
    for old, new in ((ranges, FILES["one"]), (FILES["one"], ranges), (FILES["one"], b""), (b"", FILES["one"])):
        with pytest.raises(SnapshotError):
            changes_between(old, new, ROOM)


def test_changes_that_are_cut_short_or_damaged_are_refused() -> None:
    old, new = FILES["many"], FILES["many-and-one"]
    complete = changes(old, new)
    for size in (0, 3, 4, 20, 100, len(complete) // 2, len(complete) - 10):
        with pytest.raises(SnapshotError, match=r"cut short|damaged|do not make"):
            apply_changes(old, complete[:size], len(new))
    damaged = bytearray(complete)
    damaged[4 + 24 * complete[0]] = 0xFF  # the first byte after the pieces
    with pytest.raises(SnapshotError, match="damaged"):
        apply_changes(old, bytes(damaged), len(new))


@pytest.mark.parametrize(
    ("place", "number", "reason"),
    [
        (4, 2**63, "do not make"),
        (12, 2**63, "lies beyond the old file"),
        (20, 2**63, "lies beyond the old file"),
        (20, 2**10, "lies beyond the old file"),
    ],
    ids=["size", "start", "shared", "more-shared-than-there-is"],
)
def test_pieces_beyond_a_file_are_refused(place: int, number: int, reason: str) -> None:
    old, new = FILES["many"], FILES["many-and-one"]
    damaged = bytearray(changes(old, new))
    pack_into("<Q", damaged, place, number)
    with pytest.raises(SnapshotError, match=reason):
        apply_changes(old, bytes(damaged), len(new))


def test_too_many_pieces_and_another_size_are_refused() -> None:
    old, new = FILES["many"], FILES["many-and-one"]
    with pytest.raises(SnapshotError, match="more than 256"):
        apply_changes(old, pack("<I", 257) + bytes(257 * 24), 0)
    with pytest.raises(SnapshotError, match="do not make"):
        apply_changes(old, changes(old, new), len(new) + 1)
