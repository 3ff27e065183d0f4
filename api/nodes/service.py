"""Acts on nodes. Nodes are no part of the policy, so that their acts make no revision."""

import json
from collections.abc import Sequence
from typing import get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.node_tokens import JOURNAL
from api.auth.tokens import Fresh, new_token
from api.db.base import Json
from api.db.models import AuditRow, AuthorityRow, NodeRow, SiteRow
from api.db.unit_of_work import UnitOfWork, head
from api.errors import Conflict, Invalid
from api.nodes import repository
from api.nodes.schemas import JournalEntry, LocalAct
from api.ranges.repository import authorities_at
from api.suspensions.bound_bans import concerned
from api.timestamps import parse_timestamp, timestamp_text

ENROLMENT_S = 24 * 3600
MAX_NODES = 1500
"""What the connections of one control plane allow, each node waiting on one, with room for everybody else."""

MOST_AHEAD = 1_000_000
"""A journal's next number is at most so far above the last on record: nobody uses the numbers of a node up."""
RECORDED = 2500
_SUSPENDING = ("suspend", "end_suspension")
LOCAL_ACTS = tuple(f"node.{act}" for act in get_args(LocalAct))


def register(unit: UnitOfWork, key: bytes, name: str, site: str) -> tuple[NodeRow, Fresh]:
    """Register a node, also under the name of one that was removed; gives the token with which it enrols.

    Raises Conflict for a name that is taken, Invalid for an unknown site.
    """
    session = unit.session
    if session.get(SiteRow, site) is None:
        raise Invalid.at("body.site", f"site {site} is not registered")
    row = repository.find(session, name)
    if row is not None and row.removed_s is None:
        raise Conflict(f"node {name} is registered already: ask for a new token, or remove it first")
    if repository.count(session) >= MAX_NODES:
        raise Conflict(f"there are {MAX_NODES} nodes, more than that a control plane does not serve")
    revision = _next(unit)
    row = row or NodeRow(name=name)
    row.site, row.registered_s, row.removed_s, row.revision = site, unit.now_s, None, revision
    _reset(row)
    fresh = _invite(unit, key, row)
    session.add(row)
    unit.note("node.register", _subject(row), None, _shown(row))
    session.flush()
    return row, fresh


def invite(unit: UnitOfWork, key: bytes, row: NodeRow) -> Fresh:
    """A new token with which a node enrols, anew too; until then it goes on with what it has. Raises Conflict."""
    if row.removed_s is not None:
        raise Conflict(f"node {row.name} was removed: register it again")
    row.revision = _next(unit)
    fresh = _invite(unit, key, row)
    unit.note("node.invite", _subject(row), None, _shown(row))
    return fresh


def enrol(unit: UnitOfWork, key: bytes, row: NodeRow, version: str) -> Fresh:
    """A node's own token, for the one with which it enrols: neither that nor its token before are taken any more.

    Its journal may begin anew, as on a machine that replaces another.
    """
    fresh = new_token(key)
    row.revision = _next(unit)
    _reset(row)
    row.enrolled_s, row.public, row.digest = unit.now_s, fresh.public, fresh.digest
    unit.note("node.enrol", _subject(row), None, {"name": row.name, "site": row.site, "version": version})
    return fresh


def remove(unit: UnitOfWork, row: NodeRow) -> None:
    """Take no token of a node any longer; raises Conflict for one that was removed."""
    if row.removed_s is not None:
        raise Conflict(f"node {row.name} was removed already")
    row.revision = _next(unit)
    unit.note("node.remove", _subject(row), _shown(row), None)
    # The hash of its token stays: a try to use that is told from one with any other.
    row.enrolment_public, row.enrolment_digest, row.enrolment_until_s = None, "", None
    row.removed_s, row.report = unit.now_s, {}


