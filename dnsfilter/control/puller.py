"""Snapshots from the control plane: asked for, checked by the pinned key and their digests, put in the node's store.

Nothing that fails a check touches what is in force.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from dnsfilter.config.node_config import Config
from dnsfilter.control.http_client import Answer, ControlClient, failure
from dnsfilter.control.identity import Identity, load_identity
from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.local.private_files import read_private, replace_private
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.contents import bytes_by_digest
from dnsfilter.snapshot.layout import MAX_MANIFEST_BYTES
from dnsfilter.snapshot.manifest import FileRef, Manifest, parse_manifest
from dnsfilter.snapshot.signature import verify_manifest
from dnsfilter.snapshot.stored.store import SnapshotStore

PULLED = "pulled.json"
SNAPSHOTS = "snapshots"
LARGEST_NOTE = 4096
KEPT_REVISIONS = 20
LARGEST_FILE = 1 << 30
"""Octets of one file, in memory once while it is fetched; a million names are 43 MB."""
FILE_S = 600.0


class Puller:
    """One node's place in the row of snapshots: what it has pulled since it enrolled, which need not be what it uses.

    DIRECTORY/snapshots      what was pulled
    DIRECTORY/pulled.json    the newest of it: {"enrolment": …, "installation": …, "revision": …, "made_s": …, …}
    """

    def __init__(
        self,
        client: ControlClient,
        directory: Path,
        identity: Identity,
        store: SnapshotStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`store` None: the node's own. Raises UnavailableError for a file that cannot be read."""
        self.identity = identity
        self._client = client
        self._store = store or own_store(directory)
        self._clock = clock
        self._path = directory / PULLED
        self._begins = True
        """Whether what is here was not pulled since the enrolment."""
        self._is_elsewhere = False
        """Whether that was another installation's."""
        self._enrolment = identity.enrolment
        self._made_s: Instant = 0
        self._revision, self._tag = self._pulled()
        """The newest; nobody takes the node back before it. The tag is its manifest's, while all of it is here."""
        with suppress(UnavailableError):
            self._store.copy_current()

    def pull(self, wait_s: int, placed: Callable[[], object] = lambda: None, *, afresh: bool = False) -> int | None:
        """The revision that has come into the store; None when the control plane has had no other for `wait_s`.

        `placed` is called as soon as it is current there. `afresh` takes the newest whatever is here, or was chosen.
        Raises UnavailableError when it cannot be asked or does not answer as agreed, SnapshotError naming the revision
        when what it gave is refused.
        """
        if afresh:
            self._tag = None
        headers = {} if self._tag is None else {"If-None-Match": f'"{self._tag}"'}
        path = f"/v1/nodes/self/snapshot?wait={wait_s}"
        answer = self._client.ask(
            "GET", path, self.identity.token, headers=headers, largest=MAX_MANIFEST_BYTES, wait_s=wait_s
        )
        if answer.status == HTTPStatus.NOT_MODIFIED and self._tag is not None:
            return None
        octets = _content(answer, "snapshot", self._client.url)
        if sha256(octets).hexdigest() == self._tag:
            return None
        manifest = parse_manifest(octets)
        self._check(manifest, octets, afresh=afresh)
        files = {file.digest: self._fetch(file, manifest.revision) for file in self._store.missing(manifest)}
        self._store.receive(octets, files, placed, replace_chosen=afresh or self._begins)
        if self._begins:
            self._store.restart_at(manifest.revision, with_older=self._is_elsewhere)
        self._note(manifest, sha256(octets).hexdigest())
        self._begins = False
        self._store.prune(KEPT_REVISIONS)
        return manifest.revision

    def _check(self, manifest: Manifest, octets: bytes, *, afresh: bool) -> None:
        try:
            verify_manifest(octets, self.identity.key)
        except SnapshotError as error:
            raise SnapshotError(f"revision {manifest.revision} refused: {error}") from error
        if manifest.revision < self._revision:
            raise SnapshotError(
                f"revision {manifest.revision} refused: revision {self._revision} was pulled before, "
                "and an older one is not taken from the control plane"
            )
        if manifest.revision == self._revision and not afresh and self._is_made_earlier(manifest):
            raise SnapshotError(
                f"revision {manifest.revision} refused: one made later was pulled before; "
                "the next act of the control plane makes another"
            )

    def _is_made_earlier(self, manifest: Manifest) -> bool:
        """Than what was pulled of its revision, by more than clocks differ.

        A making that lies ahead was dated by a clock that was wrong, and has been put right since: nothing is earlier.
        """
        ahead = self._made_s > self._clock() + TOLERATED_S
        return manifest.made_s < self._made_s - TOLERATED_S and not ahead

    def _fetch(self, file: FileRef, revision: int) -> bytes:
        digest = file.digest.hex()
        if file.size > LARGEST_FILE:
            raise SnapshotError(f"revision {revision} refused: file {digest[:16]}… has more than {LARGEST_FILE} octets")
        path = f"/v1/nodes/self/files/{digest}"
        answer = self._client.ask("GET", path, self.identity.token, largest=file.size, within_s=FILE_S)
        data = _content(answer, f"file {digest[:16]}…", self._client.url)
        if len(data) != file.size or sha256(data).digest() != file.digest:
            raise SnapshotError(
                f"revision {revision} refused: the {len(data)} octets that came as file {digest[:16]}… "
                "are not those of its digest"
            )
        return data

    def _pulled(self) -> tuple[int, str | None]:
        """What is noted, unless that was before the enrolment: a control plane that was set up anew may begin anew.

        A manifest that is gone, or names a file that is, has to be had again.
        """
        noted = read_private(self._path, LARGEST_NOTE)
        try:
            value = json.loads(noted or b"{}")
            if value.get("enrolment") != self._enrolment:
                self._is_elsewhere = value.get("installation", self.identity.installation) != self.identity.installation
                return -1, None
            revision, tag = int(value["revision"]), str(value["manifest"])
            self._made_s = int(value.get("made_s", 0))
        except (ValueError, LookupError, TypeError, AttributeError):
            return -1, None
        self._begins = False
        found = next((each for each in self._store.manifests() if sha256(each).hexdigest() == tag), None)
        whole = found is not None and not self._store.missing(parse_manifest(found))
        return revision, tag if whole and self._store.current_revision() is not None else None

    def _note(self, manifest: Manifest, tag: str) -> None:
        made_s = manifest.made_s
        if manifest.revision == self._revision and self._made_s <= self._clock() + TOLERATED_S:
            made_s = max(made_s, self._made_s)  # nor is it gone back in small steps
        self._revision, self._made_s, self._tag = manifest.revision, made_s, tag
        value = {
            "enrolment": self._enrolment,
            "installation": self.identity.installation,
            "revision": manifest.revision,
            "made_s": made_s,
            "manifest": tag,
        }
        try:
            replace_private(self._path, json.dumps(value).encode() + b"\n")
        except OSError as error:
            raise UnavailableError(f"write {self._path}: {(error.strerror or str(error)).lower()}") from error


def own_store(directory: Path) -> SnapshotStore:
    """What a node has pulled. What the disk loses with the power can be had again."""
    return SnapshotStore(directory / SNAPSHOTS, sync_late=True)


def receive_published(config: Config) -> bool:
    """Copy the files that a control plane on this machine has published into the node's store.

    Return whether there were any. They must be signed under the pinned key, or the configured one. Raise
    UnavailableError.
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


def _content(answer: Answer, what: str, url: str) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise failure(f"ask {url} for the {what}", answer)
    return answer.body
