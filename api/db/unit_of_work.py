"""The unit of work: one session, and the audit entries of the acts done in it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.chain.entry_hash import FIELDS, GENESIS, TOKEN, entry_hash
from api.db import authority_index
from api.db.base import Base, Json
from api.db.bulk import BATCH, insert_all
from api.db.models.audit_log import INSTALLATION, AuditRow, InstallationRow
from api.db.unusable import Unusable
from api.timestamps import timestamp_text

DAMAGE = "damage"
"""Key of a writing session's `info` with the damage of the database. No act is added to a damaged audit log."""
INSTALLATION_ACCOUNT = 0
"""The account of acts that need no token, but write access to the installation's files."""
MAX_SHOWN_ACTS = 20
"""The most acts of a unit that a request for approval shows."""
_AUDIT = Base.metadata.tables[AuditRow.__tablename__]


class Access(StrEnum):
    """The way in which an act was authorised."""

    TOKEN = "token"
    LOCAL = "local"
    LOADED = "loaded"
    NODE = "node"
    FEED = "feed"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor: the number of the account, the kind of access, the request's id, and the number of the token."""

    account: int
    access: Access
    request: str = ""
    token: int | None = None


LOCAL = Actor(INSTALLATION_ACCOUNT, Access.LOCAL)
LOADED = Actor(INSTALLATION_ACCOUNT, Access.LOADED)


@dataclass(frozen=True, slots=True)
class Act:
    """An act as the audit log records it. `authorities` are those that it concerns."""

    act: str
    subject: str
    before: Json | None
    after: Json | None
    authorities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """The approved request that a unit carries out: its authority, reason and time, and what it may lift."""

    authority: str
    reason: str
    requested_s: int
    lifts: Sequence[Json]


@dataclass(slots=True)
class UnitOfWork:
    """One transaction by one actor at one instant. Its acts share one new revision.

    With `rehearsing` it is checked like any other and then rolled back. It shows what its acts would do.
    """

    session: Session
    actor: Actor
    now_s: int
    acted: bool = field(default=False, init=False)
    rehearsing: bool = field(default=False, init=False)
    shown_once: bool = field(default=False, init=False)
    """True if the answer holds a secret that is shown once, and so must not be stored."""
    approval: Approval | None = field(default=None, init=False)
    """Set if an approver carries out what another account asked for."""
    acts: list[Act] = field(default_factory=list, init=False)
    """The first acts of this unit, at most `MAX_SHOWN_ACTS`."""
    act_count: int = field(default=0, init=False)
    _head: tuple[int, str] | None = field(default=None, init=False)
    """Number and hash of the last entry of the audit log."""

    @property
    def revision(self) -> int:
        """Return the database's revision as this transaction sees it, with its own acts."""
        return self._installation().revision

    @property
    def asked_s(self) -> int:
        """Return when the acts were asked for: spans of time count from then."""
        return self.now_s if self.approval is None else self.approval.requested_s

    def not_past(self, at: int) -> int:
        """Return `at`; if it has passed while a request waited for its approval, return now."""
        return at if self.approval is None else max(at, self.now_s)

    def new_revision(self) -> int:
        """Return the revision of this unit's acts, for the rows that change. Increase the database's revision once."""
        row = self._installation()
        if not self.acted:
            row.revision += 1
            self.acted = True
        return row.revision

    def record(self, act: str, subject: str, before: Json | None, after: Json | None, *authorities: str) -> None:
        """Add the audit entry of an act on the policy. `authorities` are those that it concerns."""
        self._add(act, subject, before, after, authorities, self.new_revision())

    def note(self, act: str, subject: str, before: Json | None, after: Json | None, *authorities: str) -> None:
        """Add the audit entry of an act that does not change the policy. It makes no revision."""
        self._add(act, subject, before, after, authorities, self.revision)

    def _add(
        self, act: str, subject: str, before: Json | None, after: Json | None, authorities: Sequence[str], revision: int
    ) -> None:
        row = AuditRow(**self._next(Act(act, subject, before, after, tuple(authorities)), revision))
        self.session.add(row)
        authority_index.add(self.session, row.seq, row.authorities)

    def record_all(self, acts: Iterable[Act], done: Callable[[int], None]) -> None:
        """Record many acts: the same entries as `record`, in far less time. Call `done` with the number so far."""
        revision, count = self.new_revision(), 0
        self.session.flush()
        rest = iter(acts)
        while batch := [self._next(act, revision) for act in islice(rest, BATCH)]:
            insert_all(self.session, _AUDIT, batch)
            authority_index.add_all(self.session, batch)
            count += len(batch)
            done(count)

    def _next(self, act: Act, revision: int) -> Json:
        """Return the columns of the next entry. Raise Unusable."""
        if self.session.info.get(DAMAGE) is not None:
            raise Unusable(self.session.info[DAMAGE])
        self.act_count += 1
        if len(self.acts) < MAX_SHOWN_ACTS:
            self.acts.append(act)
        seq, previous = self._head or head(self.session)
        row: Json = {
            "seq": seq + 1,
            "time_s": self.now_s,
            "account": self.actor.account,
            "access": str(self.actor.access),
            "token": self.actor.token,
            "request": self.actor.request,
            "act": act.act,
            "object": act.subject,
            "authorities": sorted(set(act.authorities)),
            "before": act.before,
            "after": act.after,
            "revision": revision,
            "previous": previous,
        }
        row["hash"] = entry_hash({**row, "time": timestamp_text(self.now_s)})
        self._head = row["seq"], row["hash"]
        return row

    def _installation(self) -> InstallationRow:
        return self.session.get_one(InstallationRow, INSTALLATION)


def head(session: Session) -> tuple[int, str]:
    """Return number and hash of the last entry of the audit log, or 0 and zeros before the first."""
    found = session.execute(select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)).one_or_none()
    return (found.seq, found.hash) if found is not None else (0, GENESIS)


def entry_of(row: AuditRow) -> Json:
    """Return an entry as it is exported and, without `hash`, hashed. It has a token only if the act had one."""
    entry: Json = {name: getattr(row, name) for name in FIELDS if name != "time"}
    made_with = {} if row.token is None else {TOKEN: row.token}
    return {**entry, **made_with, "time": timestamp_text(row.time_s), "hash": row.hash}
