"""What an adoption or a renewal does to exemptions without an act on them. Asked of the state, also in dry runs."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.bans import repository
from api.bans.schemas import BanWarningRead, WarningCode
from api.bans.standing import ENDING_S, effective_end, has_ended
from api.bindings.schemas import BindingState, binding_state
from api.db.models import BanRow, BindingRow, ConcernRow, ExemptionRow, RangeRow, TermRow
from api.moments import moment_text
from api.notices.dates import end_words
from dnsfilter.policy.calendar import last_day, local_day
from dnsfilter.policy.instants import is_midnight
from dnsfilter.policy.model import DEFAULT_SITE, Instant, Mode

MAX_NAMED = 5
"""So many ranges stand in a message; `ranges` has all."""


def warnings_of(session: Session, row: BanRow, now: Instant, time_zone: str) -> list[BanWarningRead]:
    """The approved exemptions that people may rely on, although this ban refuses in their ranges."""
    live = [term for term in row.terms if not has_ended(term, now)]
    if row.mode != Mode.ENFORCE or not live:
        return []
    own = _approved(session, row.number)
    return [
        *_lapsed(session, row, own, now, time_zone),
        *_without_effect(session, row, own, max(now, min(term.start_s for term in live)), time_zone),
    ]


def _lapsed(
    session: Session, row: BanRow, own: Sequence[ExemptionRow], now: Instant, time_zone: str
) -> Iterator[BanWarningRead]:
    """Exemptions from the ban that end with a term, or within it, while a renewal goes on; for thirty days.

    Not those that somebody revoked, nor ranges to which the ban is no longer bound.
    """
    subject = f"{row.authority}/{row.service}"
    bindings = session.scalars(select(BindingRow).where(BindingRow.ban == row.number)).all()
    for before, term in _renewals(row.terms, now):
        reach = max(term.start_s, effective_end(before) or term.start_s)
        for one in own:
            end = _end(one)
            if end < one.end_s or not before.start_s < end <= reach:
                continue
            begun = max(end, now, term.start_s)
            bound = {held.authority for held in bindings if binding_state(held, begun) is BindingState.IN_FORCE}
            others = [other for other in own if other.start_s <= begun and _end(other) > max(end, now)]
            ranges = _refused(session, row, one, others, frozenset({row.authority, *bound}))
            if ranges:
                hours = "".join(f' --hours "{hours}"' for hours in one.hours)
                further = f"{_ask(subject, one.site, ranges)}{_start(end, now, time_zone)}{hours}"
                yield BanWarningRead(
                    code=WarningCode.EXEMPTION_LAPSED,
                    message=f"exemption {one.number} from {subject} {'holds' if end > now else 'held'} "
                    f"{end_words(end, time_zone, 'en')}, and the renewal does not extend it: after that the ban "
                    f'applies in {_named(ranges)}. To extend it: {further} --for "3 months" --reason TEXT',
                    exemption=one.number,
                    ranges=ranges,
                )


def _without_effect(
    session: Session, row: BanRow, own: Sequence[ExemptionRow], begins: Instant, time_zone: str
) -> Iterator[BanWarningRead]:
    """Exemptions of the authority's ranges from others' bans on the service: this ban applies there too."""
    subject = f"{row.authority}/{row.service}"
    others = (
        select(ExemptionRow)
        .join(BanRow, BanRow.number == ExemptionRow.ban)
        .join(ConcernRow, ConcernRow.exemption == ExemptionRow.number)
        .where(BanRow.service == row.service, BanRow.number != row.number, ConcernRow.authority == row.authority)
        .where(ExemptionRow.approved_s.is_not(None), ExemptionRow.end_s > begins)
        .where(or_(ExemptionRow.revoked_s.is_(None), ExemptionRow.revoked_s > begins))
    )
    found = session.scalars(others.order_by(ExemptionRow.number)).all()
    references = repository.references(session, {one.ban for one in found})
    kept = [one for one in own if _end(one) > begins]
    for one in found:
        ranges = _refused(session, row, one, kept, frozenset({row.authority}))
        if ranges:
            last = last_day(_end(one), time_zone)
            yield BanWarningRead(
                code=WarningCode.EXEMPTION_FROM_ANOTHER_BAN,
                message=f"exemption {one.number} is from {references[one.ban]} and not from {subject}, which applies "
                f"in {_named(ranges)}. To exempt them from it too: "
                f"{_ask(subject, one.site, ranges)} --until {last} --reason TEXT",
                exemption=one.number,
                ranges=ranges,
            )


def _approved(session: Session, ban: int) -> Sequence[ExemptionRow]:
    approved = select(ExemptionRow).where(ExemptionRow.ban == ban, ExemptionRow.approved_s.is_not(None))
    return session.scalars(approved.order_by(ExemptionRow.number)).all()


def _renewals(terms: Sequence[TermRow], now: Instant) -> Iterator[tuple[TermRow, TermRow]]:
    """Each further term of late, after the one before it."""
    ordered = sorted(terms, key=lambda term: (term.start_s, term.id))
    for before, term in pairwise(ordered):
        if not has_ended(term, now) and now < max(term.start_s, term.recorded_s) + ENDING_S:
            yield before, term


def _refused(
    session: Session, row: BanRow, one: ExemptionRow, others: Sequence[ExemptionRow], owners: frozenset[str]
) -> list[str]:
    """The ranges of an exemption in which the ban applies, and from which none of `others` exempts them."""
    spared = {prefix for other in others if other is not one and other.site == one.site for prefix in other.ranges}
    named = select(RangeRow).where(RangeRow.site == one.site, RangeRow.prefix.in_(set(one.ranges) - spared))
    return sorted(
        found.prefix
        for found in session.scalars(named)
        if found.authority in owners and found.funding in row.funding and found.audience in row.audience
    )


def _end(one: ExemptionRow) -> Instant:
    return one.end_s if one.revoked_s is None else min(one.end_s, one.revoked_s)


def _start(at: Instant, now: Instant, time_zone: str) -> str:
    """The option that lets a further exemption begin where one ends; none where that has passed."""
    if at <= now:
        return ""
    return f" --start {local_day(at, time_zone) if is_midnight(at, time_zone) else moment_text(at)}"


def _named(ranges: Sequence[str]) -> str:
    more = len(ranges) - MAX_NAMED
    return ", ".join(ranges[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ask(subject: str, site: str, ranges: Sequence[str]) -> str:
    """The command that asks for the exemption."""
    where = "" if site == DEFAULT_SITE else f" --site {site}"
    more = " …" if len(ranges) > MAX_NAMED else ""
    return f"dnsfilterctl exemption ask {subject} {' '.join(ranges[:MAX_NAMED])}{more}{where}"
