"""Restoring a backup makes the same installation, or nothing."""

import errno
import io
import os
import pwd
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from api.archive.backup_format import BadBackup
from api.archive.restore import ACT, NotEmpty, Restored, RestoreOptions, restore
from api.auth.tokens import load_key
from api.chain.entry_hash import entry_hash
from api.db import migration
from api.db.base import Base
from api.db.models import AuditRow
from api.db.session import Database
from api.db.unit_of_work import entry_of
from api.publish.startup_check import raise_above
from api.settings import Settings
from dnsfilter.snapshot.manifest import parse_manifest
from tests.support.backups import rows, with_lines, with_manifest, with_rows
from tests.support.later_migration import LATER as LATER_SCHEMA
from tests.support.later_migration import add_later_migration
from tests.unit.api.conftest import START, Plane, make_plane

pytestmark = pytest.mark.heavy

DIGEST = "d" * 64
LATER = START + 3600
Rows = list[dict[str, Any]]


def restored(
    data: bytes, target: Settings, *, broken: bool = False, owner: pwd.struct_passwd | None = None
) -> Restored:
    return restore(io.BytesIO(data), RestoreOptions(DIGEST, LATER, broken), target, owner)


def restored_while(data: bytes, target: Settings, meanwhile: Callable[[], object]) -> Restored:
    """Restore a backup, and call `meanwhile` during that."""

    def report(step: str) -> None:
        if step == "verifying the audit log":
            meanwhile()

    return restore(io.BytesIO(data), RestoreOptions(DIGEST, LATER, report=report), target)


@contextmanager
def opened(target: Settings) -> Iterator[Database]:
    database = Database(target.database)
    yield database
    database.close()


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    with database.engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
            for name, table in Base.metadata.tables.items()
        }


def left(target: Settings) -> list[Path]:
    """Return what a failed restore left of a state directory and its parent."""
    return list(target.state_dir.parent.parent.glob("new*"))


def test_every_row_is_restored_and_the_restore_is_recorded(filled: Plane, backup: bytes, target: Settings) -> None:
    done = restored(backup, target)
    before = everything(filled.database)
    with opened(target) as database:
        after = everything(database)
    act = after["audit"].pop()
    (installation,), (was,) = after.pop("installation"), before.pop("installation")
    assert after == before
    assert (installation[0], installation[2:-1]) == (was[0], was[2:-1])
    assert (was[1], installation[1]) == (done.revision - 1, done.revision)
    assert (was[-1], installation[-1]) == (0, LATER)
    head = {"seq": done.manifest.audit.seq, "hash": done.manifest.audit.hash}
    recorded = dict(zip([column.name for column in AuditRow.__table__.columns], act, strict=True))
    assert recorded["act"] == ACT
    assert recorded["after"] == {"backup": DIGEST, "time": "2026-09-21T14:14:20Z", "epoch": LATER, **head}
    assert (recorded["account"], recorded["access"], recorded["time_s"]) == (0, "local", LATER)
    assert recorded["previous"] == head["hash"]


def test_the_hash_chain_continues(backup: bytes, target: Settings) -> None:
    restored(backup, target)
    with opened(target) as database, database.reading() as session:
        entries = [entry_of(row) for row in session.query(AuditRow).order_by(AuditRow.seq)]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry["hash"] == entry_hash(entry) for entry in entries)
    assert all(entry["previous"] == last["hash"] for last, entry in pairwise(entries))


