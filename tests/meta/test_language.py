"""The words that no file of the project may contain, in prose or in names. The glossary lists those of its concepts."""

import re

import pytest

from tests.meta.project import PROJECT, modules, tracked_files
from tests.support.documents import text

GLOSSARY = "docs/reference/glossary.md"
BANNED = (
    "anew", "beside", "besides", "befall", "befalls", "befell", "by hand", "byhand", "lately", "likewise",
    "nought", "octet", "octets", "stranger", "strangers", "tell", "tells", "telling", "told", "thereby",
    "whatever", "whereby", "whole",
)  # fmt: skip
"""Words for which plain English has others, so the glossary has no row for them."""
REMOVED_WORDS = [
    word
    for cell in re.findall(r"^\|.*\|([^|\n]*)\|$", text(GLOSSARY), re.MULTILINE)
    for word in re.findall(r"`([^`]+)`", cell)
]
"""The words in the last column of the glossary's tables."""
WORD = re.compile(
    rf"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    rf"(?i:{'|'.join(sorted([*BANNED, *REMOVED_WORDS], key=len, reverse=True))})(?![a-z])"
)
REMOVED_NAMES = re.compile(r"\b_?(?:places?|PLACES?|news|News|Newest|[Hh]eirs?|Judging)(?=\s*[:=.,)\[\](])")
"""Names that meant several things, or that a reader needed to have explained."""
FOREIGN = ("application/octet-stream", "zonefile-load: whole")
"""Names that others have defined."""
SKIPPED = {".lock", ".png", ".ico"}
NOT_OURS = ("tests/meta/test_language.py", "LICENSE", GLOSSARY)
"""The words themselves, and a text that is not ours to change."""


def banned(line: str) -> list[str]:
    """Return the banned words of a text, in order of appearance."""
    for name in FOREIGN:
        line = line.replace(name, "")
    return WORD.findall(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("asked anew", ["anew"]),
        ("told_s = is_whole(MAX_OCTETS)", ["told", "whole", "OCTETS"]),
        ("class StrangerPrefix: tellTale", ["Stranger", "tell"]),
        ("the bodies of Belgium, request bodies", ["the bodies"]),
        ("wholesale, foretell, untold", []),
        ("Deregister a range. Suspend filtering: delete_ban", ["Deregister", "Suspend filtering", "delete_ban"]),
        ("Content-Type: application/octet-stream", []),
    ],
)
def test_banned_words_are_found_in_prose_and_in_names(line: str, expected: list[str]) -> None:
    assert banned(line) == expected


def test_no_file_contains_a_banned_word() -> None:
    found = {}
    for path in tracked_files():
        name = str(path.relative_to(PROJECT))
        if name not in NOT_OURS and path.suffix not in SKIPPED:
            lines = path.read_text(encoding="utf-8").splitlines()
            lines_with = {number: words for number, line in enumerate([name, *lines]) if (words := banned(line))}
            if lines_with:
                found[name] = lines_with
    assert found == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Fault(place, message)", ["place"]),
        ("def _place(site: str)", ["_place"]),
        ("self.news.newest: Heir = heirs[0]", ["news", "Heir", "heirs"]),
        ("in place of the ban, which takes its place without a place to sign", []),
        ("replace(value), displaced", []),
    ],
)
def test_removed_names_are_found(line: str, expected: list[str]) -> None:
    assert REMOVED_NAMES.findall(line) == expected


def test_no_module_of_the_control_plane_uses_a_removed_name() -> None:
    found = {
        str(path): names for path in modules("api") if (names := REMOVED_NAMES.findall((PROJECT / path).read_text()))
    }
    assert found == {}
