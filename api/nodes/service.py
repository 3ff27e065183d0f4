"""Acts on nodes. Nodes are not part of the policy, so these acts make no revision."""

import json
from collections.abc import Sequence
from typing import get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.node_tokens import JOURNAL
from api.auth.tokens import NewToken, new_token
from api.db.base import Json
from api.db.models import AuditRow, AuthorityRow, NodeRow, SiteRow
from api.db.sites import authorities_at
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork, head
from api.errors import Conflict, Invalid
from api.nodes import repository
from api.nodes.schemas import JournalEntry, LocalAct
from api.suspensions.bound_bans import concerned
from api.timestamps import stored_instant, timestamp_text
from dnsfilter.policy.model import DAY_S

ENROLMENT_S = DAY_S
MAX_NODES = 1500
"""Limited by the connections of a control plane: each node waits on one, and others need some too."""

MOST_AHEAD = 1_000_000
"""Maximum step of journal numbers above the last one recorded, so that no report can use up the numbers."""
RECORDED = 2500
"""Recorded journal entries that a report is compared with. A node keeps fewer."""
_SUSPENDING = ("suspend", "end_suspension")
LOCAL_ACTS = tuple(f"node.{act}" for act in get_args(LocalAct))


def register(unit: UnitOfWork, key: bytes, name: str, site: str) -> tuple[NodeRow, NewToken]:
    """Register a node and return it with its enrolment token. The name of a removed node can be used again.

    Raise Conflict if the name is in use or there are too many nodes. Raise Invalid if the site is unknown.
    """
    session = unit.session
    if session.get(SiteRow, site) is None:
        raise Invalid.at("body.site", f"site {site} is not registered")
    row = repository.find(session, name)
    if row is not None and row.removed_s is None:
        raise Conflict(f"node {name} is registered already: renew its enrolment token, or remove it first")
    if repository.count(session) >= MAX_NODES:
        raise Conflict(f"there are already {MAX_NODES} nodes, the most that a control plane serves: remove one first")
    revision = _next(unit)
    row = row or NodeRow(name=name)
    row.site, row.registered_s, row.removed_s, row.revision = site, unit.now_s, None, revision
    _reset(row)
    fresh = _invite(unit, key, row)
    session.add(row)
    unit.note("node.register", subject(row), None, _shown(row))
    session.flush()
    return row, fresh


def invite(unit: UnitOfWork, key: bytes, row: NodeRow) -> NewToken:
    """Make a new enrolment token. The node's own token stays valid until the node enrols again.

    Raise `Conflict` if the node was removed.
    """
    if row.removed_s is not None:
        raise Conflict(f"node {row.name} was removed: register it again")
    row.revision = _next(unit)
    fresh = _invite(unit, key, row)
    unit.note("node.invite", subject(row), None, _shown(row))
    return fresh


def enrol(unit: UnitOfWork, key: bytes, row: NodeRow, version: str) -> NewToken:
    """Enrol a node and return its own token. Its enrolment token and its previous token become invalid.

    Its journal may start again at 1, as on a machine that replaces another.
    """
    fresh = new_token(key)
    row.revision = _next(unit)
    _reset(row)
    row.enrolled_s, row.public, row.digest = unit.now_s, fresh.public, fresh.digest
    unit.note("node.enrol", subject(row), None, {"name": row.name, "site": row.site, "version": version})
    return fresh


def remove(unit: UnitOfWork, row: NodeRow) -> None:
    """Remove a node and invalidate its tokens. Raise Conflict if it is already removed."""
    if row.removed_s is not None:
        raise Conflict(f"node {row.name} is already removed")
    row.revision = _next(unit)
    unit.note("node.remove", subject(row), _shown(row), None)
    # The hash of its token stays, to distinguish its use from that of an unknown token.
    row.enrolment_public, row.enrolment_digest, row.enrolment_until_s = None, "", None
    row.removed_s, row.report = unit.now_s, {}


