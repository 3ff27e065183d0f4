"""The document of the catalogue: its table of services is the packaged catalogue, its example is a valid file."""

import re
from pathlib import Path

from blocklists.catalogue import Entry, load_catalogue, parse_entry
from blocklists.categories import Category

DOCUMENT = (Path(__file__).parents[3] / "docs" / "reference" / "catalogue.md").read_text(encoding="utf-8")


def row(entry: Entry) -> str:
    sizes = {tier.number: len(tier.names) for tier in entry.tiers}
    cells = [f"`{entry.slug}`", entry.name, entry.category, *(str(sizes.get(number, "–")) for number in (1, 2, 3, 4))]
    return f"| {' | '.join(cells)} | {entry.reviewed} |"


def test_table_of_services_is_the_catalogue() -> None:
    shown = [line for line in DOCUMENT.splitlines() if line.startswith("| `") and line.count("|") == 9]
    assert shown == [row(entry) for entry in load_catalogue().entries]


def test_total_is_that_of_the_catalogue() -> None:
    entries = load_catalogue().entries
    total = sum(entry.names_count for entry in entries)
    assert f"{len(entries)} services, {total} names" in DOCUMENT


def test_example_is_a_valid_file() -> None:
    example = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert example is not None
    assert parse_entry(example.group(1), "sample.toml").names_count == 3


def test_every_category_is_documented() -> None:
    assert [category for category in Category if f"`{category}`" not in DOCUMENT] == []
