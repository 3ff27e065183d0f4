"""The names file: matching at label boundaries, hosts, longest suffixes, collisions, a hundred thousand names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import PolicyError
from dnsfilter.policy.decide import matched_tiers
from dnsfilter.policy.model import Service, Tier
from dnsfilter.snapshot.compiler import compile_names
from dnsfilter.snapshot.hashing import extend, hash_parameters
from dnsfilter.snapshot.names_file import DEFAULT_HASH_KEY, Matched, NameTable, entries_of
from dnsfilter.wire.names import parse_name
from tests.fuzz.examples import examples
from tests.support.policies import names, service, wire

TIKTOK = Service(
    "tiktok",
    "TikTok",
    (
        Tier(1, wire("tiktok.example", "deep.cdn.tiktok.example"), wire("login.example.org")),
        Tier(2, wire("cdn.tiktok.example"), wire("tiktok.example")),
    ),
)
CAPCUT = service("capcut", ["cdn.tiktok.example"], ["capcut.example"])


def table(*services: Service) -> NameTable:
    return NameTable(compile_names(services).data)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiktok.example", [("tiktok", 1, "tiktok.example", True), ("tiktok", 2, "tiktok.example", False)]),
        ("www.tiktok.example", [("tiktok", 1, "tiktok.example", True)]),
        ("nottiktok.example", []),
        ("example", []),
        ("tiktok.example.org", []),
        ("login.example.org", [("tiktok", 1, "login.example.org", False)]),
        ("www.login.example.org", []),
        (
            "a.cdn.tiktok.example",
            [
                ("capcut", 1, "cdn.tiktok.example", True),
                ("tiktok", 1, "tiktok.example", True),
                ("tiktok", 2, "cdn.tiktok.example", True),
            ],
        ),
        (
            "a.b.deep.cdn.tiktok.example",
            [
                ("capcut", 1, "cdn.tiktok.example", True),
                ("tiktok", 1, "deep.cdn.tiktok.example", True),
                ("tiktok", 2, "cdn.tiktok.example", True),
            ],
        ),
        (".".join(["x"] * 100) + ".tiktok.example", [("tiktok", 1, "tiktok.example", True)]),
        (".", []),
    ],
)
def test_every_entry_matches_by_its_longest_suffix(name: str, expected: list[tuple[str, int, str, bool]]) -> None:
    names = table(TIKTOK, CAPCUT)
    found = [(*names.entries[hit.entry][:2], hit.suffix, hit.domain) for hit in names.match(parse_name(name))]
    assert found == [(slug, tier, len(parse_name(suffix)), domain) for slug, tier, suffix, domain in expected]


def test_entries_are_numbered_by_slug_and_tier() -> None:
    assert table(TIKTOK, CAPCUT).entries == (("capcut", 1, 0), ("tiktok", 1, 0), ("tiktok", 2, 0))
    assert entries_of((TIKTOK, CAPCUT)) == entries_of((CAPCUT, TIKTOK))


def test_no_services_make_a_table_that_matches_nothing() -> None:
    assert table().match(parse_name("www.tiktok.example")) == ()


@pytest.mark.parametrize(
    "name",
    [b"", b"\x00", b"\x03www", b"\x05ab\x00", b"\x01a\x00\x01b\x00", b"\xff" * 300, b"\x40" + b"a" * 64 + b"\x00"],
)
def test_invalid_name_matches_nothing(name: bytes) -> None:
    assert table(TIKTOK).match(name) == ()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00", id="root"),
        pytest.param(b"\x03www", id="without root"),
        pytest.param(b"\x03wWw\x00", id="upper case"),
        pytest.param(b"\x09www\x00", id="label too long"),
        pytest.param(b"\x01a" * 128 + b"\x00", id="name too long"),
    ],
)
def test_service_with_an_invalid_name_is_rejected(name: bytes) -> None:
    with pytest.raises(PolicyError, match="compile names"):
        compile_names((Service("broken", "Broken", (Tier(1, frozenset({name})),)),))


def test_the_file_depends_on_services_and_key_alone() -> None:
    shuffled = Service("tiktok", "TikTok", tuple(reversed(TIKTOK.tiers)))
    file = compile_names((TIKTOK, CAPCUT))
    assert compile_names((CAPCUT, shuffled)) == file
    assert compile_names((TIKTOK, CAPCUT), bytes(16)).digest != file.digest


@pytest.mark.parametrize("key", [bytes(16), bytes(range(16)), b"\xff" * 16, DEFAULT_HASH_KEY])
def test_any_key_finds_the_same(key: bytes) -> None:
    names = NameTable(compile_names((TIKTOK, CAPCUT), key).data)
    assert [hit.entry for hit in names.match(parse_name("a.cdn.tiktok.example"))] == [0, 1, 2]


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="8 bytes instead of 16"):
        compile_names((TIKTOK,), bytes(8))


def test_names_that_are_cut_into_the_same_words_have_different_hashes() -> None:
    multiplier, _ = hash_parameters(DEFAULT_HASH_KEY)
    labels = [b"\x06abcdef", b"\x07abcdefg", b"\x07abcdef\x00", b"\x08abcdefgh", b"\x03abc", b"\x04abc\x00"]
    parents = (0, extend(0, b"\x07example", multiplier))
    hashes = {extend(parent, label, multiplier) for parent in parents for label in labels}
    assert len(hashes) == 2 * len(labels)


@examples(100)
@given(
    st.lists(st.tuples(st.frozensets(names, max_size=6), st.frozensets(names, max_size=4)), min_size=1, max_size=4),
    names,
)
def test_matches_the_same_as_the_oracle(tiers: list[tuple[frozenset[bytes], frozenset[bytes]]], name: bytes) -> None:
    made = Service("a", "A", tuple(Tier(n, domains, hosts) for n, (domains, hosts) in enumerate(tiers, 1)))
    names = table(made)
    found = {names.entries[hit.entry][1]: name[len(name) - hit.suffix :] for hit in names.match(name)}
    assert found == matched_tiers(made, name)


@pytest.mark.heavy
def test_a_hundred_thousand_names_are_all_found_and_no_others() -> None:
    listed = [parse_name(f"n{number}.list{number % 97}.example") for number in range(100_000)]
    file = compile_names((Service("big", "Big", (Tier(1, frozenset(listed)),)),))
    # The limit is 60 bytes per name: 60 MB for a million names.
    assert len(file.data) < 60 * len(listed)
    names = NameTable(file.data)
    for name in listed[::7]:
        assert names.match(b"\x03www" + name) == (Matched(0, len(name), True),)
        assert names.match(bytes([name[0] + 1]) + b"x" + name[1:]) == ()
