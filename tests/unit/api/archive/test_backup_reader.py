"""What is damaged is named, and so is what is no backup."""

import io
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from api.archive.backup_format import BadBackup
from api.archive.backup_reader import Backup, open_backup
from tests.support.backups import members, packed, with_manifest

Change = Callable[[dict[str, Any]], None]
AUDIT = "tables/audit.jsonl"


def opened(data: bytes) -> Backup:
    return open_backup(io.BytesIO(data))


def contents(data: bytes) -> dict[str, bytes]:
    backup = opened(data)
    return {name: b"".join(backup.lines(name)) for name in backup.manifest.members if name != "token-key"}


def member(**said: object) -> Change:
    return lambda manifest: manifest["members"][AUDIT].update(said)


def top(**said: object) -> Change:
    return lambda manifest: manifest.update(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (member(rows=1_000), f"{AUDIT}: .* rows, and the manifest says 1000"),
        (member(octets=10), f"{AUDIT}: .* octets, and the manifest says 10"),
        (member(octets=10**9), f"{AUDIT}: .* octets, and the manifest says 1000000000"),
        (member(sha256="0" * 64), f"{AUDIT}: its SHA-256 is not the manifest's"),
        (member(sha256="short"), f"manifest.json: members.{AUDIT}.sha256"),
        (lambda manifest: manifest["members"].pop(AUDIT), f"{AUDIT}: not in the manifest"),
        (lambda manifest: manifest["members"].pop("token-key"), "token-key: not in the manifest"),
        (lambda manifest: manifest["members"].update(more=manifest["members"][AUDIT]), "more: is missing"),
        (top(format=2), "manifest.json: format 2, and only 1 is known here"),
        (top(revision=-1), "manifest.json: revision"),
        (top(revision="7"), "manifest.json: revision"),
        (top(other=1), "manifest.json: other"),
        (top(audit={"seq": 1}), "manifest.json: audit.hash"),
    ],
)
def test_a_manifest_that_says_something_else_is_told(backup: bytes, change: Change, said: str) -> None:
    with pytest.raises(BadBackup, match=said):
        opened(with_manifest(backup, change))


def test_a_member_that_is_gone_added_or_other_is_named(backup: bytes) -> None:
    files = members(backup)
    without = {name: content for name, content in files.items() if name != AUDIT}
    for changed, said in (
        (without, f"{AUDIT}: is missing"),
        ({**files, "tables/more.jsonl": b"{}\n"}, "tables/more.jsonl: not in the manifest"),
        ({**files, AUDIT: files[AUDIT].replace(b"town", b"gown", 1)}, f"{AUDIT}: its SHA-256"),
        ({**files, AUDIT: files[AUDIT][:-1]}, f"{AUDIT}: .* octets"),
        ({**files, "manifest.json": b"{"}, "manifest.json: not JSON"),
        ({**files, "manifest.json": b"[]"}, "manifest.json"),
        ({**files, "manifest.json": b"[" * 200_000}, "manifest.json: not JSON"),
        ({**files, "manifest.json": b" " * 2_000_000}, "manifest.json: larger than"),
        ({name: content for name, content in files.items() if name != "manifest.json"}, "manifest.json: is missing"),
    ):
        with pytest.raises(BadBackup, match=said):
            opened(packed(changed))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file at all", b"age-encryption.org/v1\n"])
def test_what_is_no_backup_is_told(content: bytes) -> None:
    with pytest.raises(BadBackup, match="not a backup, or one that breaks off"):
        opened(content)


def test_a_file_that_breaks_off_anywhere_is_no_backup(backup: bytes) -> None:
    random = Random(7)
    for length in [*(random.randrange(len(backup)) for _ in range(50)), len(backup) - 1]:
        with pytest.raises(BadBackup):
            opened(backup[:length])


def test_one_octet_that_is_other_is_found_or_changes_nothing(backup: bytes) -> None:
    random, whole, refused = Random(11), contents(backup), 0
    for _ in range(300):
        at = random.randrange(len(backup))
        changed = bytearray(backup)
        changed[at] ^= random.randrange(1, 256)
        try:
            # What a zip file says of a member beside its content, as its time, is nothing that counts.
            assert contents(bytes(changed)) == whole, at
        except BadBackup:
            refused += 1
    assert refused > 200


def test_a_name_that_is_no_text_is_a_damage(backup: bytes) -> None:
    named = packed({**members(backup), "tables/é.jsonl": b""})
    with pytest.raises(BadBackup, match="not a backup"):
        opened(named.replace("é".encode(), b"\xff\xff"))
