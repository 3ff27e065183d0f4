"""Catalogue files: valid ones are accepted, and every problem of others is reported at once with its place."""

from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest

from blocklists.catalogue import MAX_FILE_BYTES, load_catalogue, parse_entry
from blocklists.categories import Category
from dnsfilter.errors import ConfigError
from dnsfilter.wire.names import parse_name

GOOD = """
slug = "sample"
name = "Sample"
category = "social"
reviewed = 2026-11-25
addresses = [
    { prefix = "192.0.2.0/24", sources = ["list-a"] },
]

[[source]]
id = "list-a"
what = "a public list"
revision = "0123abc"
licence = "MIT"

[[tier]]
number = 1
title = "Sample itself"
description = "Names of the sample."
domains = [
    { name = "sample.example", sources = ["list-a"], lists = 4, families = 2 },
]
hosts = [
    { name = "cdn.example.org", sources = ["list-a"], note = "a rented host" },
]
"""


def places(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return [problem.location for problem in error.value.problems]


def test_entry_holds_what_the_file_says() -> None:
    entry = parse_entry(GOOD, "sample.toml")
    assert (entry.slug, entry.name, entry.category) == ("sample", "Sample", Category.SOCIAL)
    assert entry.reviewed == date(2026, 11, 25)
    assert entry.sources[0].revision == "0123abc"
    assert [(each.prefix, each.sources) for each in entry.addresses] == [(ip_network("192.0.2.0/24"), ["list-a"])]
    assert entry.names_count == 2
    first, second = entry.tiers[0].names
    assert (first.exact, first.lists, first.families) == (False, 4, 2)
    assert (second.exact, second.note) == (True, "a rented host")
    tier = entry.service().tiers[0]
    assert tier.domains == {parse_name("sample.example")}
    assert tier.hosts == {parse_name("cdn.example.org")}


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


ADDRESS = '{ prefix = "192.0.2.0/24", sources = ["list-a"] },'
FIRST = '{ name = "sample.example", sources = ["list-a"], lists = 4, families = 2 },'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (replaced('slug = "sample"', 'slug = "Sample"'), "slug"),
        (replaced('slug = "sample"', 'slug = "other"'), "slug"),
        (replaced('name = "Sample"', 'name = ""'), "name"),
        (replaced('name = "Sample"', "name = 7"), "name"),
        (replaced('"social"', '"nonsense"'), "category"),
        (replaced("2026-11-25", '"2026-11-25"'), "reviewed"),
        (replaced("2026-11-25", "2026-11-25T10:00:00Z"), "reviewed"),
        (replaced('"list-a"', '"List A"'), "source[1].id"),
        (replaced('licence = "MIT"', ""), "source[1].licence"),
        (replaced("number = 1", "number = 0"), "tier[1].number"),
        (replaced("number = 1", "number = true"), "tier[1].number"),
        (replaced("number = 1", "number = 2"), "tier"),
        (replaced(ADDRESS, '{ prefix = "192.0.2.1/24", sources = ["list-a"] },'), "addresses[1].prefix"),
        (replaced(ADDRESS, '{ prefix = "192.0.2.0/24", sources = ["b"] },'), "addresses[192.0.2.0/24].sources"),
        (replaced(ADDRESS, '{ prefix = "192.0.2.0/24", sources = [] },'), "addresses[1].sources"),
        (replaced(ADDRESS, ADDRESS + ADDRESS), "addresses[192.0.2.0/24]"),
        (replaced('title = "Sample itself"', ""), "tier[1].title"),
        (replaced('title = "Sample itself"', 'title = "Sample itself"\ncolour = "red"'), "tier[1].colour"),
        (replaced(FIRST, '"sample.example",'), "tier[1].domains"),
        (replaced(FIRST, '{ sources = ["list-a"] },'), "tier[1].domains[1].name"),
        (replaced(FIRST, '{ name = "a..example", sources = ["list-a"] },'), "tier[1].domains[a..example]"),
        (replaced(FIRST, '{ name = "a b.example", sources = ["list-a"] },'), "tier[1].domains[a b.example]"),
        (replaced(FIRST, '{ name = "*.a.example", sources = ["list-a"] },'), "tier[1].domains[*.a.example]"),
        (replaced(FIRST, '{ name = "A.example", sources = ["list-a"] },'), "tier[1].domains[A.example]"),
        (replaced(FIRST, '{ name = "a.example.", sources = ["list-a"] },'), "tier[1].domains[a.example.]"),
        (replaced(FIRST, '{ name = "a.example", sources = [] },'), "tier[1].domains[a.example].sources"),
        (replaced(FIRST, '{ name = "a.example", sources = ["b"] },'), "tier[1].domains[a.example].sources"),
        (
            replaced(FIRST, '{ name = "a.example", sources = ["list-a", "list-a"] },'),
            "tier[1].domains[a.example].sources",
        ),
        (replaced("families = 2", "families = -2"), "tier[1].domains[sample.example].families"),
        (replaced(FIRST, FIRST + "\n" + FIRST), "tier[1].domains[sample.example]"),
        (replaced('"cdn.example.org"', '"sample.example"'), "tier[1].hosts[sample.example]"),
        (replaced('"cdn.example.org"', '"cdn.sample.example"'), "tier[1].hosts[cdn.sample.example]"),
        (GOOD + '[[source]]\nid = "list-b"\nwhat = "unused"\nlicence = "MIT"\n', "source"),
        (GOOD + '[[source]]\nid = "list-a"\nwhat = "again"\nlicence = "MIT"\n', "source"),
        (GOOD + '[[tier]]\nnumber = 2\ntitle = "Empty"\ndescription = "No name."\n', "tier[2]"),
    ],
)
def test_one_mistake_is_one_problem_with_its_place(text: str, place: str) -> None:
    file_name = "Sample.toml" if 'slug = "Sample"' in text else "sample.toml"
    with pytest.raises(ConfigError) as error:
        parse_entry(text, file_name)
    assert places(error) == [f"{file_name}:{place}"]


