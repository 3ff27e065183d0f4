"""The documentation of the format matches its definition."""

import re
from pathlib import Path
from struct import Struct

import pytest

from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Reply
from dnsfilter.policy.rows import Effect
from dnsfilter.snapshot import layout
from dnsfilter.snapshot.compiler import KEPT_PAST_S

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "snapshot-format.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]


def test_every_record_is_documented_with_its_size_and_format() -> None:
    documented = {row[0]: (int(row[1]), row[2].strip("`")) for row in ROWS if len(row) == 4 and row[2].startswith("`")}
    defined = {
        name: (value.size, value.format)
        for name, value in vars(layout).items()
        if isinstance(value, Struct) and name.isupper()
    }
    assert documented == defined


def test_every_section_is_documented_with_its_file_and_record() -> None:
    documented = {(int(row[0]), row[1], row[2], row[3]) for row in ROWS if len(row) == 4 and row[0].isdigit()}
    sizes = {name: value.size for name, value in vars(layout).items() if isinstance(value, Struct)}
    assert {(number, name) for number, name, _, _ in documented} == {(int(part), part.name) for part in layout.Part}
    for number, _, file, record in documented:
        part = layout.Part(number)
        kinds = {kind.name.lower() for kind, parts in layout.PARTS.items() if part in parts}
        assert kinds == ({"names", "ranges", "rules"} if file == "each" else {file})
        if record not in ("STRING", "RECORD"):
            assert {parts[part] for parts in layout.PARTS.values() if part in parts} == {sizes[record]}


@pytest.mark.parametrize(
    "statement",
    [
        f"magic `{layout.MAGIC[:-1].decode()}\\0`",
        f"version ({layout.VERSION})",
        f"byte order mark 0x{layout.BYTE_ORDER_MARK:08X}",
        f"multiple of {layout.ALIGNMENT} bytes",
        f"at most {layout.MAX_MANIFEST_BYTES} bytes",
        f"0x{layout.HASH_SPREAD:X}",
        f"words of {layout.HASH_WORD} bytes",
        f"{layout.DOMAIN} (domain)",
        f"{layout.HOST} (host)",
        f"0x{layout.NONE:X}",
        f"Effects: {Effect.ENFORCE:d} enforce, {Effect.MONITOR:d} monitor, {Effect.EXEMPT:d} set aside",
        "Replies: " + ", ".join(f"{code} {reply}" for code, reply in enumerate(layout.REPLIES)),
    ],
)
def test_numbers_are_documented(statement: str) -> None:
    assert statement in re.sub(r"\s+", " ", TEXT)


def test_documented_powers_and_words_are_correct() -> None:
    assert layout.HASH_PRIME == 2**61 - 1
    assert FOREVER == 2**62
    assert KEPT_PAST_S == 24 * 3600
    assert layout.HASH_KEY_BYTES == 2 * 8


def test_every_reply_has_a_code() -> None:
    assert set(layout.REPLIES) == set(Reply)


def test_this_version_and_the_one_before_are_read() -> None:
    assert frozenset({layout.VERSION, layout.VERSION - 1} - {0}) == layout.READABLE_VERSIONS
