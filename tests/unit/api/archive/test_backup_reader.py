"""Damaged backups, and files that are not backups, are refused."""

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
        (member(rows=1_000), f"{AUDIT}: it has .* rows, but the manifest says 1000"),
        (member(bytes=10), f"{AUDIT}: it has .* bytes, but the manifest says 10"),
        (member(bytes=10**9), f"{AUDIT}: it has .* bytes, but the manifest says 1000000000"),
        (member(sha256="0" * 64), f"{AUDIT}: its SHA-256 does not match the manifest"),
        (member(sha256="short"), f"manifest.json: members.{AUDIT}.sha256"),
        (lambda manifest: manifest["members"].pop(AUDIT), f"{AUDIT}: not in the manifest"),
        (lambda manifest: manifest["members"].pop("token-key"), "token-key: not in the manifest"),
        (lambda manifest: manifest["members"].update(more=manifest["members"][AUDIT]), "more: is missing"),
        (top(format=2), "manifest.json: format 2 is unknown: this version reads format 1"),
        (top(revision=-1), "manifest.json: revision"),
        (top(revision="7"), "manifest.json: revision"),
        (top(other=1), "manifest.json: other"),
        (top(audit={"seq": 1}), "manifest.json: audit.hash"),
    ],
)
def test_a_manifest_that_does_not_match_is_refused(backup: bytes, change: Change, said: str) -> None:
    with pytest.raises(BadBackup, match=said):
        opened(with_manifest(backup, change))


def test_a_missing_added_or_changed_member_is_named(backup: bytes) -> None:
    files = members(backup)
    without = {name: content for name, content in files.items() if name != AUDIT}
    for changed, said in (
        (without, f"{AUDIT}: is missing"),
        ({**files, "tables/more.jsonl": b"{}\n"}, "tables/more.jsonl: not in the manifest"),
        ({**files, AUDIT: files[AUDIT].replace(b"town", b"gown", 1)}, f"{AUDIT}: its SHA-256"),
        ({**files, AUDIT: files[AUDIT][:-1]}, f"{AUDIT}: it has .* bytes"),
        ({**files, "manifest.json": b"{"}, "manifest.json: not JSON"),
        ({**files, "manifest.json": b"[]"}, "manifest.json"),
        ({**files, "manifest.json": b"[" * 200_000}, "manifest.json: not JSON"),
        ({**files, "manifest.json": b" " * 2_000_000}, "manifest.json: larger than"),
        ({name: content for name, content in files.items() if name != "manifest.json"}, "manifest.json: is missing"),
    ):
        with pytest.raises(BadBackup, match=said):
            opened(packed(changed))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file at all", b"age-encryption.org/v1\n"])
def test_a_file_that_is_not_a_backup_is_refused(content: bytes) -> None:
    with pytest.raises(BadBackup, match="not a backup, or a truncated one"):
        opened(content)


def test_a_truncated_file_is_not_a_backup(backup: bytes) -> None:
    random = Random(7)
    for length in [*(random.randrange(len(backup)) for _ in range(50)), len(backup) - 1]:
        with pytest.raises(BadBackup):
            opened(backup[:length])


def test_a_changed_byte_is_found_or_has_no_effect(backup: bytes) -> None:
    random, intact, refused = Random(11), contents(backup), 0
    for _ in range(300):
        at = random.randrange(len(backup))
        changed = bytearray(backup)
        changed[at] ^= random.randrange(1, 256)
        try:
            # Other data about a member, such as its time, does not matter.
            assert contents(bytes(changed)) == intact, at
        except BadBackup:
            refused += 1
    assert refused > 200


def test_an_undecodable_name_is_damage(backup: bytes) -> None:
    named = packed({**members(backup), "tables/é.jsonl": b""})
    with pytest.raises(BadBackup, match="not a backup"):
        opened(named.replace("é".encode(), b"\xff\xff"))
