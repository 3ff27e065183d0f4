"""Pull snapshots from the control plane, check them by the pinned key and their digests, put them in the node's store.

A snapshot that fails a check does not touch the one in force.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from dnsfilter.config.node_config import Config
from dnsfilter.control.http_client import Answer, ControlClient, failure
from dnsfilter.control.identity import Identity, load_identity
from dnsfilter.control.unstored import Memory, Received, Unstored
from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.local.private_files import read_private, replace_private
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.contents import bytes_by_digest
from dnsfilter.snapshot.file_changes import LEAST_BYTES, apply_changes
from dnsfilter.snapshot.layout import MAX_MANIFEST_BYTES
from dnsfilter.snapshot.manifest import FileRef, Manifest, parse_manifest
from dnsfilter.snapshot.sections import File
from dnsfilter.snapshot.signature import verify_manifest
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry import logs

PULLED = "pulled.json"
SNAPSHOTS = "snapshots"
LARGEST_NOTE = 4096
KEPT_REVISIONS = 20
LARGEST_FILE = 1 << 30
"""Maximum size of one file in bytes. It is in memory while it is fetched, names twice; a million names take 43 MB."""
FILE_S = 600.0
ACCEPT = (
    "check the clock of the control plane's machine; if its policy is the right one, type there "
    "systemctl stop dnsfilter-api, dnsfilter-api accept, systemctl start dnsfilter-api: all nodes follow"
)
_NOTHING = (-1, -1), None
_LOG = logging.getLogger("dnsfilter.control.puller")


class Puller:
    """The snapshots that a node has pulled since it enrolled. The one in use may be another.

    DIRECTORY/snapshots      pulled snapshots
    DIRECTORY/pulled.json    the newest pulled one: {"enrolment": …, "installation": …, "epoch": …, "revision": …, …}
    """

    def __init__(
        self,
        client: ControlClient,
        directory: Path,
        identity: Identity,
        store: SnapshotStore | None = None,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        """Initialize. `store` defaults to the node's own. Raise UnavailableError if a file cannot be read.

        With `memory`, a snapshot that the disk does not take is kept there, and stored by a later call of `pull`.
        """
        self.identity = identity
        self._client = client
        self._store = store or own_store(directory)
        self._clock = clock
        self._path = directory / PULLED
        self._begins = True
        """Whether nothing has been pulled since the enrolment."""
        self._is_elsewhere = False
        """Whether the snapshots here come from another installation."""
        self._enrolment = identity.enrolment
        self._made_s: Instant = 0
        self._version, self._tag = self._pulled()
        """The newest pulled epoch and revision; older ones are refused. The tag is its manifest's, None if a file is
        missing."""
        self._memory = memory
        if memory is not None and memory.unstored is not None:
            held = memory.unstored.files.manifest
            self._version, self._tag = max(self._version, parse_manifest(held).version), sha256(held).hexdigest()
        with suppress(UnavailableError):
            self._store.copy_current()

    def pull(self, wait_s: int, placed: Callable[[], object] = lambda: None, *, afresh: bool = False) -> int | None:
        """Pull and return the next revision. Return None if the control plane has no other within `wait_s` seconds.

        Call `placed` as soon as the revision is current in the store. With `afresh` pull the newest one even if it is
        in the store already, or if an older one was chosen on this node. Raise UnavailableError if the control plane
        cannot be reached or answers with an error, SnapshotError with the revision if the snapshot is refused.
        """
        if afresh:
            self._tag = None
        self._store_again(placed)
        headers = {} if self._tag is None else {"If-None-Match": f'"{self._tag}"'}
        path = f"/v1/nodes/self/snapshot?wait={wait_s}"
        answer = self._client.ask(
            "GET", path, self.identity.token, headers=headers, largest=MAX_MANIFEST_BYTES, wait_s=wait_s
        )
        if answer.status == HTTPStatus.NOT_MODIFIED and self._tag is not None:
            return None
        data = _content(answer, "snapshot", self._client.url)
        if sha256(data).hexdigest() == self._tag:
            return None
        manifest = parse_manifest(data)
        self._check(manifest, data, afresh=afresh)
        files = {file.digest: self._fetch(file, manifest) for file in self._store.missing(manifest)}
        received = Received(data, files, replace_chosen=afresh or self._restarts_at(manifest))
        try:
            self._take(received, placed)
        except UnavailableError as error:
            self._hold(received, manifest, error)
            placed()
        return manifest.revision

    def _take(self, received: Received, placed: Callable[[], object]) -> None:
        """Store a snapshot. Raise UnavailableError if the disk does not take it."""
        manifest = parse_manifest(received.manifest)
        self._store.receive(received.manifest, received.fetched, placed, replace_chosen=received.replace_chosen)
        if self._restarts_at(manifest):
            self._store.restart_at(manifest.revision, with_older=self._begins and self._is_elsewhere)
        self._note(manifest, sha256(received.manifest).hexdigest())
        self._begins = False
        if self._memory is not None:
            self._memory.unstored = None
        self._store.prune(KEPT_REVISIONS)

    def _hold(self, received: Received, manifest: Manifest, error: UnavailableError) -> None:
        """Keep a snapshot in memory. Raise the error if that is not wanted, or if one was chosen on this node."""
        held = self._store.held_up_to()
        is_chosen = held is not None and manifest.revision <= held and not received.replace_chosen
        if self._memory is None or is_chosen or self._restarts_at(manifest):
            raise error
        files = self._store.files_of(received.manifest, received.fetched)
        self._memory.unstored = Unstored(received, files, str(error), self._store.current_token())
        self._version, self._tag = manifest.version, sha256(received.manifest).hexdigest()
        logs.emit(_LOG, logging.ERROR, "snapshot is only in memory", revision=manifest.revision, reason=error)

    def _store_again(self, placed: Callable[[], object]) -> None:
        """Store the snapshot in memory if the disk takes it now. Forget it if another one was chosen meanwhile."""
        unstored = None if self._memory is None else self._memory.unstored
        if self._memory is None or unstored is None:
            return
        if self._store.current_token() != unstored.current:
            self._memory.unstored = None
            return
        try:
            self._take(unstored.received, placed)
        except UnavailableError as error:
            self._memory.unstored = replace(unstored, reason=str(error), current=self._store.current_token())
            return
        logs.emit(_LOG, logging.INFO, "snapshot is on disk now", revision=unstored.files.revision)

    def _restarts_at(self, manifest: Manifest) -> bool:
        """Return whether a snapshot begins another numbering: the first since the enrolment, or after a restore."""
        return self._begins or manifest.epoch > self._version[0]

    def _check(self, manifest: Manifest, data: bytes, *, afresh: bool) -> None:
        try:
            verify_manifest(data, self.identity.key)
        except SnapshotError as error:
            raise SnapshotError(f"revision {manifest.revision} refused: {error}") from error
        epoch, revision = self._version
        if manifest.epoch < epoch:
            raise SnapshotError(
                f"revision {manifest.revision} refused: it is of the time before a restore that this node has "
                f"followed; {ACCEPT}"
            )
        if manifest.version < self._version:
            raise SnapshotError(
                f"revision {manifest.revision} refused: this node has already pulled revision {revision}, "
                f"which is newer; {ACCEPT}"
            )
        if manifest.version == self._version and not afresh and self._is_made_earlier(manifest):
            raise SnapshotError(
                f"revision {manifest.revision} refused: this node has already pulled one that was made later; "
                "the next act at the control plane makes a new revision"
            )

    def _is_made_earlier(self, manifest: Manifest) -> bool:
        """Return whether it was made earlier than the pulled one of its revision, by more than clocks differ.

        Return False if the pulled one was made in the future: the clock that dated it was wrong and is corrected now.
        """
        ahead = self._made_s > self._clock() + TOLERATED_S
        return manifest.made_s < self._made_s - TOLERATED_S and not ahead

    def _fetch(self, file: FileRef, manifest: Manifest) -> bytes:
        """Return a file. Fetch all of it if there are no changes since the one here, or if they lead elsewhere."""
        digest, revision = file.digest.hex(), manifest.revision
        if file.size > LARGEST_FILE:
            raise SnapshotError(f"revision {revision} refused: file {digest[:16]}… has more than {LARGEST_FILE} bytes")
        before = self._before() if file == manifest.names and file.size >= LEAST_BYTES else None
        data = b"" if before is None else self._ask_file(file, before)
        if before is None or not _is(file, data):
            data = self._ask_file(file, None)
        if not _is(file, data):
            raise SnapshotError(
                f"revision {revision} refused: the {len(data)} bytes received as file {digest[:16]}… "
                "do not match its size or its digest"
            )
        return data

    def _ask_file(self, file: FileRef, before: File | None) -> bytes:
        """Return a file, or nothing if changes since `before` came and do not apply."""
        digest = file.digest.hex()
        path = f"/v1/nodes/self/files/{digest}{'' if before is None else f'?since={before.digest.hex()}'}"
        answer = self._client.ask("GET", path, self.identity.token, largest=file.size, within_s=FILE_S)
        if answer.status != HTTPStatus.IM_USED or before is None:
            return _content(answer, f"file {digest[:16]}…", self._client.url)
        try:
            return apply_changes(before.data, answer.body, file.size)
        except SnapshotError as error:
            logs.emit(_LOG, logging.WARNING, "fetching a complete file, its changes do not apply", reason=error)
            return b""

    def _before(self) -> File | None:
        """Return the names file that is here, or None."""
        with suppress(SnapshotError):
            files = self._store.read_current()
            return File(parse_manifest(files.manifest).names.digest, bytes(files.names))
        return None

    def _pulled(self) -> tuple[tuple[int, int], str | None]:
        """Return the version and tag in `pulled.json`; `_NOTHING` if they are from before the enrolment.

        A control plane that was set up again may start with revision 1. The tag is None if the manifest or a file of
        it is missing, so that it is pulled again.
        """
        noted = read_private(self._path, LARGEST_NOTE)
        try:
            value = json.loads(noted or b"{}")
            if value.get("enrolment") != self._enrolment:
                self._is_elsewhere = value.get("installation", self.identity.installation) != self.identity.installation
                return _NOTHING
            version, tag = (int(value["epoch"]), int(value["revision"])), str(value["manifest"])
            self._made_s = int(value.get("made_s", 0))
        except (ValueError, LookupError, TypeError, AttributeError):
            return _NOTHING
        self._begins = False
        found = next((each for each in self._store.manifests() if sha256(each).hexdigest() == tag), None)
        is_complete = found is not None and not self._store.missing(parse_manifest(found))
        return version, tag if is_complete and self._store.current_revision() is not None else None

    def _note(self, manifest: Manifest, tag: str) -> None:
        made_s = manifest.made_s
        if manifest.version == self._version and self._made_s <= self._clock() + TOLERATED_S:
            made_s = max(made_s, self._made_s)  # never move back in small steps
        self._version, self._made_s, self._tag = manifest.version, made_s, tag
        value = {
            "enrolment": self._enrolment,
            "installation": self.identity.installation,
            "epoch": manifest.epoch,
            "revision": manifest.revision,
            "made_s": made_s,
            "manifest": tag,
        }
        try:
            replace_private(self._path, json.dumps(value).encode() + b"\n")
        except OSError as error:
            raise UnavailableError(f"write {self._path}: {(error.strerror or str(error)).lower()}") from error


def own_store(directory: Path) -> SnapshotStore:
    """Return the store of pulled snapshots. It syncs late: what a power cut loses can be pulled again."""
    return SnapshotStore(directory / SNAPSHOTS, sync_late=True)


def receive_published(config: Config) -> bool:
    """Copy the files that a control plane on this machine has published into the node's store.

    Return whether there were any. They must be signed with the pinned key, or the configured one. Raise
    UnavailableError if the store cannot be written.
    """
    identity = load_identity(config.node_dir)
    key = config.control_plane.key if identity is None else identity.key
    try:
        files, _ = SnapshotStore(config.state_dir / SNAPSHOTS).read_best()
        if key is not None:
            verify_manifest(files.manifest, key)
    except SnapshotError:
        return False
    contents = {digest: bytes(content) for digest, content in bytes_by_digest(files).items()}
    own_store(config.node_dir).receive(files.manifest, contents, replace_chosen=True)
    return True


def _is(file: FileRef, data: bytes) -> bool:
    return len(data) == file.size and sha256(data).digest() == file.digest


def _content(answer: Answer, what: str, url: str) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise failure(f"ask {url} for the {what}", answer)
    return answer.body
