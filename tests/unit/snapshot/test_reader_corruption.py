"""Damaged files: opening raises SnapshotError, or gives a snapshot that raises nothing else."""

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Binding, Ground, Mode, Reply, Term, Tier
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.layout import HEADER, SECTION
from dnsfilter.snapshot.manifest import FileRef, parse_manifest, write_manifest
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.names import parse_name
from tests.fuzz.examples import examples
from tests.support.policies import DAY, NOW, ban, exemption, network, policy, service, wire

POLICY = policy(
    network("192.0.2.0/24", "ghent"),
    network("192.0.2.64/26", "mechelen"),
    network("2001:db8::/32", "ghent"),
    network("2001:db8:1::/48", "mechelen"),
    service("tiktok", ["tiktok.example"], ["login.example.org"], Tier(2, wire("cdn.tiktok.example"))),
    service("capcut", ["capcut.example", "cdn.tiktok.example"]),
    ban(1, "ghent", "tiktok", reply=Reply.ADDRESS, addresses=("192.0.2.80", "2001:db8::80")),
    ban(2, "ghent", "capcut", Mode.MONITOR, (Term(NOW, NOW + DAY), Term(NOW + 2 * DAY))),
    Binding(1, 1, "mechelen", Ground.LAW, start=0),
    exemption(1, 1, ["192.0.2.64/26"], NOW, NOW + DAY),
)
COMPILED = compile_policy(POLICY, NOW)
FILES = (COMPILED.names.data, COMPILED.ranges.data, COMPILED.rules.data)
ADDRESSES = tuple(ip_address(text).packed for text in ("192.0.2.1", "192.0.2.77", "203.0.113.1", "2001:db8:1::1", "::"))
NAMES = tuple(map(parse_name, ("x.cdn.tiktok.example", "login.example.org", "capcut.example", "example.org")))
INSTANTS = (0, NOW - 1, NOW, NOW + DAY, NOW + 3 * DAY, 2**62)


def use(files: list[bytes]) -> int:
    """Call everything of a snapshot of these files, with a manifest of their sizes. Return its number of addresses."""
    manifest = parse_manifest(COMPILED.manifest)
    sizes = [len(data) for data in files]
    fitting = write_manifest(
        type(manifest)(
            manifest.revision,
            manifest.made_s,
            FileRef(manifest.names.digest, sizes[0]),
            FileRef(manifest.ranges.digest, sizes[1]),
            FileRef(manifest.rules.digest, sizes[2]),
        )
    )
    snapshot = Snapshot.open(fitting, files[0], files[1], files[2], "default")
    matches = snapshot.match_all(NAMES)
    snapshot.concerned(matches)
    known = 0
    for address in ADDRESSES:
        found = snapshot.find(address)
        if found is None:
            continue
        known += 1
        snapshot.authority(found)
        for at in INSTANTS:
            judgement = snapshot.judge(found, matches, at, NAMES)
            assert all(pair < len(snapshot.pairs) for pair in (judgement.refused, *judgement.monitored))
            snapshot.next_change(found, matches, at, NAMES)
            snapshot.enforcing(found, at)
    for at in INSTANTS:
        snapshot.decide(ip_address("192.0.2.77"), NAMES[0], at)
    return known


def survives(files: list[bytes]) -> None:
    with suppress(SnapshotError):
        use(files)


def test_undamaged_files_are_read() -> None:
    assert use(list(FILES)) == 3


@examples(200)
@given(st.integers(0, 2), st.data())
def test_flipped_bytes_raise_nothing_else(which: int, data: st.DataObject) -> None:
    content = bytearray(FILES[which])
    # Most of a small file is header, table and padding: half of the flips go where the records are.
    body = HEADER.size + SECTION.size * HEADER.unpack_from(content)[4]
    used = [place for place in range(body, len(content)) if content[place]]
    places = st.one_of(st.integers(0, len(content) - 1), st.sampled_from(used))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=6)):
        content[place] = value
    survives([bytes(content) if number == which else other for number, other in enumerate(FILES)])


@pytest.mark.slow
def test_every_byte_at_its_largest_value() -> None:
    for which, original in enumerate(FILES):
        for place in range(len(original)):
            content = bytearray(original)
            content[place] = 0xFF
            survives([bytes(content) if number == which else other for number, other in enumerate(FILES)])


@examples(100)
@given(st.integers(0, 2), st.data())
def test_files_cut_short_or_grown(which: int, data: st.DataObject) -> None:
    original = FILES[which]
    content = original[: data.draw(st.integers(0, len(original)))] + data.draw(st.binary(max_size=80))
    survives([content if number == which else other for number, other in enumerate(FILES)])


@examples(50)
@given(st.permutations(FILES))
def test_files_in_each_others_place(files: list[bytes]) -> None:
    survives(list(files))


@examples(50)
@given(st.lists(st.binary(max_size=300), min_size=3, max_size=3))
def test_arbitrary_files_raise_nothing_else(files: list[bytes]) -> None:
    survives(files)


def test_file_of_another_size_than_in_the_manifest_is_rejected() -> None:
    with pytest.raises(SnapshotError, match="the names file has"):
        Snapshot.open(COMPILED.manifest, FILES[0] + b"\x00", FILES[1], FILES[2], "default")
