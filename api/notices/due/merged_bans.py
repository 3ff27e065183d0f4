"""Bans that ended with a merger and go on with the successor: of these nobody is told that they are over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from api.bans.state import has_lapsed, is_held
from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow, TermRow
from api.notices.kinds import Hour
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class Heir:
    """The successor's `ban` that superseded another, `was`, at an instant.

    `bindings` are those of the other by which it applied, or would, and which others stand for since then.
    `ranges` are those of the exemptions from the successor's ban, by number.
    """

    was: BanRow
    ban: BanRow
    at: Instant
    bindings: Sequence[BindingRow]
    ranges: Mapping[int, Sequence[str]]

    @property
    def bound(self) -> frozenset[str]:
        """Return the authorities that were bound to the merged ban and are bound to this one."""
        return frozenset(row.authority for row in self.bindings)

    def reaches(self, authority: str) -> bool:
        """Whether the ban is that authority's own from then on, or it is bound to it."""
        return authority == self.ban.authority or authority in self.bound

    def made(self, row: BindingRow) -> bool:
        """Whether the merger made that binding, for one of the other ban."""
        return row.recorded_s == self.at and any(row.number in held.superseded_by for held in self.bindings)

    def holds(self) -> bool:
        """Whether the ban applies at that instant."""
        return is_held(self.ban.terms, self.at)

    def replaces(self, row: ExemptionRow) -> bool:
        """Whether that exemption from the other ban goes on in all of its ranges."""
        named = {prefix for number in row.superseded_by for prefix in self.ranges.get(number, ())}
        return bool(row.superseded_by) and named.issuperset(row.ranges)

    def continues(self, term: TermRow) -> bool:
        """Whether the ban goes on where that term of the other was ended, which may have lain ahead."""
        if term.ended_s is None or term.ended_s < self.at:
            return False
        return self.holds() if term.ended_s == self.at else not has_lapsed(self.ban.terms, self.at)

    def goes_on(self) -> bool:
        """Whether the ban goes on with any of what the other would have had."""
        return any(self.continues(term) for term in self.was.terms)


def heirs(session: Session, hour: Hour) -> Mapping[int, Heir]:
    """By the number of the ban that ended, what goes on instead since mergers that are not past."""
    found = _superseded(session, hour.oldest)
    if not found:
        return {}
    bindings = select(BindingRow).where(BindingRow.ban.in_([was.number for was, _, _ in found]))
    bound = [row for row in session.scalars(bindings) if row.superseded_by and row.is_agreed]
    exemptions = select(ExemptionRow).where(ExemptionRow.ban.in_([ban.number for _, ban, _ in found]))
    ranges = {row.number: row.ranges for row in session.scalars(exemptions)}
    return {
        was.number: Heir(was, ban, at, [row for row in bound if row.ban == was.number], ranges)
        for was, ban, at in found
    }


def successions(session: Session) -> Mapping[int, tuple[int, Instant]]:
    """By the number of a ban that was superseded, that of the successor's ban, and since when."""
    return {was.number: (ban.number, at) for was, ban, at in _superseded(session, 0)}


def _superseded(session: Session, since: Instant) -> list[tuple[BanRow, BanRow, Instant]]:
    """The bans that mergers after an instant superseded, each with the successor's and the merger's instant."""
    new = aliased(BanRow)
    statement = select(BanRow, new, AuthorityRow.closes_s).join(AuthorityRow, AuthorityRow.slug == BanRow.authority)
    rows = session.execute(statement.join(new, new.number == BanRow.superseded_by).where(AuthorityRow.closes_s > since))
    return [(was, ban, at) for was, ban, at in rows if at is not None]
