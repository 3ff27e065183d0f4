"""Bans that ended with a merger and continue under the successor: no notice says that they have ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from api.bans.state import has_lapsed, is_held
from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow, TermRow
from api.notices.kinds import Hour
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class SuccessorBan:
    """The successor's `ban` that superseded the ban `merged` at an instant.

    `bindings` are the agreed bindings of `merged` that others superseded. `ranges` holds the ranges of the
    exemptions from the successor's ban, by number of the exemption.
    """

    merged: BanRow
    ban: BanRow
    at: Instant
    bindings: Sequence[BindingRow]
    ranges: Mapping[int, Sequence[str]]

    @property
    def bound(self) -> frozenset[str]:
        """The authorities that were bound by the merged ban and remain bound by this one."""
        return frozenset(row.authority for row in self.bindings)

    def applies_to(self, authority: str) -> bool:
        """Return whether the ban is the authority's own from then on, or binds it."""
        return authority == self.ban.authority or authority in self.bound

    def created(self, row: BindingRow) -> bool:
        """Return whether the merger made this binding to replace one of the other ban."""
        return row.recorded_s == self.at and any(row.number in held.superseded_by for held in self.bindings)

    def is_in_force(self) -> bool:
        """Return whether the ban applies at the instant of the merger."""
        return is_held(self.ban.terms, self.at)

    def replaces(self, row: ExemptionRow) -> bool:
        """Return whether exemptions from this ban replace the given one in all of its ranges."""
        named = {prefix for number in row.superseded_by for prefix in self.ranges.get(number, ())}
        return bool(row.superseded_by) and named.issuperset(row.ranges)

    def continues(self, term: TermRow) -> bool:
        """Return whether the ban continues a term of the other ban that the merger ended. It may lie ahead."""
        if term.ended_s is None or term.ended_s < self.at:
            return False
        return self.is_in_force() if term.ended_s == self.at else not has_lapsed(self.ban.terms, self.at)

    def continues_any_term(self) -> bool:
        """Return whether the ban continues any term of the other ban."""
        return any(self.continues(term) for term in self.merged.terms)


def successor_bans(session: Session, hour: Hour) -> Mapping[int, SuccessorBan]:
    """Return the successor bans of recent mergers, by the number of the ban that ended."""
    found = _superseded(session, hour.oldest)
    if not found:
        return {}
    bindings = select(BindingRow).where(BindingRow.ban.in_([merged.number for merged, _, _ in found]))
    bound = [row for row in session.scalars(bindings) if row.superseded_by and row.is_agreed]
    exemptions = select(ExemptionRow).where(ExemptionRow.ban.in_([ban.number for _, ban, _ in found]))
    ranges = {row.number: row.ranges for row in session.scalars(exemptions)}
    return {
        merged.number: SuccessorBan(merged, ban, at, [row for row in bound if row.ban == merged.number], ranges)
        for merged, ban, at in found
    }


def successions(session: Session) -> Mapping[int, tuple[int, Instant]]:
    """Return the number of the successor's ban and the instant of the merger, by the number of the superseded ban."""
    return {merged.number: (ban.number, at) for merged, ban, at in _superseded(session, 0)}


def _superseded(session: Session, since: Instant) -> list[tuple[BanRow, BanRow, Instant]]:
    """Return the bans superseded by mergers after `since`, each with the successor's ban and the merger's instant."""
    new = aliased(BanRow)
    statement = select(BanRow, new, AuthorityRow.closes_s).join(AuthorityRow, AuthorityRow.slug == BanRow.authority)
    rows = session.execute(statement.join(new, new.number == BanRow.superseded_by).where(AuthorityRow.closes_s > since))
    return [(merged, ban, at) for merged, ban, at in rows if at is not None]
