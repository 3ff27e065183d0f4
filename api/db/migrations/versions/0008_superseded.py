"""A merger stores which bans, bindings and exemptions of the successor continue those of the merged authority.

For earlier mergers this migration derives that once, by the rules of earlier versions. The successor's ban on a service
continues a ban if the merger ended a term of it. Bindings and exemptions are continued by those that the merger made
from them, bindings also by those that the successor's ban already had. A term belongs to the merger if its decision
does.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_Row: TypeAlias = sa.RowMapping
_JSON = sa.JSON(none_as_null=True)
_FOREVER = 2**62
_AUTHORITIES = sa.table(
    "authorities",
    *map(sa.column, ("slug", "closes_s", "successor")),
    sa.column("closed_decision", _JSON),
)
_BANS = sa.table("bans", *map(sa.column, ("number", "authority", "service", "superseded_by")))
_TERMS = sa.table(
    "terms",
    *map(sa.column, ("id", "ban", "recorded_s", "ended_s", "merged_from")),
    sa.column("decision", _JSON),
)
_BINDINGS = sa.table(
    "bindings",
    *map(sa.column, ("number", "ban", "authority", "ground", "start_s", "end_s")),
    *map(sa.column, ("recorded_s", "accepted_s", "ended_s")),
    sa.column("superseded_by", _JSON),
)
_EXEMPTIONS = sa.table(
    "exemptions",
    *map(sa.column, ("number", "ban", "site", "reason", "start_s", "end_s")),
    *map(sa.column, ("requested_s", "approved_s", "revoked_s")),
    *(sa.column(name, _JSON) for name in ("ranges", "hours", "superseded_by")),
)


def upgrade() -> None:
    op.add_column("bans", sa.Column("superseded_by", sa.BigInteger(), nullable=True))
    op.add_column("terms", sa.Column("merged_from", sa.String(length=63), nullable=True))
    for table in ("bindings", "exemptions"):
        op.add_column(table, sa.Column("superseded_by", sa.JSON(), nullable=False, server_default="[]"))
    for merged in _rows(sa.select(_AUTHORITIES).where(_AUTHORITIES.c.successor.is_not(None))):
        _fill(merged)


def _fill(merged: _Row) -> None:
    old = {row["number"]: row["service"] for row in _bans(merged["slug"])}
    new = {row["service"]: row["number"] for row in _bans(merged["successor"])}
    terms = _rows(sa.select(_TERMS).where(_TERMS.c.ban.in_([*old, *new.values()])))
    ended = {term["ban"] for term in terms if (term["ended_s"] or 0) >= merged["closes_s"]}
    for number, service in old.items():
        if service in new and number in ended:
            _set(_BANS, _BANS.c.number == number, superseded_by=new[service])
            _fill_bindings(merged["closes_s"], number, new[service])
            _fill_exemptions(merged["closes_s"], number, new[service])
    _fill_bindings_to(merged)
    for term in terms:
        if term["ban"] in new.values() and _is_merged(term, merged, old):
            _set(_TERMS, _TERMS.c.id == term["id"], merged_from=merged["slug"])


def _fill_bindings(at: int, old: int, new: int) -> None:
    known = _rows(sa.select(_BINDINGS).where(_BINDINGS.c.ban.in_((old, new))))
    for row in known:
        if row["ban"] == old and row["ended_s"] == at:
            _supersede(row, [other for other in known if other["ban"] == new], row["authority"], at)


def _fill_bindings_to(merged: _Row) -> None:
    at, parties = merged["closes_s"], (merged["slug"], merged["successor"])
    known = _rows(sa.select(_BINDINGS).where(_BINDINGS.c.authority.in_(parties)))
    for row in known:
        if row["authority"] == merged["slug"] and row["ended_s"] == at:
            same = [other for other in known if other["ban"] == row["ban"]]
            _supersede(row, same, merged["successor"], at)


def _supersede(row: _Row, others: Iterable[_Row], authority: str, at: int) -> None:
    """Mark a binding as superseded by the bindings that have effect in the rest of its period."""
    left = max(row["start_s"], at), _FOREVER if row["end_s"] is None else row["end_s"]
    found = [
        other["number"]
        for other in others
        if other["authority"] == authority
        and other["recorded_s"] <= at
        and (other["ended_s"] is None or other["ended_s"] > at)
        and max(left[0], other["start_s"]) < min(left[1], _FOREVER if other["end_s"] is None else other["end_s"])
        and _stands_for(other, row, at)
    ]
    _set(_BINDINGS, _BINDINGS.c.number == row["number"], superseded_by=sorted(found))


def _stands_for(other: _Row, row: _Row, at: int) -> bool:
    """Return whether a binding is as strong: a law for any, an agreement for one, a proposal for a repeated one."""
    if other["ground"] == "law":
        return True
    if row["ground"] == "law":
        return False
    if other["accepted_s"] is not None and other["accepted_s"] <= at:
        return True
    return row["accepted_s"] is None and other["recorded_s"] == at


def _fill_exemptions(at: int, old: int, new: int) -> None:
    known = _rows(sa.select(_EXEMPTIONS).where(_EXEMPTIONS.c.ban.in_((old, new))))
    for row in known:
        if row["ban"] != old or row["revoked_s"] != at:
            continue
        found = [
            other["number"]
            for other in known
            if other["ban"] == new
            and other["approved_s"] == other["requested_s"] == at
            and row["start_s"] <= other["start_s"] < other["end_s"] <= row["end_s"]
            and all(other[name] == row[name] for name in ("site", "reason", "hours"))
            and set(other["ranges"]) & set(row["ranges"])
        ]
        _set(_EXEMPTIONS, _EXEMPTIONS.c.number == row["number"], superseded_by=sorted(found))


def _is_merged(term: _Row, merged: _Row, old: dict[int, str]) -> bool:
    """Return whether the term's decision is the merger's, made at that time, or of a file that names the merged ban."""
    decision, closing = ({**found, "follows": None} for found in (term["decision"], merged["closed_decision"]))
    follows = term["decision"].get("follows")
    return decision == closing and (term["recorded_s"] == merged["closes_s"] or follows in old)


def _bans(authority: str) -> list[_Row]:
    return _rows(sa.select(_BANS).where(_BANS.c.authority == authority))


def _rows(statement: sa.Select[Any]) -> list[_Row]:
    return list(op.get_bind().execute(statement).mappings())


def _set(table: sa.TableClause, which: sa.ColumnElement[bool], **values: Any) -> None:
    op.execute(sa.update(table).where(which).values(**values))
