"""Bans that ended with a merger and go on with the successor: of these nobody is told that they are over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session, aliased

from api.bans.state import has_lapsed, is_held
from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow, TermRow
from api.notices.kinds import Hour
from dnsfilter.policy.model import Instant


@dataclass(frozen=True, slots=True)
class Heir:
    """The successor's `ban` that took the place of another, `was`, at an instant, with the bindings of both then.

    `bound` are those in which the other applied, or would, until then.
    """

    was: BanRow
    ban: BanRow
    at: Instant
    bound: frozenset[str]
    binds: frozenset[str]
    exemptions: Sequence[ExemptionRow]

    def reaches(self, authority: str) -> bool:
        """Whether the ban is that authority's own from then on, or it is bound to it."""
        return authority == self.ban.authority or authority in self.binds

    def holds(self) -> bool:
        """Whether the ban applies at that instant."""
        return is_held(self.ban.terms, self.at)

    def replaces(self, row: ExemptionRow) -> bool:
        """Whether that exemption from the other ban goes on as some of this one."""
        named = {
            prefix
            for other in self.exemptions
            if (other.site, other.reason, other.hours) == (row.site, row.reason, row.hours)
            for prefix in other.ranges
        }
        return row.revoked_s == self.at and named.issuperset(row.ranges)

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
    old, new, same = _merged()
    statement = select(old, new, AuthorityRow.closes_s).join(AuthorityRow, AuthorityRow.slug == old.authority)
    rows = session.execute(statement.join(new, same).where(AuthorityRow.closes_s > hour.oldest))
    found = [(was, ban, at) for was, ban, at in rows if at is not None]
    numbers = {row.number for was, ban, _ in found for row in (was, ban)}
    bindings = session.scalars(select(BindingRow).where(BindingRow.ban.in_(numbers))).all() if numbers else ()
    asked = select(ExemptionRow).where(ExemptionRow.ban.in_(numbers), ExemptionRow.approved_s > hour.oldest)
    exemptions = session.scalars(asked).all() if numbers else ()
    return {
        was.number: Heir(
            was,
            ban,
            at,
            _bound(row for row in bindings if row.ban == was.number and row.ended_s == at),
            _bound(row for row in bindings if row.ban == ban.number and not row.period.has_ended(at)),
            [row for row in exemptions if row.ban == ban.number and row.approved_s == row.requested_s == at],
        )
        for was, ban, at in found
    }


def successions(session: Session) -> Mapping[int, tuple[int, Instant]]:
    """By the number of a ban that ended with a merger, that of the successor's on the service, and since when."""
    old, new, same = _merged()
    statement = select(old.number, new.number, AuthorityRow.closes_s).join(
        AuthorityRow, AuthorityRow.slug == old.authority
    )
    ended = select(TermRow.id).where(TermRow.ban == old.number, TermRow.ended_s >= AuthorityRow.closes_s).exists()
    rows = session.execute(statement.join(new, same).where(ended))
    return {was: (ban, at) for was, ban, at in rows if at is not None}


def _merged() -> tuple[type[BanRow], type[BanRow], ColumnElement[bool]]:
    """A ban, another, and that this one is the other authority's successor's ban on the service."""
    old, new = aliased(BanRow), aliased(BanRow)
    return old, new, and_(new.authority == AuthorityRow.successor, new.service == old.service)


def _bound(rows: Iterable[BindingRow]) -> frozenset[str]:
    return frozenset(row.authority for row in rows if row.is_agreed)