def take_journal(unit: UnitOfWork, row: NodeRow, entries: Sequence[JournalEntry]) -> int:
    """Record local acts of a node in the audit log, each entry once. Return the highest recorded number.

    Missing numbers are recorded as a gap: the acts there are unknown. A node sends earlier entries again after it has
    enrolled again, or after the control plane was restored. A different act under a recorded number is recorded too:
    one of the two came from another holder of the node's token. Raise Invalid if a number is far above the last one.
    """
    highest: int = row.report.get(JOURNAL, 0)
    ordered = sorted(entries, key=lambda entry: entry.number)
    earlier = _recorded(unit.session, row) if ordered and _may_be_recorded(row, highest, ordered) else []
    known = {_words(act, after) for act, after in earlier}
    # Entries recorded before the node enrolled again are not a gap.
    reached = highest or max((after["number"] for _, after in earlier), default=0)
    for entry in ordered:
        last = max(highest, reached)
        if entry.number > last + MOST_AHEAD:
            raise Invalid.at(
                "body.journal", f"{entry.number} is more than {MOST_AHEAD} above {last}, the last one recorded"
            )
        if entry.number > last + 1:
            missing = {"since": last + 1, "through": entry.number - 1}
            unit.note("node.journal_gap", subject(row), None, missing)
        highest = max(highest, entry.number)
        act, after = f"node.{entry.act}", entry.model_dump(mode="json", exclude={"act"})
        words = _words(act, after)
        if words not in known:
            known.add(words)
            unit.note(act, subject(row), None, after, *_matters(unit.session, row, entry))
    row.report = {**row.report, JOURNAL: highest}
    return highest


def _words(act: str, after: Json) -> str:
    return f"{act} {json.dumps(after, sort_keys=True)}"


def _may_be_recorded(row: NodeRow, highest: int, entries: Sequence[JournalEntry]) -> bool:
    """Return whether entries may be recorded already: by their numbers, or as older than the node's enrolment."""
    oldest_s = min(stored_instant(entry.time) for entry in entries)
    return entries[0].number <= highest or highest == 0 or row.enrolled_s is None or oldest_s <= row.enrolled_s


def _recorded(session: Session, row: NodeRow) -> list[tuple[str, Json]]:
    """Return the last recorded local acts of a node: at least as many as a node keeps."""
    statement = (
        select(AuditRow.act, AuditRow.after)
        .where(AuditRow.object == subject(row), AuditRow.act.in_(LOCAL_ACTS))
        .order_by(AuditRow.seq.desc())
        .limit(RECORDED)
    )
    return [(act, after) for act, after in session.execute(statement) if after is not None]


def _matters(session: Session, row: NodeRow, entry: JournalEntry) -> tuple[str, ...]:
    """Return the authorities that a local act concerns. A suspension of all concerns those with ranges at the site.

    The start of a suspension also concerns those whose bans it disables. Unknown authorities are left out: a report
    does not prove that they exist.
    """
    if entry.authority is not None:
        known = session.scalars(select(AuthorityRow.slug).where(AuthorityRow.slug == entry.authority)).all()
    else:
        known = authorities_at(session, row.site) if entry.act in _SUSPENDING else ()
    if entry.act != "suspend" or entry.until is None:
        return tuple(known)
    return concerned(session, known, (stored_instant(entry.time), stored_instant(entry.until)))


def _invite(unit: UnitOfWork, key: bytes, row: NodeRow) -> NewToken:
    fresh = new_token(key)
    row.enrolment_public, row.enrolment_digest = fresh.public, fresh.digest
    row.enrolment_until_s = unit.now_s + ENROLMENT_S
    return fresh


def _reset(row: NodeRow) -> None:
    """Clear both tokens and the last report."""
    row.enrolment_public, row.enrolment_digest, row.enrolment_until_s = None, "", None
    row.enrolled_s, row.public, row.digest = None, None, ""
    row.seen_s, row.report = None, {}


def _next(unit: UnitOfWork) -> int:
    # Nodes make no revision of the policy. The number of an audit entry is unique to this change.
    return head(unit.session)[0] + 1


def _shown(row: NodeRow) -> Json:
    until_s = row.enrolment_until_s
    until = None if until_s is None else timestamp_text(until_s)
    return {"name": row.name, "site": row.site, "enrolment_until": until}
