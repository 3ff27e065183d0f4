"""This node, for acts on it: its files, its time, and who may act.

Only root and the user that the node runs as may act. Root acts and reads as that user.
"""

import os
import re
from contextlib import AbstractContextManager, nullcontext

from dnsfilter.config.node_config import Config
from dnsfilter.engine.clock import Anchor, SystemClock
from dnsfilter.errors import ConfigError, Problem, SnapshotError, UnavailableError
from dnsfilter.local import believed_clock
from dnsfilter.local.believed_clock import BelievedClock, this_boot
from dnsfilter.local.journal import JOURNAL_NAME, MOST_UID, REASON_CHARS, Journal
from dnsfilter.local.private_files import Owner, acting_as, is_roots_alone, make_private, owner_below, owner_of
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.rulebook import RuleTable
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.worker.privileges import unprivileged_user

_MOST_NAMED = 100
_UID = re.compile(r"[0-9]{1,10}")


class NodeAccess:
    """The node of this configuration, for acts of the caller."""

    def __init__(self, config: Config, store: SnapshotStore) -> None:
        self._config = config
        self._store = store
        self._uid = _caller_uid()

    def _files(self) -> Files | None:
        """Return the snapshot that the node decides by. None if there is no complete one."""
        try:
            return self._store.read_best()[0]
        except SnapshotError:
            return None

    def _now(self, files: Files | None) -> ClockReading:
        """Return the time as the node believes it."""
        clock = SystemClock()
        made_s = 0 if files is None else parse_manifest(files.manifest).made_s
        believed = BelievedClock(self._config.node_dir / believed_clock.FILE_NAME, clock, read_only=True)
        believed.look(made_s, trusted=self._config.trust_clock)
        boot_ms = clock.boot_ns() // 1_000_000
        anchor = Anchor(made_s, boot_ms, believed.reference)
        return ClockReading(anchor.instant(clock.wall_s(), boot_ms), boot_ms, this_boot())

    def _journal(self) -> Journal:
        return Journal(self._config.node_dir / JOURNAL_NAME)

    def _as_owner(self) -> AbstractContextManager[None]:
        return acting_as(self._owner())

    def _as_reader(self) -> AbstractContextManager[None]:
        """Let root read as the node's user, so that no link in its directories leads to files of others."""
        if os.geteuid() != 0 or owner_of(self._config.state_dir) is None:
            return nullcontext()
        return acting_as(self._node_user()[0])

    def _node_user(self) -> tuple[Owner, Owner, bool]:
        """Return the node's user, the owner of the state directory, and whether the node's own directory exists.

        Raise UnavailableError if that cannot be found out.
        """
        node_dir, state_dir = self._config.node_dir, self._config.state_dir
        above = owner_of(state_dir)
        if above is None:
            raise UnavailableError(f"read {state_dir}: it does not exist: start the node first, or check state_dir")
        owner = owner_below(state_dir, node_dir)
        # A shared state directory belongs to root. Then the node's user is the one that it becomes.
        user = unprivileged_user(self._config.user) if above.uid == 0 else None
        wanted = above if user is None else Owner(user.pw_uid, user.pw_gid)
        if owner is None:
            return wanted, above, False
        if os.geteuid() == 0 and owner.uid not in (above.uid, wanted.uid) and not is_roots_alone(state_dir.stat()):
            raise UnavailableError(
                f"{node_dir} belongs to user {owner.uid}: set the key user to the node's user, or type "
                f"chown -R {wanted.uid} {node_dir}"
            )
        return owner, above, True

    def _owner(self) -> Owner:
        """Return the node's user. Raise UnavailableError if the caller is neither that user nor root."""
        node_dir, state_dir = self._config.node_dir, self._config.state_dir
        owner, above, made = self._node_user()
        if os.geteuid() not in (0, owner.uid):
            raise UnavailableError(
                f"only root and user {owner.uid}, who owns {node_dir if made else state_dir}, may do this: "
                "run this as root"
            )
        if not made:
            with acting_as(above):
                make_private(node_dir, owner if owner != above else None)
        return owner


def _caller_uid() -> int:
    """Return the uid of the user who runs the command; with sudo, of the user who called sudo."""
    uid, before = os.getuid(), os.environ.get("SUDO_UID", "")
    return int(before) if uid == 0 and _UID.fullmatch(before) and int(before) <= MOST_UID else uid


def check_reason(reason: str, *, needed: bool = True) -> None:
    if (needed and not reason.strip()) or len(reason) > REASON_CHARS or not reason.isprintable():
        raise ConfigError((Problem("--reason", f"give a reason: one line of at most {REASON_CHARS} characters"),))


def check_authority(authority: str, files: Files | None, otherwise: str = "") -> None:
    """Raise ConfigError if the authority has no range in the snapshot, UnavailableError if there is no snapshot.

    `otherwise` says what can be done without a snapshot.
    """
    if files is None:
        raise UnavailableError(f"find {authority}: this node has no snapshot that names authorities{otherwise}")
    known = sorted(set(RuleTable(files.rules).authorities))
    if authority not in known:
        more = f", and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
        names = ", ".join(known[:_MOST_NAMED]) + more or "none"
        raise ConfigError(
            (Problem("AUTHORITY", f"no range on this node belongs to {authority!r}; choose one of: {names}"),)
        )
