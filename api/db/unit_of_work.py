"""The unit of work: one session, and the record of the acts done in it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.chain.entry_hash import GENESIS, TOKEN, entry_hash
from api.db import authority_index
from api.db.base import Base, Json
from api.db.bulk import BATCH, insert_all
from api.db.models.audit_log import INSTALLATION, AuditRow, InstallationRow
from api.db.unusable import Unusable
from api.timestamps import timestamp_text

DAMAGE = "damage"
"""What a writing session knows of damage to the database: no act continues a broken audit log."""
INSTALLATION_ACCOUNT = 0
"""Who acts where nobody was asked for a token: whoever may write to the installation's files."""
_AUDIT = Base.metadata.tables[AuditRow.__tablename__]


class Access(StrEnum):
    """How somebody came to act."""

    TOKEN = "token"
    LOCAL = "local"
    LOADED = "loaded"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose acts these are: an account by its number, how it came, the request that it made, and with which token."""

    account: int
    access: Access
    request: str = ""
    token: int | None = None


LOCAL = Actor(INSTALLATION_ACCOUNT, Access.LOCAL)
LOADED = Actor(INSTALLATION_ACCOUNT, Access.LOADED)


@dataclass(frozen=True, slots=True)
class Act:
    """An act as the record has it; `authorities` are those whose matter it is."""

    act: str
    subject: str
    before: Json | None
    after: Json | None
    authorities: tuple[str, ...]


@dataclass(slots=True)
class UnitOfWork:
    """One transaction by one actor at one instant. Acts done in it share one new revision.

    One that is `rehearsing` is checked like any other and then rolled back: it shows what its acts would do.
    """

    session: Session
    actor: Actor
    now_s: int
    acted: bool = field(default=False, init=False)
    rehearsing: bool = field(default=False, init=False)
    shown_once: bool = field(default=False, init=False)
    """Whether the answer has something that is shown once, and so is kept nowhere."""
    _head: tuple[int, str] | None = field(default=None, init=False)
    """Number and hash of the last entry of the audit."""

    @property
    def revision(self) -> int:
        """The database's revision as this transaction sees it, with its own acts."""
        return self._installation().revision

    def new_revision(self) -> int:
        """The revision that this unit's acts make, for the rows that change; raises the database's once."""
        row = self._installation()
        if not self.acted:
            row.revision += 1
            self.acted = True
        return row.revision

    def record(self, act: str, subject: str, before: Json | None, after: Json | None, *authorities: str) -> None:
        """Add the audit entry of an act on the policy; `authorities` are those whose matter it is."""
        self._add(act, subject, before, after, authorities, self.new_revision())

    def note(self, act: str, subject: str, before: Json | None, after: Json | None, *authorities: str) -> None:
        """Add the audit entry of an act that changes no policy: it makes no revision."""
        self._add(act, subject, before, after, authorities, self.revision)

    def _add(
        self, act: str, subject: str, before: Json | None, after: Json | None, authorities: Sequence[str], revision: int
    ) -> None:
        row = AuditRow(**self._next(Act(act, subject, before, after, tuple(authorities)), revision))
        self.session.add(row)
        authority_index.add(self.session, row.seq, row.authorities)

    def record_all(self, acts: Iterable[Act], done: Callable[[int], None]) -> None:
        """As `record`, of many acts: the same entries, in far less time. `done` is told how many there are."""
        revision, count = self.new_revision(), 0
        self.session.flush()
        rest = iter(acts)
        while batch := [self._next(act, revision) for act in islice(rest, BATCH)]:
            insert_all(self.session, _AUDIT, batch)
            authority_index.add_all(self.session, batch)
            count += len(batch)
            done(count)

    def _next(self, act: Act, revision: int) -> Json:
        """The columns of the entry that follows; raises Unusable."""
        if self.session.info.get(DAMAGE) is not None:
            raise Unusable(self.session.info[DAMAGE])
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
    """Number and hash of the last entry of the audit; 0 and zeros before the first."""
    found = session.execute(select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)).one_or_none()
    return (found.seq, found.hash) if found is not None else (0, GENESIS)


def entry_of(row: AuditRow) -> Json:
    """An entry as it is exported and, but for `hash`, hashed; it names a token only if it was made with one."""
    made_with = {} if row.token is None else {TOKEN: row.token}
    return {
        **made_with,
        "seq": row.seq,
        "time": timestamp_text(row.time_s),
        "account": row.account,
        "access": row.access,
        "request": row.request,
        "act": row.act,
        "object": row.object,
        "authorities": row.authorities,
        "before": row.before,
        "after": row.after,
        "revision": row.revision,
        "previous": row.previous,
        "hash": row.hash,
    }
