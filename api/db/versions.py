"""The policy at every revision: each transaction stores a version of each object that it changed.

Past policies are rebuilt from versions, row by row. The audit log cannot serve for that: its texts are for people.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, UOWTransaction

from api.db.base import Base, Json
from api.db.bulk import BATCH, insert_all
from api.db.models import (
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    FleetNameRow,
    InstallationRow,
    RangeRow,
    ServiceRow,
    SiteRow,
    SuspensionRow,
    TermRow,
    VersionRow,
)
from api.db.models.audit_log import INSTALLATION

KINDS: Mapping[str, type[Base]] = {
    "authority": AuthorityRow,
    "site": SiteRow,
    "range": RangeRow,
    "service": ServiceRow,
    "ban": BanRow,
    "binding": BindingRow,
    "exemption": ExemptionRow,
    "name": AllowedNameRow,
    "fleet_name": FleetNameRow,
    "suspension": SuspensionRow,
}
"""The tables of which versions are kept, by kind. A term is kept within its ban."""

_VERSIONS = Base.metadata.tables[VersionRow.__tablename__]
_OF_CLASS = {row: kind for kind, row in KINDS.items()}
_CHANGED = "changed objects"
_BANS = "bans of changed terms"
_Changed: TypeAlias = dict[tuple[type[Base], Any], Base | None]
"""Each changed object, or None if it was removed. The rows are referenced, so that the session does not reload them."""


def watch(session: Session) -> None:
    """Start to note which objects the session changes."""
    session.info[_CHANGED] = {}
    session.info[_BANS] = set()
    event.listen(session, "after_flush", _noted)


def is_watched(session: Session) -> bool:
    """Return whether the session is watched. It may have uncommitted changes."""
    return _CHANGED in session.info


def keep(session: Session) -> None:
    """Add a version of every object that a watched session changed. Call this before its commit.

    Raise RuntimeError if an object was changed without getting the new revision.
    """
    session.flush()
    changed: _Changed = session.info[_CHANGED]
    for number in session.info[_BANS]:
        if (BanRow, number) not in changed:
            changed[BanRow, number] = session.get(BanRow, number)
    if not changed:
        return
    revision = session.get_one(InstallationRow, INSTALLATION).revision
    for (cls, key), row in changed.items():
        body = None if row is None else columns(row)
        if body is not None and body["revision"] != revision:
            # A cache that compares revisions would take it for the earlier version.
            raise RuntimeError(f"keep a version: {_OF_CLASS[cls]} {key} was changed without a new revision")
        session.add(VersionRow(kind=_OF_CLASS[cls], key=str(key), revision=revision, body=body))
    changed.clear()
    session.info[_BANS].clear()


def keep_all(session: Session, kind: str, revision: int, objects: Iterable[tuple[int | str, Json | None]]) -> None:
    """Add versions of many objects, by key, that were not changed through rows of the session."""
    rest = iter(objects)
    while batch := list(islice(rest, BATCH)):
        rows = [{"kind": kind, "key": str(key), "revision": revision, "body": body} for key, body in batch]
        insert_all(session, _VERSIONS, rows)


def columns(row: Base) -> Json:
    """Return a row as a JSON object by attribute. A ban includes its terms."""
    found: Json = {attribute.key: getattr(row, attribute.key) for attribute in inspect(type(row)).column_attrs}
    if isinstance(row, BanRow):
        found["terms"] = [columns(term) for term in row.terms]
    return found


def _noted(session: Session, _context: UOWTransaction) -> None:
    changed: _Changed = session.info[_CHANGED]
    deleted = set(session.deleted)
    # A row is dirty even if only its old values were assigned: `is_modified` drops it.
    for row in (*session.new, *filter(session.is_modified, session.dirty), *deleted):
        if type(row) in _OF_CLASS:
            key = inspect(row).mapper.primary_key_from_instance(row)[0]
            changed[type(row), key] = None if row in deleted else row
        elif isinstance(row, TermRow):
            session.info[_BANS].add(row.ban)
