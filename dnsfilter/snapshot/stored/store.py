"""Snapshots on disk: published atomically, verified when read, not removed while a manifest names their files.

    DIRECTORY/current                       "REVISION SHA256-OF-ITS-MANIFEST", replaced by rename
    DIRECTORY/REVISION.SHA256.manifest      one per revision
    DIRECTORY/SHA256.names .ranges .rules   immutable, shared between revisions
    DIRECTORY/ahead/                        a names file that the next snapshot may name
    DIRECTORY/copy/                         second copy of the current revision's files, read if the first is damaged
    DIRECTORY/REVISION.quarantined          not to be loaded until the file is removed; holds the reason
    DIRECTORY/held                          "REVISION": received snapshots up to it do not replace the chosen one
    DIRECTORY/lock                          held by the writer

Writers hold the lock; readers need no lock and no write permission. `directory` reads.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

from dnsfilter.disk import TEMPORARY, sync_directory, sync_files, write_atomically
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.snapshot.compiler import Compiled
from dnsfilter.snapshot.manifest import FileRef, named_files, parse_manifest
from dnsfilter.snapshot.sections import File
from dnsfilter.snapshot.stored.directory import StoredSnapshots
from dnsfilter.snapshot.stored.pointers import CURRENT, HELD, Pointer, held_bytes, held_up_to

_FILE = re.compile(r"[0-9a-f]{64}\.(names|ranges|rules)")


class SnapshotStore(StoredSnapshots):
    """The snapshots in one directory, which is created when a snapshot is first published.

    With `sync_late`, a snapshot comes into force before it is synced to the disk, for a store whose snapshots can be
    fetched again. Files that a power cut damages do not match their digest; then the newest older complete snapshot is
    used.
    """

    def __init__(self, directory: Path, *, sync_late: bool = False) -> None:
        super().__init__(directory)
        self._sync_late = sync_late
        self._unsynced: list[Path] = []

    def publish(self, compiled: Compiled) -> bool:
        """Make `compiled` the current snapshot. Return False if it is current already.

        Raise SnapshotError for a revision below the current one, and UnavailableError if the disk fails.
        """
        pointer = Pointer(compiled.revision, sha256(compiled.manifest).hexdigest())
        with self._writing(f"publish revision {compiled.revision}"):
            current = self._current_or_none()
            if current is not None and compiled.revision < current.revision:
                raise SnapshotError(f"publish revision {compiled.revision}: revision {current.revision} is current")
            for file, suffix in ((compiled.names, "names"), (compiled.ranges, "ranges"), (compiled.rules, "rules")):
                self._keep(f"{file.digest.hex()}.{suffix}", file.data, file.digest)
            self._keep(pointer.file_name, compiled.manifest, bytes.fromhex(pointer.digest))
            if pointer != current:
                self._make_current(pointer)
            self._copy(pointer)
            return pointer != current

    def write_ahead(self, names: File) -> None:
        """Write the names file of a snapshot to come, unless it is there. Other writers need not wait meanwhile."""
        name = f"{names.digest.hex()}.names"
        if not self._immutable.is_complete(name, FileRef(names.digest, len(names.data))):
            self._immutable.write_ahead(name, names.data)

    def copy_current(self) -> None:
        """Keep a second copy of the current files. A crash may have left it out.

        Raise UnavailableError if the disk fails.
        """
        with self._writing("copy the current revision"):
            current = self._current_or_none()
            if current is not None:
                self._copy(current)

    def receive(
        self,
        manifest: bytes,
        files: Mapping[bytes, bytes],
        placed: Callable[[], object] = lambda: None,
        *,
        replace_chosen: bool = False,
    ) -> None:
        """Make a snapshot from elsewhere current, even with a lower revision. `files` are the missing ones, by digest.

        If `use` chose an older revision, a snapshot is only stored, unless its revision is above all that existed then.
        `replace_chosen` makes it current in any case. The caller has verified the manifest and the digests. `placed` is
        called when it is current; with `sync_late`, that is before it is synced.

        Raise SnapshotError if a file is neither in the directory nor in `files`, UnavailableError if the disk fails.
        """
        read = parse_manifest(manifest)
        pointer = Pointer(read.revision, sha256(manifest).hexdigest())
        with self._writing(f"receive revision {read.revision}"):
            for name, file in named_files(read):
                if file.digest in files:
                    self._keep(name, files[file.digest], file.digest)
                elif not self._immutable.is_complete(name, file):
                    raise SnapshotError(f"receive revision {read.revision}: {name} is missing")
            self._keep(pointer.file_name, manifest, bytes.fromhex(pointer.digest))
            if not replace_chosen and pointer.revision <= held_up_to(self._directory):
                self._remove_others(pointer)
                return
            self._make_current(pointer)
            placed()
            self._copy(pointer)

    def restart_at(self, revision: int, *, with_older: bool) -> None:
        """Remove manifests above a revision, and quarantine marks from it on: they belong to another numbering.

        `with_older` also removes those below, which belong to another installation. The current one stays.
        """
        with self._writing(f"restart at revision {revision}"):
            current = self._current_or_none()
            for pointer in self._pointers():
                if pointer != current and (pointer.revision > revision or with_older):
                    self._path(pointer.file_name).unlink(missing_ok=True)
            for path in self._directory.glob("*.quarantined"):
                if path.stem.isdigit() and (int(path.stem) >= revision or with_older):
                    path.unlink(missing_ok=True)
                    self._set_aside.discard(int(path.stem))

    def use(self, revision: int) -> None:
        """Make an existing revision current, after reading it completely. Raise SnapshotError if that fails.

        If there are newer revisions, receiving them again does not replace it.
        """
        with self._writing(f"use revision {revision}"):
            pointer = self._pointer_of(revision)
            self._read(pointer, None)
            newest = max(other.revision for other in self._pointers())
            if newest > revision:
                self._write(HELD, held_bytes(newest))
            else:
                self._path(HELD).unlink(missing_ok=True)
            self._point(pointer)
            self._copy(pointer)

    def quarantine(self, revision: int, reason: str = "") -> None:
        """Mark a revision as not to be loaded until the mark is removed. In memory, it also holds if the disk fails."""
        try:
            with self._writing(f"quarantine revision {revision}"):
                self._write(self._mark(revision).name, reason.encode())
                sync_directory(self._directory)
        except UnavailableError:
            self._set_aside.add(revision)
            raise

    def unquarantine(self, revision: int) -> None:
        """Remove the mark of `quarantine`."""
        self._set_aside.discard(revision)
        with self._writing(f"unquarantine revision {revision}"):
            self._mark(revision).unlink(missing_ok=True)
            sync_directory(self._directory)

    def prune(self, keep: int) -> tuple[int, ...]:
        """Remove all but the current and the `keep` newest other revisions, and files that none of those names.

        Return the removed revisions. If a kept manifest cannot be read, keep every file: it may name any of them.
        """
        with self._writing(f"prune {self._directory}"):
            current = self._current_or_none()
            others = sorted((p for p in self._pointers() if p != current), reverse=True)
            kept = others[:keep] + ([current] if current is not None else [])
            removed = others[keep:]
            for pointer in removed:
                self._path(pointer.file_name).unlink(missing_ok=True)
            named = self._named_by(kept)
            revisions = {pointer.revision for pointer in kept}
            for path in self._directory.iterdir():
                stale_mark = path.suffix == ".quarantined" and path.stem.isdigit() and int(path.stem) not in revisions
                unnamed = named is not None and _FILE.fullmatch(path.name) and path.name not in named
                if path.suffix == TEMPORARY or stale_mark or unnamed:
                    path.unlink(missing_ok=True)
            return tuple(pointer.revision for pointer in removed)

    def _named_by(self, pointers: list[Pointer]) -> set[str] | None:
        """Return the names of all files that these manifests name, or None if one of them cannot be read."""
        named: set[str] = set()
        for pointer in pointers:
            try:
                named.update(name for name, _ in named_files(self._manifest(pointer)[1]))
            except SnapshotError:
                return None
        return named

    def _copy(self, pointer: Pointer) -> None:
        """Keep a second copy of the current files."""
        with suppress(SnapshotError):
            data, manifest = self._manifest(pointer)
            exact = FileRef(bytes.fromhex(pointer.digest), len(data))
            self._immutable.copy({pointer.file_name: exact, **dict(named_files(manifest))})

    @contextmanager
    def _writing(self, action: str) -> Iterator[None]:
        """Hold the writers' lock. Turn an OSError into an UnavailableError that names the action."""
        try:
            self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            lock = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                flock(lock, LOCK_EX)
                yield
                self._sync_rest()
            finally:
                os.close(lock)
        except OSError as error:
            raise UnavailableError(f"{action}: {error}") from error

    def _make_current(self, pointer: Pointer) -> None:
        """Point to a manifest, end the choice of `use`, and remove other manifests of its revision."""
        self._point(pointer)
        self._path(HELD).unlink(missing_ok=True)
        self._remove_others(pointer)

    def _remove_others(self, pointer: Pointer) -> None:
        for other in self._pointers():
            if other.revision == pointer.revision and other not in (pointer, self._current_or_none()):
                self._path(other.file_name).unlink(missing_ok=True)

    def _point(self, pointer: Pointer) -> None:
        """Make a manifest current. First sync everything that it names to the disk."""
        if not self._sync_late:
            sync_directory(self._directory)
        self._write(CURRENT, pointer.content)
        if not self._sync_late:
            sync_directory(self._directory)

    def _sync_rest(self) -> None:
        """Sync the files that were not synced when written."""
        if not self._unsynced:
            return
        unsynced, self._unsynced = self._unsynced, []
        sync_files(unsynced)
        sync_directory(self._directory)

    def _keep(self, name: str, data: bytes, digest: bytes) -> None:
        """Write an immutable file unless it is complete already."""
        file = FileRef(digest, len(data))
        if not self._immutable.is_complete(name, file) and not self._immutable.place(name, file):
            self._write(name, data)
            self._immutable.trust(name)

    def _write(self, name: str, data: bytes) -> None:
        """Write a file atomically. The lock reserves the temporary name."""
        write_atomically(self._path(name), data, sync=not self._sync_late)
        if self._sync_late:
            self._unsynced.append(self._path(name))
