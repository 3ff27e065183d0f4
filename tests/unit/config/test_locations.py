"""Locations in a TOML file: key paths in file order, with the identity of their entry."""

import tomllib

import pytest

from dnsfilter.config.locations import Fault, KeyPath, parse_path, parse_toml, path_text
from dnsfilter.errors import ConfigError

TRICKY = '''\
# a comment with [brackets] and = signs
top = "a # no comment"   # but this is
"quoted key" = 'C:\\'
dotted.inner = 1

[table]
list = [
  "one", # first
  "two,",
  ["nested", """
multi ] line "quoted" text""", 'x'],
]
inline = { a = 1, b = { c = "}" } }
text = """
[not.a.header]
key = "no key" \\""" ""
"""

[[item]]
name = 1
[[item.part]]
size = 1
[[item.part]]
size = 2
[item.part.detail]
deep = 1979-05-27 07:32:00

[[item]]
name = 2
[[item.part]]
size = 3
last = true'''

PATHS: list[KeyPath] = [
    ("top",),
    ("quoted key",),
    ("dotted", "inner"),
    ("table", "list", 1),
    ("table", "list", 2, 1),
    ("table", "list", 2, 2),
    ("table", "inline", "b", "c"),
    ("table", "text"),
    ("item", 0, "part", 1, "detail", "deep"),
    ("item", 1, "name"),
    ("item", 1, "part", 0, "last"),
]
"""Paths in the order of the text."""


@pytest.mark.parametrize("text", [TRICKY, TRICKY.replace("\n", "\r\n")], ids=["lf", "crlf"])
def test_problems_come_in_the_order_in_which_their_keys_are_written(text: str) -> None:
    written = parse_toml(text, "file")
    faults = [Fault(path, "is wrong") for path in PATHS]
    for order in (faults, faults[::-1]):
        assert [problem.location for problem in written.problems(order)] == [
            f"file {path_text(path)}" for path in PATHS
        ]


@pytest.mark.parametrize("path", [*PATHS, ("item", 0), ()])
def test_paths_in_the_file_are_known(path: KeyPath) -> None:
    written = parse_toml(TRICKY, "file")
    assert written.holds(path)
    for missing in ("missing", 9, -1):
        assert not written.holds((*path, missing))


def test_a_missing_key_comes_first_of_its_table() -> None:
    written = parse_toml(TRICKY, "file")
    paths: list[KeyPath] = [("item", 1, "name"), ("item", 1, "missing"), ("item", 0, "name"), ("nowhere",)]
    assert [problem.location for problem in written.problems([Fault(path, "is wrong") for path in paths])] == [
        "file nowhere",
        "file item[0].name",
        "file item[1].missing",
        "file item[1].name",
    ]


def test_problems_come_in_file_order_and_once() -> None:
    written = parse_toml("a = 1\n[b]\nc = [\n  1,\n  2,\n]\n", "file.toml")
    two = Fault(("b", "c", 1), "is two")
    faults = [two, Fault(("a",), "is one"), two, Fault((), "is all")]
    assert [str(problem) for problem in written.problems(faults)] == [
        "file.toml: is all",
        "file.toml a: is one",
        "file.toml b.c[1]: is two",
    ]


@pytest.mark.parametrize(
    ("text", "path", "location"),
    [
        ("[[ban]]\nauthority='ghent'\nservice='tiktok'", ("ban", 0, "mode"), "ban[0].mode (ghent, tiktok)"),
        ("[[ban]]\nservice='x'\n[[ban.term]]\nof='y'", ("ban", 0, "term", 0, "end"), "ban[0].term[0].end (x)"),
        ("[[exemption]]\nof='ghent'\nservice='x'", ("exemption", 0), "exemption[0] (ghent, x)"),
        ("[[range]]\nprefix='192.0.2.0/24'", ("range", 0, "label"), "range[0].label (192.0.2.0/24)"),
        ("[[range]]\nprefix='192.0.2.0/24'", ("range", 0, "prefix"), "range[0].prefix"),
        ("[[limits.override]]\nprefix='::1'", ("limits", "override", 0, "burst"), "limits.override[0].burst (::1)"),
        ("[[site]]\nslug=7", ("site", 0, "name"), "site[0].name"),
        ("[[site]]\nslug='a\\tb'".replace("'", '"'), ("site", 0, "name"), "site[0].name"),
        (f"[[site]]\nslug='{'a' * 81}'", ("site", 0, "name"), "site[0].name"),
        ("site = ['slug']", ("site", 0), "site[0]"),
        ("[authority]\nslug = 'ghent'", ("authority", "name"), "authority.name"),
    ],
)
def test_place_identifies_its_entry(text: str, path: KeyPath, location: str) -> None:
    (problem,) = parse_toml(text, "file").problems([Fault(path, "is wrong")])
    assert problem.location == f"file {location}"


@pytest.mark.parametrize("path", [("upstream", "servers", 1), ("ban", 2, "term", 0, "end"), ("a",), ()])
def test_a_path_is_read_back_from_its_text(path: KeyPath) -> None:
    assert parse_path(path_text(path)) == path


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("a = 1\nb = \n", "file:2"),
        ("a = 1\na = 2\n", "file:2"),
        ("a = [1,\n", "file:2"),
        ("a = " + "[" * 50_000, "file"),
        ("a = " + "9" * 10_000, "file"),
    ],
    ids=["no value", "twice", "cut short", "deeply nested", "huge number"],
)
def test_bad_syntax_is_a_problem_with_its_line(text: str, location: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "file")
    (problem,) = caught.value.problems
    assert problem.location.split(":")[0] == "file"
    assert problem.location.startswith(location)
    assert problem.message.startswith("cannot be read as TOML: ")


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("x = 1\n" + ".".join("a" * 4097) + " = 1", "file:2"),
        ("x = 1\n[" + " . ".join(['"a"'] * 4097) + "]", "file:2"),
        ("x = {" + ".".join("a" * 100_000) + " = 1}", "file:1"),
        (".".join("a" * 17) + " = 1", "file " + ".".join("a" * 16)),
        ("a = " + "[" * 17 + "]" * 17, "file a" + "[0]" * 15),
        ("a = " + "{a=" * 40 + "1" + "}" * 40, "file " + ".".join("a" * 16)),
    ],
    ids=["keys", "header", "inline keys", "17 keys", "lists", "tables"],
)
def test_too_deep_nesting_is_a_problem_with_its_place(text: str, location: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "file")
    assert [(problem.location, problem.message) for problem in caught.value.problems] == [
        (location, "is nested more than 16 levels deep")
    ]


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * 16) + " = 1",
        "a = " + "[" * 16 + "]" * 16,
        f'a = "{".".join("1" * 400)}.ip6.arpa"\n# {"-" * 9_000} {"." * 9_000}',
        "a" * 200_000 + " = 1",
        "a = [" + '"192.0.2.0/24", ' * 2_000 + "]",
    ],
    ids=["keys", "lists", "labels in a text", "long key", "long list"],
)
def test_maximum_depth_is_read(text: str) -> None:
    assert parse_toml(text, "file").data == tomllib.loads(text)
