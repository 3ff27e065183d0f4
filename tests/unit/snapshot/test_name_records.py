"""The order of a names file: blocks of large services, which are taken from earlier files."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.decide import matched_tiers
from dnsfilter.policy.model import Service, Tier
from dnsfilter.snapshot import name_records
from dnsfilter.snapshot.name_records import KeptBlocks
from dnsfilter.snapshot.names_file import NameTable, compile_names, entries_of
from dnsfilter.wire.name_order import in_order
from tests.support.policies import names, service

LARGE = service("large", [f"n{number}.example" for number in range(9)])
LARGER = Service("larger", "Larger", (*service("larger", [f"m{number}.example" for number in range(9)]).tiers, Tier(2)))
SMALL = service("a.example.org", ["a.example.org"])
LISTED = service("n3.example", ["n3.example"])


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_records, "LARGE", 5)


@pytest.fixture
def sorted_names(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the names that were sorted since the start of the test."""
    found: list[bytes] = []

    def watched(given_names: Iterable[bytes]) -> Iterator[bytes]:
        ordered = list(in_order(given_names))
        found.extend(ordered)
        return iter(ordered)

    monkeypatch.setattr(name_records, "in_order", watched)
    return found


def test_large_services_come_first_and_keep_their_numbers() -> None:
    more = service("large", [f"n{number}.example" for number in range(20)])
    assert [entry.service for entry in entries_of((SMALL, LARGE))] == ["large", "a.example.org"]
    assert [entry[:2] for entry in entries_of((LARGER, SMALL, more))] == [
        ("large", 1),
        ("larger", 1),
        ("larger", 2),
        ("a.example.org", 1),
    ]


@pytest.mark.parametrize(
    ("services", "changed"),
    [
        ((LARGE,), (LARGE, SMALL)),
        ((LARGE, SMALL), (LARGE,)),
        ((LARGE, LARGER), (LARGE, LARGER, SMALL)),
        ((SMALL, LARGE), (service("a.example.org", ["b.example.org"]), LARGE)),
    ],
    ids=["added", "removed", "two large", "changed"],
)
def test_a_small_service_changes_without_sorting_the_large_ones(
    services: tuple[Service, ...], changed: tuple[Service, ...], sorted_names: list[bytes]
) -> None:
    kept = KeptBlocks()
    compile_names(services, kept=kept)
    sorted_names.clear()
    file = compile_names(changed, kept=kept)
    assert len(sorted_names) <= 1
    assert file == compile_names(changed)


def test_another_list_of_a_large_service_is_prepared_while_the_old_one_is_kept(sorted_names: list[bytes]) -> None:
    kept = KeptBlocks()
    compile_names((LARGE,), kept=kept)
    compile_names((service("large", [f"x{number}.example" for number in range(9)]),), kept=kept)
    sorted_names.clear()
    compile_names((LARGE, SMALL), kept=kept)
    assert len(sorted_names) == 1


def test_a_name_of_a_large_and_of_a_small_service_belongs_to_both() -> None:
    kept = KeptBlocks()
    compile_names((LARGE,), kept=kept)
    table = NameTable(compile_names((LARGE, LISTED), kept=kept).data)
    (name,) = LISTED.tiers[0].domains
    assert [table.entries[hit.entry].service for hit in table.match(name)] == ["large", "n3.example"]
    assert compile_names((LARGE,), kept=kept) == compile_names((LARGE,))


drawn = st.frozensets(names, max_size=8)
drawn_services = st.lists(st.tuples(drawn, drawn, drawn), min_size=1, max_size=4).map(
    lambda found: tuple(
        Service(f"s{number}", "S", (Tier(1, domains, hosts), Tier(1, pending, frozenset(), 1)))
        for number, (domains, hosts, pending) in enumerate(found)
    )
)


@given(st.lists(drawn_services, min_size=2, max_size=3), names)
def test_kept_blocks_change_no_byte_and_no_match(versions: list[tuple[Service, ...]], name: bytes) -> None:
    kept = KeptBlocks()
    for services in versions:
        file = compile_names(services, kept=kept)
        assert file == compile_names(services)
        table = NameTable(file.data)
        assert {table.entries[hit.entry].service for hit in table.match(name)} == {
            each.slug for each in services if matched_tiers(each, name)
        }
