"""Read and verify snapshots in a directory: the current one, older ones, and quarantined ones.

Reading needs no lock and no write permission. `store` describes the directory, and writes.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dnsfilter.disk import read_bounded
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.contents import RELEASED_S, Files, bytes_by_digest
from dnsfilter.snapshot.layout import MAX_MANIFEST_BYTES
from dnsfilter.snapshot.manifest import FileRef, Manifest, named_files, parse_manifest
from dnsfilter.snapshot.stored.immutable import ImmutableFiles
from dnsfilter.snapshot.stored.pointers import CURRENT, Pointer, current_in, held_up_to, pointers_in

_READ_RETRIES = 4
_REASON_BYTES = 512


class StoredSnapshots:
    """The snapshots in one directory. The directory may be missing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._immutable = ImmutableFiles(directory)
        self._set_aside: set[int] = set()

    @property
    def directory(self) -> Path:
        """The directory of the snapshots."""
        return self._directory

    def missing(self, manifest: Manifest) -> tuple[FileRef, ...]:
        """Return which of its files are missing or damaged, in the order names, ranges, rules."""
        return tuple(file for name, file in named_files(manifest) if not self._immutable.is_complete(name, file))

    def is_complete(self, manifest: Manifest) -> bool:
        """Return whether all its files are complete; False also if one cannot be read."""
        try:
            return not self.missing(manifest)
        except OSError:
            return False

    def manifests(self) -> Iterator[bytes]:
        """Yield every complete manifest, current or not, quarantined or not, from the highest revision down."""
        for pointer in sorted(self._pointers(), reverse=True):
            damaged: list[str] = []
            with suppress(SnapshotError):
                data, _ = self._manifest(pointer, damaged)
                if not damaged:
                    yield data

    def current_revision(self) -> int | None:
        """Return the revision that `current` names, complete or not, or None."""
        current = self._current_or_none()
        return None if current is None else current.revision

    def creation_time_s(self, clock_s: Instant) -> Instant:
        """Return the creation time for a snapshot that is made now: `clock_s`, unless it is before RELEASED_S.

        Such a clock is wrong, and its snapshots must not make it plausible. In that case, return the newest creation
        time in this store, or RELEASED_S if that is later. The next snapshot corrects a clock that was ahead.
        """
        if clock_s >= RELEASED_S:
            return clock_s
        return max(RELEASED_S, self._newest_creation_time_s())

    def current_token(self) -> tuple[int, int] | None:
        """Return a token that changes with the current snapshot: inode and change time.

        None if there is no snapshot.
        """
        try:
            status = self._path(CURRENT).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def read_current(self, known: Files | None = None) -> Files:
        """Return the content of the current snapshot. Raise SnapshotError, which names the file and the reason.

        Files that `known` holds under the same digest are reused: they are not read or hashed again.
        """
        for _ in range(_READ_RETRIES):
            token = self.current_token()
            try:
                return self._read(self._current(), known)
            except SnapshotError:
                # A writer may have published another snapshot and removed the one that we began to read.
                if token == self.current_token():
                    raise
        return self._read(self._current(), known)

    def read_quarantined(self, known: Files | None = None) -> Files:
        """Return the current snapshot, even if it is quarantined, as `read_current` does."""
        return self._read_complete(self._current(), known)

    def read_last_good(self, known: Files | None = None, *, without: int | None = None) -> tuple[Files, str | None]:
        """Return the current snapshot, or the newest older complete one and why newer ones were skipped.

        The revision `without` counts as quarantined. Raise SnapshotError with every reason if none is complete.
        """
        try:
            if without is not None and self._current().revision == without:
                raise SnapshotError(f"read revision {without} in {self._directory}: it is to be replaced")
            return self.read_current(known), None
        except SnapshotError as error:
            reasons = [str(error)]
        current = self.current_revision()
        for pointer in sorted(self._pointers(), reverse=True):
            if pointer.revision == without or (current is not None and pointer.revision >= current):
                continue
            try:
                return self._read(pointer, known), "; ".join(reasons)
            except SnapshotError as error:
                reasons.append(str(error))
        raise SnapshotError("; ".join(reasons))

    def read_best(self) -> tuple[Files, str | None]:
        """Read the snapshot that a node would serve if it started now: `read_last_good`, else `read_any`.

        Raise SnapshotError if both fail.
        """
        try:
            return self.read_last_good()
        except SnapshotError as error:
            with suppress(SnapshotError):
                return self.read_any(), str(error)
            raise

    def read_any(self) -> Files:
        """Read the newest complete revision, also one above the current, and a quarantined one last.

        For a node that would otherwise have nothing to serve. Raise SnapshotError if there is none.
        """
        for pointer in sorted(self._pointers(), key=lambda each: (self._quarantined(each.revision), -each.revision)):
            with suppress(SnapshotError):
                return self._read_complete(pointer, None)
        raise SnapshotError(f"read {self._directory}: no revision is complete")

    def files_of(self, manifest: bytes, fetched: Mapping[bytes, bytes]) -> Files:
        """Return a snapshot that is not stored. Its files are in `fetched`, by digest, or in the directory.

        Raise SnapshotError if one is in neither.
        """
        read = parse_manifest(manifest)
        names, ranges, rules = (
            fetched[file.digest] if file.digest in fetched else self._immutable.read(name, file)
            for name, file in named_files(read)
        )
        return Files(read.revision, manifest, names, ranges, rules)

    def open_named(self, digest: str) -> BinaryIO | None:
        """Open the file of this SHA-256 if a manifest here names it; else return None. Its bytes are not checked."""
        for pointer in sorted(self._pointers(), reverse=True):
            with suppress(SnapshotError, OSError):
                for name, file in named_files(self._manifest(pointer)[1]):
                    if file.digest.hex() == digest:
                        return self._path(name).open("rb")
        return None

    def held_up_to(self) -> int | None:
        """Return the revision up to which received snapshots do not replace a chosen one, or None."""
        current, held = self._current_or_none(), held_up_to(self._directory)
        return held if current is not None and current.revision < held else None

    def revisions(self) -> tuple[int, ...]:
        """Return every revision in the directory, usable or not, newest first."""
        return tuple(sorted({pointer.revision for pointer in self._pointers()}, reverse=True))

    def manifest(self, revision: int) -> Manifest:
        """Return the manifest of a revision. Raise SnapshotError if it is missing or damaged."""
        return self._manifest(self._pointer_of(revision))[1]

    def check(self, revision: int) -> None:
        """Read a revision completely. Raise SnapshotError if it is damaged, missing or quarantined."""
        self._read(self._pointer_of(revision), None)

    def quarantine_reason(self, revision: int) -> str | None:
        """Return why a revision is quarantined, or None if it is not."""
        try:
            return read_bounded(self._mark(revision), _REASON_BYTES).decode(errors="replace")
        except SnapshotError:
            return "" if self._quarantined(revision) else None

    def _newest_creation_time_s(self) -> Instant:
        """Return when the current snapshot, or else the newest readable one, was made; 0 if there is none."""
        current = self._current_or_none()
        others = sorted(self._pointers(), reverse=True)
        for pointer in others if current is None else [current, *others]:
            with suppress(SnapshotError):
                return self._manifest(pointer)[1].made_s
        return 0

    def _read(self, pointer: Pointer, known: Files | None) -> Files:
        if self._quarantined(pointer.revision):
            raise self._quarantine_error(pointer.revision)
        return self._read_complete(pointer, known)

    def _quarantine_error(self, revision: int) -> SnapshotError:
        return SnapshotError(f"read revision {revision} in {self._directory}: it is quarantined")

    def _read_complete(self, pointer: Pointer, known: Files | None) -> Files:
        damaged: list[str] = []
        data, manifest = self._manifest(pointer, damaged)
        held = bytes_by_digest(known)
        names, ranges, rules = (
            held[file.digest] if file.digest in held else self._immutable.read(name, file, damaged)
            for name, file in named_files(manifest)
        )
        return Files(pointer.revision, data, names, ranges, rules, tuple(damaged))

    def _manifest(self, pointer: Pointer, damaged: list[str] | None = None) -> tuple[bytes, Manifest]:
        file = FileRef(bytes.fromhex(pointer.digest), MAX_MANIFEST_BYTES)
        data = self._immutable.read(pointer.file_name, file, damaged, exact=False)
        manifest = parse_manifest(data)
        if manifest.revision != pointer.revision:
            raise SnapshotError(f"read {self._path(pointer.file_name)}: it has revision {manifest.revision}")
        return data, manifest

    def _current(self) -> Pointer:
        return current_in(self._directory)

    def _current_or_none(self) -> Pointer | None:
        try:
            return self._current()
        except SnapshotError:
            return None

    def _pointers(self) -> list[Pointer]:
        """Return every manifest in the directory, in no order."""
        return pointers_in(self._directory)

    def _pointer_of(self, revision: int) -> Pointer:
        pointer = max((p for p in self._pointers() if p.revision == revision), default=None)
        if pointer is None:
            raise SnapshotError(f"use revision {revision}: it is not in {self._directory}")
        return pointer

    def _quarantined(self, revision: int) -> bool:
        return revision in self._set_aside or self._mark(revision).exists()

    def _mark(self, revision: int) -> Path:
        return self._path(f"{revision}.quarantined")

    def _path(self, name: str) -> Path:
        return self._directory / name