def take_journal(unit: UnitOfWork, row: NodeRow, entries: Sequence[JournalEntry]) -> int:
    """Put on record what was done on a node itself, each entry once; gives the highest number that is.

    Numbers that a node passes over go on record too, as a gap: what was done there is not known. A node that has
    enrolled again sends what it had sent before, as does one whose control plane was restored. Another act under a
    number that is on record goes on record as well: one of the two was told by somebody else who has the node's token.
    Raises Invalid for a number that no journal reaches from what is on record.
    """
    highest: int = row.report.get(JOURNAL, 0)
    told = sorted(entries, key=lambda entry: entry.number)
    earlier = _recorded(unit.session, row) if told and _may_be_recorded(row, highest, told) else []
    known = {_words(act, after) for act, after in earlier}
    # Of one that has enrolled again, what was on record before is no gap.
    reached = highest or max((after["number"] for _, after in earlier), default=0)
    for entry in told:
        last = max(highest, reached)
        if entry.number > last + MOST_AHEAD:
            raise Invalid.at("body.journal", f"{entry.number} is over {MOST_AHEAD} above {last}, the last on record")
        if entry.number > last + 1:
            missing = {"since": last + 1, "through": entry.number - 1}
            unit.note("node.journal_gap", _subject(row), None, missing)
        highest = max(highest, entry.number)
        act, after = f"node.{entry.act}", entry.model_dump(mode="json", exclude={"act"})
        words = _words(act, after)
        if words not in known:
            known.add(words)
            unit.note(act, _subject(row), None, after, *_matters(unit.session, row, entry))
    row.report = {**row.report, JOURNAL: highest}
    return highest


def _words(act: str, after: Json) -> str:
    return f"{act} {json.dumps(after, sort_keys=True)}"


def _may_be_recorded(row: NodeRow, highest: int, told: Sequence[JournalEntry]) -> bool:
    """Whether entries may be on record: by their numbers, or because they are from before the node enrolled."""
    oldest_s = min(parse_timestamp(entry.time, "UTC") for entry in told)
    return told[0].number <= highest or highest == 0 or row.enrolled_s is None or oldest_s <= row.enrolled_s


def _recorded(session: Session, row: NodeRow) -> list[tuple[str, Json]]:
    """The last acts on a node itself that are on record: at least as many as a node keeps."""
    statement = (
        select(AuditRow.act, AuditRow.after)
        .where(AuditRow.object == _subject(row), AuditRow.act.in_(LOCAL_ACTS))
        .order_by(AuditRow.seq.desc())
        .limit(RECORDED)
    )
    return [(act, after) for act, after in session.execute(statement) if after is not None]


def _matters(session: Session, row: NodeRow, entry: JournalEntry) -> tuple[str, ...]:
    """Return the authorities that a local act concerns. A suspension of all concerns those with ranges at the site.

    The start of a suspension also concerns those whose bans it sets aside. An unknown authority is left out: a report
    is no proof of it.
    """
    if entry.authority is not None:
        known = session.scalars(select(AuthorityRow.slug).where(AuthorityRow.slug == entry.authority)).all()
    else:
        known = authorities_at(session, row.site) if entry.act in _SUSPENDING else ()
    if entry.act != "suspend" or entry.until is None:
        return tuple(known)
    return concerned(session, known, (parse_timestamp(entry.time, "UTC"), parse_timestamp(entry.until, "UTC")))


def _invite(unit: UnitOfWork, key: bytes, row: NodeRow) -> Fresh:
    fresh = new_token(key)
    row.enrolment_public, row.enrolment_digest = fresh.public, fresh.digest
    row.enrolment_until_s = unit.now_s + ENROLMENT_S
    return fresh


def _reset(row: NodeRow) -> None:
    """Forget both tokens and what was reported."""
    row.enrolment_public, row.enrolment_digest, row.enrolment_until_s = None, "", None
    row.enrolled_s, row.public, row.digest = None, None, ""
    row.seen_s, row.report = None, {}


def _next(unit: UnitOfWork) -> int:
    # Nodes make no revision of the policy. The number of an entry in the record is never that of another change.
    return head(unit.session)[0] + 1


def _shown(row: NodeRow) -> Json:
    until_s = row.enrolment_until_s
    until = None if until_s is None else timestamp_text(until_s)
    return {"name": row.name, "site": row.site, "enrolment_until": until}


def _subject(row: NodeRow) -> str:
    return f"node/{row.name}"
