"""Notices to the authorities of bans that follow another ban, about changes of that ban.

A merger does not change which ban follows which: the successor's ban takes the place of the merged ban, as a followed
ban and as a follower, from then on.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.bans.state import reference_in
from api.db.base import Json
from api.db.models import BanRow, TermRow
from api.notices.due.due_bans import bans_with, facts_at, is_continued, reference_of
from api.notices.due.successor_bans import SuccessorBan, successions, successor_bans
from api.notices.kinds import Due, Hour, Kind
from dnsfilter.policy.model import DAY_S, Instant

FOLLOWED_S = 30 * DAY_S
"""Seconds after the end of its own ban during which an authority still gets notices about the followed ban."""


def due_followed_bans(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield notices about renewals, early ends and successions of bans that other decisions follow."""
    sources = bans_with(session, or_(TermRow.recorded_s > hour.oldest, TermRow.ended_s > hour.oldest))
    if not sources:
        return
    merged, later = successor_bans(session, hour), successions(session)
    origins = {source.number: _origins(source.number, later) for source in sources}
    followers = _followers(session, frozenset(chain.from_iterable(origins.values())), later)
    for source in sources:
        successor, since = merged.get(source.number), origins[source.number]
        for (follower, own_since), followed in followers.items():
            numbers = followed & since.keys()
            if not numbers or follower.number in since:
                continue
            known = max(own_since, min(since[number] for number in numbers))
            if successor is None or successor.ban.number != follower.number:
                yield from _notices_to_follower(source, follower, known, hour, successor)


def _notices_to_follower(
    source: BanRow, follower: BanRow, since: Instant, hour: Hour, successor: SuccessorBan | None
) -> Iterator[Due]:
    """Yield the notices to one follower. It follows since `since` by a merger; 0: by its own decision."""
    adopted = min(term.recorded_s for term in follower.terms)
    own = _own_end(follower, hour.now)
    if own.get("own_until_s", hour.now) < hour.now - FOLLOWED_S:
        return
    facts = {"ban": reference_of(follower), "source": source.authority, **own}
    if (
        successor is not None
        and hour.fresh(successor.at)
        and successor.at >= adopted
        and successor.continues_any_term()
    ):
        key = f"{Kind.SOURCE_GOES_ON}/{source.number}/{follower.number}"
        succession = {
            **facts,
            "source": successor.ban.authority,
            "reference": facts_at(successor.ban, successor.at)["reference"],
        }
        succession |= {"former": source.authority, "at_s": successor.at}
        yield Due(key, Kind.SOURCE_GOES_ON, follower.authority, succession)
    first = min(term.recorded_s for term in source.terms)
    # A planned term that was ended together with a term that had begun shares the notice of that term.
    begun = bool(source.decided_terms)
    for term in source.terms:
        end = term.period.end
        of_term = {**facts, "reference": reference_in(source, term), **({} if end is None else {"until_s": end})}
        renewed = term.recorded_s > max(first, since) and term.ended_s is None
        if renewed and hour.fresh(term.recorded_s) and term.recorded_s >= adopted:
            yield Due(f"source_renewed/{term.id}/{follower.number}", Kind.SOURCE_RENEWED, follower.authority, of_term)
        ended = term.ended_s
        if (successor is not None and successor.continues(term)) or (begun and term.period.is_void):
            continue
        if ended is not None and ended > max(hour.oldest, adopted, since) and not is_continued(source, term, ended):
            key = f"source_ended/{source.number}/{ended}/{follower.number}"
            yield Due(key, Kind.SOURCE_ENDED, follower.authority, of_term)


def _own_end(row: BanRow, now: Instant) -> Json:
    """Return until when a ban applies: its end, its review date, or nothing if it has neither."""
    endless = [term for term in row.terms if term.period.end is None]
    if endless:
        reviews = [term.review_by_s for term in endless if term.review_by_s is not None]
        return {"own_review_s": max(reviews)} if reviews else {}
    last = max(end for term in row.terms if (end := term.period.end) is not None)
    return {"own_until_s": last, "own_lapsed": last <= now}


def _origins(number: int, later: Mapping[int, tuple[int, Instant]]) -> Mapping[int, Instant]:
    """Return the ban and the bans that it succeeded, each with the instant of the succession (0 for the ban itself)."""
    found, reached = {number: 0}, [number]
    while reached:
        successor = reached.pop()
        for was, (ban, at) in later.items():
            if ban == successor and was not in found:
                found[was] = max(at, found[successor])
                reached.append(was)
    return found


def _followers(
    session: Session, numbers: frozenset[int], later: Mapping[int, tuple[int, Instant]]
) -> Mapping[tuple[BanRow, Instant], frozenset[int]]:
    """Return the bans that follow one of these by a decision, or that succeeded such a ban.

    The keys hold the follower and since when it follows, the values the numbers of the bans that it follows.
    """
    of_terms = select(TermRow.ban).where(_follows(TermRow.decision, numbers))
    wanted = or_(_follows(BanRow.decision, numbers), BanRow.number.in_(of_terms))
    found: dict[tuple[BanRow, Instant], frozenset[int]] = {}
    for row in session.scalars(select(BanRow).where(wanted).order_by(BanRow.number)).all():
        follower, since = row, 0
        while True:
            known = found.get((follower, since), frozenset())
            found[follower, since] = known | (_followed(row) & numbers)
            if follower.number not in later:
                break
            number, since = later[follower.number]
            follower = session.get_one(BanRow, number)
    return found


def _follows(decision: InstrumentedAttribute[Json], numbers: frozenset[int]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = decision["follows"].as_integer().in_(numbers)
    return found


def _followed(row: BanRow) -> frozenset[int]:
    decisions: Sequence[Json] = (row.decision, *(term.decision for term in row.terms))
    return frozenset(number for decision in decisions if (number := decision.get("follows")) is not None)
