"""Keys and list items are found on the lines on which they stand."""

import tomllib
from collections.abc import Iterator

import pytest

from dnsfilter.config.places import Fault, KeyPath, parse_path, parse_toml, path_text
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


def paths(data: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


@pytest.mark.parametrize("text", [TRICKY, TRICKY.replace("\n", "\r\n")], ids=["lf", "crlf"])
def test_every_key_has_the_line_on_which_it_is_written(text: str) -> None:
    written = parse_toml(text, "file")
    lines = text.split("\n")
    for path in paths(tomllib.loads(text)):
        assert path in written.lines
        if isinstance(path[-1], str):
            assert path[-1] in lines[written.lines[path] - 1]
    assert set(written.lines) == set(paths(written.data))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("table", "list", 1), 9),
        (("table", "list", 2, 1), 10),
        (("table", "list", 2, 2), 11),
        (("table", "inline", "b", "c"), 13),
        (("item", 0, "part", 1, "detail", "deep"), 26),
        (("item", 1, "part", 0, "last"), 32),
        (("item", 1, "missing"), 28),
        (("nowhere",), 0),
    ],
)
def test_lines_are_those_an_editor_shows(path: KeyPath, line: int) -> None:
    assert parse_toml(TRICKY, "file").line(path) == line


def test_problems_come_in_file_order_and_once() -> None:
    written = parse_toml("a = 1\n[b]\nc = [\n  1,\n  2,\n]\n", "file.toml")
    two = Fault(("b", "c", 1), "is two")
    faults = [two, Fault(("a",), "is one"), two, Fault((), "is all")]
    assert [str(problem) for problem in written.problems(faults)] == [
        "file.toml: is all",
        "file.toml:1 a: is one",
        "file.toml:5 b.c[1]: is two",
    ]


@pytest.mark.parametrize("path", [("upstream", "servers", 1), ("ban", 2, "term", 0, "end"), ("a",), ()])
def test_a_path_is_read_back_from_its_text(path: KeyPath) -> None:
    assert parse_path(path_text(path)) == path


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nb = \n", "file:2"),
        ("a = 1\na = 2\n", "file:2"),
        ("a = [1,\n", "file:2"),
        ("a = " + "[" * 50_000, "file"),
        ("a = " + "9" * 10_000, "file"),
    ],
    ids=["no value", "twice", "cut short", "deeply nested", "huge number"],
)
def test_bad_syntax_is_a_problem_with_its_line(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "file")
    (problem,) = caught.value.problems
    assert problem.place.split(":")[0] == "file"
    assert problem.place.startswith(place)
    assert problem.message.startswith("cannot be read as TOML: ")


@pytest.mark.parametrize(
    ("text", "place"),
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
def test_what_is_nested_too_deep_is_a_problem_with_its_place(text: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "file")
    assert [(problem.place, problem.message) for problem in caught.value.problems] == [
        (place, "is nested more than 16 levels deep")
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
def test_what_is_as_deep_as_is_allowed_is_read(text: str) -> None:
    assert parse_toml(text, "file").data == tomllib.loads(text)