def test_only_the_owner_can_access_restored_files(filled: Plane, backup: bytes, target: Settings) -> None:
    done = restored(backup, target)
    assert done.database is not None
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in target.state_dir.iterdir()}
    assert modes == {done.database.name: 0o600, "token-key": 0o600}
    assert stat.S_IMODE(target.state_dir.stat().st_mode) == 0o750
    assert load_key(target.token_key_path) == load_key(filled.settings.token_key_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of files")
def test_root_sets_the_owner_of_restored_files(backup: bytes, target: Settings) -> None:
    nobody = pwd.getpwnam("nobody")
    assert restored(backup, target, owner=nobody).owner == "nobody"
    for path in (target.state_dir, *target.state_dir.iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (nobody.pw_uid, nobody.pw_gid), path
    assert target.state_dir.parent.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of files")
def test_the_owner_of_a_link_s_target_stays(filled: Plane, backup: bytes, target: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(load_key(filled.settings.token_key_path))
    target.state_dir.mkdir(parents=True)
    target.token_key_path.symlink_to(elsewhere)
    restored(backup, target, owner=pwd.getpwnam("nobody"))
    assert elsewhere.owner() == "root"


def test_an_existing_directory_stays_as_it_is(backup: bytes, target: Settings) -> None:
    target.state_dir.mkdir(parents=True)
    target.state_dir.chmod(0o2770)
    (target.state_dir / "snapshots").mkdir()
    restored(backup, target)
    assert stat.S_IMODE(target.state_dir.stat().st_mode) == 0o2770
    assert {path.name for path in target.state_dir.iterdir()} == {"dnsfilter.sqlite3", "snapshots", "token-key"}


def test_numbers_of_removed_rows_are_not_reused(backup: bytes, target: Settings) -> None:
    assert max(row["id"] for row in rows(backup, "ranges")) == 1
    restored(backup, target)
    with opened(target) as database, database.writing() as session:
        session.execute(
            text(
                "INSERT INTO ranges (site, prefix, authority, label, funding, audience, revision) "
                "VALUES ('default', '2001:db8::/48', 'town', '', 'public', 'staff', 99)"
            )
        )
        assert session.scalar(text("SELECT max(id) FROM ranges")) == 3


def test_a_restored_control_plane_has_the_same_tokens_and_a_newer_revision(
    filled: Plane, backup: bytes, target: Settings
) -> None:
    done = restored(backup, target)
    plane = _started(target.state_dir)
    try:
        plane.publisher.publish_current()
        manifest = parse_manifest(plane.store.read_current().manifest)
        assert (manifest.revision, manifest.epoch) == (done.revision, LATER)
        assert plane.done("GET", "/v1/self", token=filled.token)["account"]["login"] == "administrator"
        assert plane.done("GET", "/v1/authorities/town/bans/alpha", token=filled.token)["mode"] == "enforce"
        exemption = plane.done("GET", "/v1/exemptions", token=filled.token)["items"][0]
        assert exemption["note"] == "“zó” is fine"
        # Acts after the backup are lost, but their revisions are not reused.
        assert raise_above(plane.database, done.revision + 7, LATER)
        assert plane.revision() == done.revision + 8
    finally:
        plane.database.close()


def test_each_restore_begins_a_later_epoch_also_with_a_clock_that_is_slow(
    filled: Plane, backup: bytes, target: Settings
) -> None:
    epochs = []
    for now_s in (LATER, LATER + 60, 5):
        restore(io.BytesIO(backup), RestoreOptions(DIGEST, now_s), target)
        plane = _started(target.state_dir)
        epochs.append(plane.publisher.committed().epoch)
        if now_s > LATER:
            backup = plane.call("GET", "/v1/backup", token=filled.token).content
        plane.database.close()
        shutil.rmtree(target.state_dir)
    assert epochs == [LATER, LATER + 60, LATER + 61]


def test_a_backup_of_an_older_schema_is_migrated(
    backup: bytes, target: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = 'sa.Column("region", sa.String(9), nullable=False, server_default="north")'
    add_later_migration(tmp_path, monkeypatch, f'op.add_column("sites", {column})')
    restored(backup, target)
    with opened(target) as database, database.engine.connect() as connection:
        assert migration.schema_of(connection) == LATER_SCHEMA
        assert connection.execute(text("SELECT slug, region FROM sites")).all() == [("default", "north")]


def _changed(table: str, change: Callable[[Rows], object]) -> Callable[[bytes], bytes]:
    return lambda data: with_rows(data, table, change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-100], "not a backup, or a truncated one"),
        (
            lambda data: with_manifest(data, lambda manifest: manifest.update(database="4711", version="9.9")),
            "the database schema 4711 is unknown: the backup was made by dnsfilter 9.9",
        ),
        (
            lambda data: with_manifest(data, lambda manifest: manifest["audit"].update(seq=2)),
            "tables/audit.jsonl: it ends at entry",
        ),
        (
            _changed("audit", lambda found: found[2].update(account=9)),
            "tables/audit.jsonl: entry 3 does not follow entry 2",
        ),
        (_changed("audit", lambda found: found.pop()), "tables/audit.jsonl: it ends at entry"),
        (_changed("audit", lambda found: found.pop(3)), "tables/audit.jsonl: "),
        (_changed("audit", lambda found: found.insert(0, found.pop(1))), "tables/audit.jsonl: "),
        (_changed("bans", lambda found: found[0].pop("mode")), "tables/bans.jsonl: row 1 is not one of the table bans"),
        (_changed("bans", lambda found: found[0].update(more=1)), "tables/bans.jsonl: row 1 is not one of the table"),
        (_changed("bans", lambda found: found[0].update(authority="gone")), "tables/bans.jsonl: the database refuses"),
        (_changed("bans", lambda found: found.append(found[0])), "tables/bans.jsonl: the database refuses"),
        (_changed("lists", lambda found: found[0].update(body="?")), "tables/lists.jsonl: row 1 is not one"),
        (_changed("sites", lambda found: found.append({})), "tables/sites.jsonl: row 2 is not one"),
        (lambda data: with_lines(data, "sites", [b"[" * 200_000]), "tables/sites.jsonl: row 1 is not one"),
        (
            _changed("accounts", lambda found: found[0].update(revision=10**23)),
            "tables/accounts.jsonl: the database refuses what follows row 0: OverflowError",
        ),
        (
            _changed("names", lambda found: found[0].update(name="\ud800")),
            "tables/names.jsonl: the database refuses what follows row 0: UnicodeEncodeError",
        ),
        (
            _changed("installation", lambda found: found[0].update(revision=2**63 - 1)),
            "a value that a database cannot store: OverflowError",
        ),
    ],
)
def test_a_damaged_backup_is_refused_with_the_member_s_name_and_leaves_nothing(
    backup: bytes, target: Settings, change: Callable[[bytes], bytes], said: str
) -> None:
    with pytest.raises(BadBackup, match=said):
        restored(change(backup), target)
    assert left(target) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found[2].update(account=9), "entry 3 does not follow entry 2: the hash chain is broken"),
        (lambda found: found[2].update(time_s=10**17), "entry 3 does not follow entry 2: "),
        (lambda found: found[2].update(after={"share": 0.5}), "entry 3 does not follow entry 2: "),
        (lambda found: found.pop(3), "entry 5 does not follow entry 3: "),
    ],
)
def test_a_damaged_audit_log_is_restored_if_accepted_and_that_is_recorded(
    backup: bytes, target: Settings, change: Callable[[Rows], object], said: str
) -> None:
    data = with_rows(backup, "audit", change)
    with pytest.raises(BadBackup, match=r"tables/audit.jsonl: "):
        restored(data, target)
    fault = restored(data, target, broken=True).fault
    assert fault is not None
    assert fault.startswith(said)
    with opened(target) as database, database.writing() as session:
        last = session.query(AuditRow).order_by(AuditRow.seq.desc()).first()
        assert last is not None
        assert last.after is not None
        assert (last.act, last.after["fault"]) == (ACT, fault)
        # The triggers are active again.
        with pytest.raises(IntegrityError, match="append-only"):
            session.execute(text("UPDATE audit SET account = 7"))


