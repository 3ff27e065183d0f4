"""Snapshots on disk: published whole or not at all, verified when read, never removed while something names them.

    DIRECTORY/current                       "REVISION SHA256-OF-ITS-MANIFEST", replaced by rename
    DIRECTORY/REVISION.SHA256.manifest      one per revision
    DIRECTORY/SHA256.names .ranges .rules   immutable, shared between revisions
    DIRECTORY/copy/                         the files of the current revision again, read where the first is damaged
    DIRECTORY/REVISION.quarantined          not to be loaded until somebody removes this; holds the reason
    DIRECTORY/held                          "REVISION", up to which nothing received takes the place of what was chosen
    DIRECTORY/lock                          held by whoever writes

Writers hold the lock; readers need none and no write permission. `stored` reads.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.snapshot.compiler import Compiled
from dnsfilter.snapshot.manifest import FileRef, named_files, parse_manifest
from dnsfilter.snapshot.stored.directory import StoredSnapshots
from dnsfilter.snapshot.stored.disk import TEMPORARY, sync_directory, sync_files, write_atomically
from dnsfilter.snapshot.stored.pointers import CURRENT, HELD, Pointer, held_bytes, held_up_to

_FILE = re.compile(r"[0-9a-f]{64}\.(names|ranges|rules)")


class SnapshotStore(StoredSnapshots):
    """The snapshots in one directory, which is made when something is first published.

    With `sync_late` a snapshot comes into force before the disk has it for good: for a store whose snapshots can be had
    again. What a power cut then spoils does not have its digest, and the newest older one that is whole decides.
    """

    def __init__(self, directory: Path, *, sync_late: bool = False) -> None:
        super().__init__(directory)
        self._sync_late = sync_late
        self._unsynced: list[Path] = []

    def publish(self, compiled: Compiled) -> bool:
        """Makes `compiled` the current snapshot; False if it is so already.

        Raises SnapshotError for a revision below the current one, and UnavailableError when the disk refuses.
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

    def copy_current(self) -> None:
        """Keep a second copy of the current files, which a crash or an older program may have left out.

        Raises UnavailableError.
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
        over_choice: bool = False,
    ) -> None:
        """Makes a snapshot that was made elsewhere current, whatever is; `files` are those missing, by digest.

        It is kept only where `use` chose an older one and it is none above what was here then; `over_choice` ends
        that. Raises SnapshotError for one of which a file is neither here nor given, and UnavailableError when the
        disk refuses. Whoever calls it answers for the manifest and for the digests. `placed` is called once it is
        current, which with `sync_late` is before the disk has it.
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
            if not over_choice and pointer.revision <= held_up_to(self._directory):
                self._remove_others(pointer)
                return
            self._make_current(pointer)
            placed()
            self._copy(pointer)

    def begin_anew(self, revision: int, *, with_older: bool) -> None:
        """Removes manifests above a revision and marks of quarantine from it on: they are of other numbers.

        `with_older` removes those below as well, which are of another installation. The current one stays.
        """
        with self._writing(f"begin anew with revision {revision}"):
            current = self._current_or_none()
            for pointer in self._pointers():
                if pointer != current and (pointer.revision > revision or with_older):
                    self._path(pointer.file_name).unlink(missing_ok=True)
            for path in self._directory.glob("*.quarantined"):
                if path.stem.isdigit() and (int(path.stem) >= revision or with_older):
                    path.unlink(missing_ok=True)
                    self._set_aside.discard(int(path.stem))

    def use(self, revision: int) -> None:
        """Makes a revision that is still here current, once it has been read whole; raises SnapshotError.

        Where there are newer ones, none of them is to take its place by being received again.
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
        """Marks a revision as not to be loaded until somebody removes the mark; here also where the disk refuses."""
        try:
            with self._writing(f"quarantine revision {revision}"):
                self._write(self._mark(revision).name, reason.encode())
                sync_directory(self._directory)
        except UnavailableError:
            self._set_aside.add(revision)
            raise

    def unquarantine(self, revision: int) -> None:
        """Remove the mark of `quarantine`."""
        with self._writing(f"unquarantine revision {revision}"):
            self._mark(revision).unlink(missing_ok=True)
            sync_directory(self._directory)

    def prune(self, keep: int) -> tuple[int, ...]:
        """Removes all but the current and the `keep` newest other revisions, and what none of those names.

        Gives the revisions removed. A manifest that cannot be read keeps every file: who knows what it names.
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
        """The names of all files that these manifests name; None when one of them cannot be read."""
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
        """Holds the writers' lock; turns an OSError into an UnavailableError that names the action."""
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
        """Points to a manifest, which nobody chose, and removes others of its revision."""
        self._point(pointer)
        self._path(HELD).unlink(missing_ok=True)
        self._remove_others(pointer)

    def _remove_others(self, pointer: Pointer) -> None:
        for other in self._pointers():
            if other.revision == pointer.revision and other not in (pointer, self._current_or_none()):
                self._path(other.file_name).unlink(missing_ok=True)

    def _point(self, pointer: Pointer) -> None:
        """Makes a manifest current, once everything that it names is on disk."""
        if not self._sync_late:
            sync_directory(self._directory)
        self._write(CURRENT, pointer.octets)
        if not self._sync_late:
            sync_directory(self._directory)

    def _sync_rest(self) -> None:
        """Has the disk keep what was written before it did."""
        if not self._unsynced:
            return
        unsynced, self._unsynced = self._unsynced, []
        sync_files(unsynced)
        sync_directory(self._directory)

    def _keep(self, name: str, data: bytes, digest: bytes) -> None:
        """Writes an immutable file unless it is here and whole."""
        if not self._immutable.is_complete(name, FileRef(digest, len(data))):
            self._write(name, data)
            self._immutable.trust(name)

    def _write(self, name: str, data: bytes) -> None:
        """Puts a file in its place, whole. The lock makes its temporary name ours."""
        write_atomically(self._path(name), data, sync=not self._sync_late)
        if self._sync_late:
            self._unsynced.append(self._path(name))
