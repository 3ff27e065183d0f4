"""dnsfilterctl backup, restore and export --archive: atomic writes, encrypted before anything is written."""

import json
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from pyrage.x25519 import Identity

from api.installation import environment
from tests.support.backups import members, with_manifest, with_rows
from tests.unit.api.ctl.conftest import Ctl, Scripted, Served

pytestmark = pytest.mark.heavy

DATABASE_VARIABLE = "DNSFILTER_API_DATABASE"


@pytest.fixture(autouse=True)
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the packaged settings file, which does not exist yet."""
    monkeypatch.setattr(environment, "PACKAGED", tmp_path / "api.env")
    monkeypatch.setattr("api.installation.opening.PACKAGED", tmp_path / "api.env")
    # Undo changes afterwards: a restore sets variables from the file.
    for key in ("STATE_DIR", "DATABASE", "SNAPSHOT_KEY", "CHECKPOINT_KEY", "TLS_KEY"):
        monkeypatch.setenv(f"DNSFILTER_API_{key}", "")
        monkeypatch.delenv(f"DNSFILTER_API_{key}")
    return tmp_path / "api.env"


@pytest.fixture
def keys(tmp_path: Path) -> Identity:
    """Return a key pair; the secret key is in key.txt."""
    identity = Identity.generate()
    (tmp_path / "key.txt").write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return identity


def test_backup_is_private_and_can_be_restored(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    done = ctl("backup", "all.backup")
    file = tmp_path / "all.backup"
    digest = sha256(file.read_bytes()).hexdigest()
    assert done.code == 0, done.err
    assert done.out.splitlines()[:2] == [
        f"backup written to all.backup: {file.stat().st_size} bytes",
        f"SHA-256 {digest}",
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    back = ctl("restore", "all.backup", "--state-dir", "new", "--json")
    assert back.code == 0, back.err
    found = json.loads(back.out)
    assert (found["sha256"], found["state_dir"], found["revision"]) == (digest, "new", served.plane.revision() + 1)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["dnsfilter.sqlite3", "token-key"]
    again = ctl("restore", "all.backup", "--state-dir", "new")
    assert (again.code, "already exists" in again.err) == (2, True)


def test_restore_warns_that_tokens_revoked_after_the_backup_are_valid_again(served: Served, ctl: Ctl) -> None:
    assert ctl("backup", "all.backup").code == 0
    done = ctl("restore", "all.backup", "--state-dir", "new")
    assert "after the backup may be valid again: revoke them again\n" in done.out


def test_a_database_can_be_named_by_option_or_environment(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ctl("backup", "all.backup").code == 0
    monkeypatch.setenv(DATABASE_VARIABLE, f"sqlite:///{tmp_path}/api/one.sqlite3")
    assert ctl("restore", "all.backup", "--state-dir", "new").code == 0
    option = ("--database", f"sqlite:///{tmp_path}/two.sqlite3")
    assert ctl("restore", "all.backup", "--state-dir", "new", *option).code == 0
    assert stat.S_IMODE((tmp_path / "api").stat().st_mode) == 0o700
    assert (tmp_path / "api/one.sqlite3").exists()
    assert (tmp_path / "two.sqlite3").exists()
    wrong = ctl("restore", "all.backup", "--state-dir", "new", "--database", "mysql://root:secret@db/x")
    assert (wrong.code, "secret" in wrong.err) == (2, False)


def _next_commands(out: str) -> list[str]:
    return [line.strip() for line in out.splitlines() if line.startswith("  ")]


def test_restore_prints_the_next_commands(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("backup", "all.backup").code == 0
    state, database = tmp_path / "new", f"sqlite:///{tmp_path}/one.sqlite3"
    done = ctl("restore", "all.backup", "--state-dir", str(state), "--database", database)
    where = f"--state-dir {state} --database {database}"
    assert _next_commands(done.out) == [
        f"{state}/snapshot-key",
        f"{state}/checkpoint-key",
        f"dnsfilter-api new-keys {where}",
        f"dnsfilter-api {where}",
        f"dnsfilter-api new-token {where} --keep",
    ]


@pytest.mark.parametrize("named", [False, True])
def test_restore_with_packaged_settings_prints_commands_without_options(
    served: Served, ctl: Ctl, tmp_path: Path, env_file: Path, named: bool
) -> None:
    assert ctl("backup", "all.backup").code == 0
    # Other settings, such as a certificate that comes later, do not stop a restore.
    env_file.write_text(
        f"DNSFILTER_API_STATE_DIR='{tmp_path}/new'\nDNSFILTER_API_DATABASE=sqlite:///{tmp_path}/one.sqlite3\n"
        f'DNSFILTER_API_SNAPSHOT_KEY="{tmp_path}/keys/snapshot"\nDNSFILTER_API_TLS_KEY=/nowhere/key.pem\n'
    )
    done = ctl("restore", "all.backup", *(("--state-dir", "new") if named else ()))
    assert done.code == 0, done.err
    assert (tmp_path / "one.sqlite3").exists()
    assert _next_commands(done.out) == [
        f"{tmp_path}/keys/snapshot",
        *(["new/checkpoint-key"] if named else [f"{tmp_path}/new/checkpoint-key"]),
        "dnsfilter-api new-keys",
        "systemctl start dnsfilter-api",
        "dnsfilter-api new-token --keep",
    ]


def test_encrypted_backup_is_restored_only_with_its_key(
    served: Served, ctl: Ctl, tmp_path: Path, keys: Identity
) -> None:
    done = ctl("backup", "all.backup", "--recipient", str(keys.to_public()), "--json")
    assert (done.code, json.loads(done.out)["encrypted"]) == (0, True)
    file = tmp_path / "all.backup"
    encrypted = file.read_bytes()
    assert encrypted.startswith(b"age-encryption.org/v1\n")
    assert json.loads(done.out)["sha256"] == sha256(encrypted).hexdigest()
    (tmp_path / "other.txt").write_text(str(Identity.generate()))
    (tmp_path / "no.txt").write_text("nothing")
    for arguments, message in (
        ((), "all.backup is encrypted. Name the file of its secret key with --identity."),
        (("--identity", "other.txt"), "cannot decrypt all.backup: it was not encrypted to any of these keys"),
        (("--identity", "gone.txt"), "cannot use the key in gone.txt: No such file"),
        (("--identity", "no.txt"), "cannot use the key in no.txt: a line is not an age secret key"),
    ):
        refused = ctl("restore", "all.backup", "--state-dir", "new", *arguments)
        assert (refused.code, message in refused.err) == (2, True), refused.err
    for damaged in (encrypted[:-20], encrypted[:-1] + bytes([encrypted[-1] ^ 1])):
        file.write_bytes(damaged)
        refused = ctl("restore", "all.backup", "--state-dir", "new", "--identity", "key.txt")
        assert (refused.code, "it is damaged or truncated" in refused.err) == (2, True), refused.err
    assert not (tmp_path / "new").exists()
    file.write_bytes(encrypted)
    assert ctl("restore", "all.backup", "--state-dir", "new", "--identity", "key.txt").code == 0


def test_a_damaged_backup_is_refused_with_the_member_and_leaves_nothing(
    served: Served, ctl: Ctl, tmp_path: Path
) -> None:
    assert ctl("backup", "all.backup").code == 0
    file = tmp_path / "all.backup"
    intact = file.read_bytes()

    def more(manifest: dict[str, dict[str, dict[str, int]]]) -> None:
        manifest["members"]["tables/bans.jsonl"]["rows"] += 1

    for damaged, message in (
        (intact[: len(intact) // 2], "all.backup is not restored: not a backup, or a truncated one"),
        (with_manifest(intact, more), "all.backup is not restored: tables/bans.jsonl: "),
    ):
        file.write_bytes(damaged)
        refused = ctl("restore", "all.backup", "--state-dir", "new")
        assert (refused.code, message in refused.err) == (2, True), refused.err
    assert not (tmp_path / "new").exists()
    assert ctl("restore", "gone.backup", "--state-dir", "new").code == 2
    file.write_bytes(intact)
    wrong = ctl("restore", "all.backup", "--state-dir", "new", "--identity", "all.backup")
    assert (wrong.code, "is not encrypted" in wrong.err) == (2, True)


def test_damaged_audit_log_is_restored_only_with_accept_damage(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("backup", "all.backup").code == 0
    file = tmp_path / "all.backup"
    file.write_bytes(with_rows(file.read_bytes(), "audit", lambda found: found[1].update(account=7)))
    refused = ctl("restore", "all.backup", "--state-dir", "new")
    assert (refused.code, "tables/audit.jsonl: entry 2 does not follow entry 1" in refused.err) == (2, True)
    accepted = ctl("restore", "all.backup", "--state-dir", "new", "--accept-damage", "--json")
    assert (accepted.code, "warning: entry 2 does not follow entry 1" in accepted.err) == (1, True), accepted.err
    assert json.loads(accepted.out)["fault"].startswith("entry 2 does not follow entry 1")


PROBLEM = b'{"type": "/problems/x", "title": "no", "detail": "the database did not take it"}'


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, "application/problem+json", PROBLEM), 4),
        ((503, "application/problem+json", PROBLEM), 4),
        ((403, "application/problem+json", PROBLEM), 3),
        ((502, "text/html", b"<html>"), 4),
    ],
)
@pytest.mark.parametrize("command", [("backup", "file"), ("policy", "export", "--archive", "file")])
def test_refused_download_leaves_the_old_file(
    scripted: Scripted, ctl: Ctl, tmp_path: Path, command: tuple[str, ...], answer: tuple[int, str, bytes], code: int
) -> None:
    scripted.answers["/v1/backup"] = scripted.answers["/v1/archive"] = answer
    assert ctl(*command).code == code
    assert [path.name for path in tmp_path.iterdir()] == ["admin-token"]
    (tmp_path / "file").write_text("old")
    assert ctl(*command).code == code
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("options", [(), ("--recipient", str(Identity.generate().to_public()))])
def test_broken_download_leaves_nothing(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    def breaking(_file: object, _size: int) -> Iterator[bytes]:
        yield b"x" * 100_000
        raise OSError("the disk is gone")

    monkeypatch.setattr("api.http.downloads._read", breaking)
    done = ctl("backup", "all.backup", *options)
    assert (done.code, "the connection broke" in done.err) == (4, True), done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run"]


def test_wrong_options_are_refused_without_a_request(scripted: Scripted, ctl: Ctl) -> None:
    for arguments, message in (
        (("backup", "file", "--recipient", "age1zz"), "'age1zz' is not an age public key"),
        (("policy", "export", "policy.toml", "--archive", "file"), "give either a policy file or --archive, not both"),
        (("policy", "export", "--names"), "--names needs --archive"),
    ):
        done = ctl(*arguments)
        assert (done.code, message in done.err) == (2, True), done.err
    assert scripted.spoken == []


@pytest.mark.parametrize("options", [(), ("--recipient", str(Identity.generate().to_public()))])
@pytest.mark.parametrize("target", ["/dev/full", "nowhere/file"])
def test_unwritable_file_is_named(scripted: Scripted, ctl: Ctl, target: str, options: tuple[str, ...]) -> None:
    scripted.answers["/v1/backup"] = (200, "application/zip", b"x" * 500_000)
    done = ctl("backup", target, *options)
    assert (done.code, f"{target}: No s" in done.err) == (2, True), done.err


def test_archive_is_written_with_its_digest(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    done = ctl("policy", "export", "--archive", "archive.zip", "--json")
    assert done.code == 0, done.err
    data = (tmp_path / "archive.zip").read_bytes()
    digest = sha256(data).hexdigest()
    assert json.loads(done.out) == {"file": "archive.zip", "bytes": len(data), "sha256": digest}
    files = members(data)
    assert "Ghent" in files["decisions/decisions.txt"].decode() or "Gent" in files["decisions/decisions.txt"].decode()
    assert len([name for name in files if name.startswith("reports/")]) == 2 * len(
        json.loads(files["decisions/bans.json"])
    )
    assert ctl("policy", "export", "--archive", "named.zip", "--names").code == 0
    named = members((tmp_path / "named.zip").read_bytes())["accounts.json"]
    assert json.loads(named)[0]["login"] == "administrator"