def test_the_index_of_the_audit_log_by_authority_is_derived_from_the_entries(
    filled: Plane, backup: bytes, target: Settings
) -> None:
    restored(with_rows(backup, "matters", lambda found: found.clear()), target)
    query = text("SELECT authority, seq FROM matters ORDER BY seq, authority")
    with opened(target) as database, database.reading() as session, filled.database.reading() as before:
        assert session.execute(query).all() == before.execute(query).all() != []


@pytest.mark.parametrize("held", ["town", {"town": 1}, [1, None, ["town"], {"town": 1}, "x" * 64, "\0", "\ud800"]])
def test_invalid_authorities_of_a_damaged_audit_log_are_not_indexed(
    backup: bytes, target: Settings, held: object
) -> None:
    def change(found: Rows) -> None:
        found[2].update(authorities=held)
        found[3].update(authorities=["town", "town"])

    restored(with_rows(backup, "audit", change), target, broken=True)
    query = text("SELECT authority, seq FROM matters WHERE seq IN (3, 4)")
    with opened(target) as database, database.reading() as session:
        assert session.execute(query).all() == [("town", 4)]


def test_an_intact_audit_log_has_no_fault_to_accept(backup: bytes, target: Settings) -> None:
    assert restored(backup, target, broken=True).fault is None