def test_same_name_in_two_tiers_is_a_problem() -> None:
    again = '[[tier]]\nnumber = 2\ntitle = "T"\ndescription = "D."\n'
    again += 'domains = [{ name = "sample.example", sources = ["list-a"] }]\n'
    with pytest.raises(ConfigError) as error:
        parse_entry(GOOD + again, "sample.toml")
    assert places(error) == ["sample.toml:tier[2].domains[sample.example]"]


def test_missing_source_and_tier_are_both_reported() -> None:
    with pytest.raises(ConfigError) as error:
        parse_entry(GOOD.partition("[[source]]")[0], "sample.toml")
    assert places(error) == ["sample.toml:source", "sample.toml:tier"]


def test_problems_of_keys_and_between_names_come_at_once() -> None:
    bad = replaced('"social"', '"nonsense"').replace("note = ", "nota = ") + "x = 1\n"
    bad += '[[tier]]\nnumber = 2\ntitle = "T"\ndescription = "D."\n'
    bad += 'domains = [{ name = "a.example", sources = ["list-a"] }]\n'
    bad += 'hosts = [{ name = "b.a.example", sources = ["x"] }]\n'
    with pytest.raises(ConfigError) as error:
        parse_entry(bad, "sample.toml")
    assert [str(problem) for problem in error.value.problems] == [
        "sample.toml:category: 'nonsense' is not one of " + ", ".join(Category),
        "sample.toml:tier[1].hosts[cdn.example.org].nota: is not a known key: did you mean 'note'?",
        "sample.toml:tier[1].x: is not a known key: known keys are number, title, description, domains, hosts",
        "sample.toml:tier[2].hosts[b.a.example]: is already covered by 'a.example'",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "slug = 1", "tier = 1", "tier = [[]]", "[tier]\nhosts = 1", "[[tier]]\nhosts = [1]", "a = " + "[" * 5_000],
)
def test_any_file_is_an_entry_or_problems(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_entry(text, "sample.toml")
    assert error.value.problems


def test_problems_of_all_files_come_at_once_in_order_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("slug = [", encoding="utf-8")
    (tmp_path / "b.toml").write_bytes(b"\xff")
    (tmp_path / "c.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    bad = (
        replaced('"social"', '"nonsense"').replace("number = 1", "number = 0").replace('slug = "sample"', 'slug = "d"')
    )
    (tmp_path / "d.toml").write_text(bad, encoding="utf-8")
    (tmp_path / "sample.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_catalogue(tmp_path)
    assert places(error) == [
        "a.toml",
        "b.toml",
        "c.toml",
        "d.toml:category",
        "d.toml:tier[1].number",
    ]


def test_directory_is_read_and_other_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "sample.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a service", encoding="utf-8")
    assert [entry.slug for entry in load_catalogue(tmp_path).entries] == ["sample"]


def test_missing_directory_is_a_problem_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_catalogue(tmp_path / "nowhere")
    assert places(error) == [str(tmp_path / "nowhere")]
