"""Warnings about exemptions that have no effect after an adoption or a renewal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.bans.schemas import BanWarningRead, WarningCode
from api.bans.state import ENDING_S, has_lapsed, live_terms
from api.db.models import BanRow, BindingRow, ConcernRow, ExemptionRow, RangeRow, TermRow
from api.exemptions import repository as exemptions
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import exemption_end, exemption_state, is_approved
from api.locale.date_phrases import end_words
from api.timestamps import timestamp_text
from dnsfilter.policy.calendar import last_day, local_day
from dnsfilter.policy.instants import is_midnight
from dnsfilter.policy.model import DEFAULT_SITE, Instant, Mode

MAX_NAMED = 5
"""Most ranges that a message names; `ranges` lists all."""


def warnings_of(session: Session, row: BanRow, now: Instant, time_zone: str) -> list[BanWarningRead]:
    """Return warnings about approved exemptions that people may rely on, although this ban refuses in their ranges.

    For a ban that is off with an end, return those of the mode that returns.
    """
    live = live_terms(row.terms, now)
    if row.lasting_mode is not Mode.ENFORCE or not live:
        return []
    known = exemptions.of(session, row.number)
    own = [one for one in known if one.approved_s is not None]
    waiting = [one for one in known if exemption_state(one, now) is ExemptionState.REQUESTED]
    return [
        *_lapsed(session, row, own, waiting, now, time_zone),
        *_without_effect(session, row, own, waiting, now, max(now, min(term.start_s for term in live))),
    ]


def _lapsed(
    session: Session,
    row: BanRow,
    own: Sequence[ExemptionRow],
    waiting: Sequence[ExemptionRow],
    now: Instant,
    time_zone: str,
) -> Iterator[BanWarningRead]:
    """Yield the exemptions from the ban that end during or with a renewed term, for thirty days.

    Omit those that somebody revoked, and ranges that the ban no longer covers.
    """
    renewals = list(_renewals(row.terms, now)) if own else []
    if not renewals:
        return
    subject = f"{row.authority}/{row.service}"
    bindings = session.scalars(select(BindingRow).where(BindingRow.ban == row.number)).all()
    for before, term in renewals:
        reach = max(term.start_s, before.period.end or term.start_s)
        for one in own:
            end = exemption_end(one)
            if end < one.end_s or not before.start_s < end <= reach:
                continue
            begun = max(end, now, term.start_s)
            bound = {held.authority for held in bindings if held.period.holds(begun)}
            others = [other for other in own if other.start_s <= begun and exemption_end(other) > max(end, now)]
            ranges = _refused(session, row, one, others, frozenset({row.authority, *bound}))
            if ranges:
                asked = _asking(waiting, one, begun, max(end, now))
                dates = partial(_from, end, now)
                yield BanWarningRead(
                    code=WarningCode.EXEMPTION_LAPSED,
                    message=f"exemption {one.number} from {subject} {'is in force' if end > now else 'was in force'} "
                    f"{end_words(end, time_zone, 'en')}, and the renewal does not extend it. After that the ban "
                    f"applies in {_named(ranges)}. To extend it: {_remedy(session, row, one, ranges, asked, dates)}",
                    exemption=one.number,
                    ranges=ranges,
                )


def _without_effect(
    session: Session,
    row: BanRow,
    own: Sequence[ExemptionRow],
    waiting: Sequence[ExemptionRow],
    now: Instant,
    begins: Instant,
) -> Iterator[BanWarningRead]:
    """Yield exemptions of the authority's ranges from other bans on the service: this ban applies there too.

    Omit those from a ban that has lapsed: nobody relies on them.
    """
    subject = f"{row.authority}/{row.service}"
    others = (
        select(ExemptionRow, BanRow)
        .join(BanRow, BanRow.number == ExemptionRow.ban)
        .join(ConcernRow, ConcernRow.exemption == ExemptionRow.number)
        .where(BanRow.service == row.service, BanRow.number != row.number, ConcernRow.authority == row.authority)
        .where(is_approved(begins))
    )
    kept = [one for one in own if exemption_end(one) > begins]
    for one, other in session.execute(others.order_by(ExemptionRow.number)).all():
        if has_lapsed(other.terms, now):
            continue
        ranges = _refused(session, row, one, kept, frozenset({row.authority}))
        if ranges:
            asked, dates = _asking(waiting, one, begins, begins), partial(_until, exemption_end(one))
            yield BanWarningRead(
                code=WarningCode.EXEMPTION_FROM_ANOTHER_BAN,
                message=f"exemption {one.number} is from {other.authority}/{other.service} and not from {subject}, "
                f"which applies in {_named(ranges)}. To exempt them from it too: "
                f"{_remedy(session, row, one, ranges, asked, dates)}",
                exemption=one.number,
                ranges=ranges,
            )


def _renewals(terms: Sequence[TermRow], now: Instant) -> Iterator[tuple[TermRow, TermRow]]:
    """Yield each term that was added in the last thirty days, with the term before it."""
    ordered = sorted(terms, key=lambda term: (term.start_s, term.id))
    for before, term in pairwise(ordered):
        if not term.period.has_ended(now) and now < max(term.start_s, term.recorded_s) + ENDING_S:
            yield before, term


def _refused(
    session: Session, row: BanRow, one: ExemptionRow, others: Sequence[ExemptionRow], owners: frozenset[str]
) -> list[str]:
    """Return the ranges of an exemption in which the ban applies, except those that one of `others` exempts."""
    spared = {prefix for other in others if other is not one and other.site == one.site for prefix in other.ranges}
    named = select(RangeRow).where(RangeRow.site == one.site, RangeRow.prefix.in_(set(one.ranges) - spared))
    return sorted(
        found.prefix
        for found in session.scalars(named)
        if found.authority in owners and found.funding in row.funding and found.audience in row.audience
    )


def _from(at: Instant, now: Instant, time_zone: str) -> str:
    """Return the options for a further exemption that begins where this one ends, or now if it has ended."""
    length = ' --for "3 months"'
    if at <= now:
        return length
    return f" --start {local_day(at, time_zone) if is_midnight(at, time_zone) else timestamp_text(at)}{length}"


def _until(end: Instant, time_zone: str) -> str:
    return f" --until {last_day(end, time_zone)}"


def _named(ranges: Sequence[str]) -> str:
    more = len(ranges) - MAX_NAMED
    return ", ".join(ranges[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _asking(
    waiting: Sequence[ExemptionRow], one: ExemptionRow, begins: Instant, reached: Instant
) -> dict[str, ExemptionRow]:
    """Map ranges to requests that cover at least the hours of an exemption, from `begins` to `reached`."""
    return {
        prefix: other
        for other in waiting
        for prefix in other.ranges
        if other.site == one.site and other.start_s <= begins and other.end_s > reached
        if not other.hours or (other.hours, other.time_zone) == (one.hours, one.time_zone)
    }


def _remedy(
    session: Session,
    row: BanRow,
    one: ExemptionRow,
    ranges: Sequence[str],
    asked: Mapping[str, ExemptionRow],
    dates: Callable[[str], str],
) -> str:
    """Return the waiting requests, or the command that makes one. Return both if requests cover some of the ranges."""
    left = [prefix for prefix in ranges if prefix not in asked]
    numbers = sorted({asked[prefix].number for prefix in ranges if prefix in asked})
    if not numbers:
        return _ask(session, row, one, left, dates)
    if len(numbers) == 1:
        message = f"exemption {numbers[0]} asks for this and waits for a decision"
    else:
        message = f"exemptions {', '.join(map(str, numbers))} ask for this and wait for a decision"
    return f"{message}; for {_named(left)}: {_ask(session, row, one, left, dates)}" if left else message


def _ask(session: Session, row: BanRow, one: ExemptionRow, ranges: Sequence[str], dates: Callable[[str], str]) -> str:
    """Return the command that asks for an exemption in the same hours. `dates` gives its options in a time zone."""
    where = "" if one.site == DEFAULT_SITE else f" --site {one.site}"
    more = " …" if len(ranges) > MAX_NAMED else ""
    hours = "".join(f' --hours "{hours}"' for hours in one.hours)
    time_zone = exemptions.default_zone(session, row, one.site, ranges)
    if hours and one.time_zone != time_zone:
        time_zone = one.time_zone
        hours += f" --time-zone {time_zone}"
    named = f"{row.authority}/{row.service} {' '.join(ranges[:MAX_NAMED])}{more}{where}"
    return f"dnsfilterctl exemption ask {named}{dates(time_zone)}{hours} --reason TEXT"