def test_nothing_is_restored_over_an_installation(filled: Plane, backup: bytes, target: Settings) -> None:
    before = filled.settings.state_dir.joinpath("dnsfilter.sqlite3").stat()
    with pytest.raises(NotEmpty, match=r"dnsfilter.sqlite3 already exists"):
        restored(backup, filled.settings)
    assert filled.settings.state_dir.joinpath("dnsfilter.sqlite3").stat() == before
    target.state_dir.mkdir(parents=True)
    target.token_key_path.write_bytes(b"x" * 32)
    with pytest.raises(NotEmpty, match=r"token-key already exists"):
        restored(backup, target)
    assert [path.name for path in target.state_dir.iterdir()] == ["token-key"]


@pytest.mark.parametrize("name", ["dnsfilter.sqlite3", "dnsfilter.sqlite3-wal", "token-key"])
def test_files_that_appear_during_a_restore_are_kept(backup: bytes, target: Settings, name: str) -> None:
    appeared = target.state_dir / name
    with pytest.raises(NotEmpty, match=r"already exists|has appeared during the restore"):
        restored_while(backup, target, lambda: appeared.write_bytes(b"another's"))
    assert [(path.name, path.read_bytes()) for path in target.state_dir.iterdir()] == [(name, b"another's")]


def test_a_database_that_appears_at_the_last_instant_is_kept_with_the_key(
    filled: Plane, backup: bytes, target: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, link = target.state_dir / "dnsfilter.sqlite3", os.link

    def late(source: Path, name: Path) -> None:
        if name == file:
            file.write_bytes(b"another's")
        link(source, name)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(NotEmpty, match=r"dnsfilter.sqlite3 has appeared during the restore"):
        restored(backup, target)
    assert {path.name for path in target.state_dir.iterdir()} == {file.name, "token-key"}
    assert file.read_bytes() == b"another's"
    assert load_key(target.token_key_path) == load_key(filled.settings.token_key_path)


def test_a_database_with_data_in_its_log_is_not_renamed(backup: bytes, target: Settings) -> None:
    with ExitStack() as held:

        def read() -> None:
            reader = held.enter_context(closing(sqlite3.connect(target.state_dir / ".dnsfilter.sqlite3.restoring")))
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()

        with pytest.raises(OSError, match="its log is in use"):
            restored_while(backup, target, read)
    assert left(target) == []


def test_a_key_that_could_not_be_written_leaves_nothing(
    backup: bytes, target: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/.token-key.new"):
            raise OSError(errno.ENOSPC, "no space")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        restored(backup, target)
    assert left(target) == []


def test_a_restore_that_could_not_write_can_be_repeated(backup: bytes, target: Settings) -> None:
    target.state_dir.parent.mkdir()
    target.state_dir.write_text("a file")
    with pytest.raises(OSError, match=r"exists|directory"):
        restored(backup, target)
    target.state_dir.unlink()
    assert restored(backup, target).rows > 0


def _started(directory: Path) -> Plane:
    """A control plane on the files that are there; `make_plane` needs a first token, which these do not have."""
    file = directory / "dnsfilter.sqlite3"
    database = file.read_bytes()
    file.unlink()
    plane = make_plane(directory)
    plane.database.close()
    file.write_bytes(database)
    plane.clock.now = LATER
    return plane
