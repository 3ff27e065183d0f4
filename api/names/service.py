"""Acts on single names: refuse, allow, end. `authority` is the one that refuses or allows.

A refused name and an allowed one contradict each other if the allowed one covers the refused one: allowing always wins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.authorities.state import demand_within
from api.bans import repository as bans
from api.bans import service as ban_acts
from api.bans.reading import shown as ban_shown
from api.bans.refusable_names import demand_not_allowed, demand_unguarded
from api.bans.state import live_terms
from api.bans.wanted_change import BanChange
from api.db.base import Json
from api.db.models import AllowedNameRow, AuthorityRow, BanRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid, invalid_at
from api.names import repository
from api.names.reading import shown
from api.names.repository import NamedRow
from api.names.schemas import NameWrite
from api.timestamps import parse_end, parse_timestamp
from blocklists.guard import Guard
from dnsfilter.policy.bounds import MAX_NAME_MONTHS
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import AllowedName, Instant, Mode, Term
from dnsfilter.policy.single_names import (
    EXACTLY,
    WITH_ALL_BELOW,
    NameVerdict,
    covers,
    default_review,
    latest_end,
    single_name,
)
from dnsfilter.translatable import Text
from dnsfilter.wire.names import name_text, parse_name


@dataclass(frozen=True, slots=True)
class WantedName:
    """A name to refuse or to allow, as A-labels, from `start` on; None is no end, or no date of review."""

    name: str
    exact: bool
    start: Instant
    end: Instant | None
    review_by: Instant | None
    reason: str


def put(
    unit: UnitOfWork, guard: Guard, owner: AuthorityRow, name: str, row: NamedRow | None, body: NameWrite
) -> NamedRow:
    """Refuse or allow a name as a body says. `row` is what holds for exactly this name.

    Do nothing if nothing differs. Raise `Invalid` if the name may not be refused, or the time is wrong, and `Conflict`
    for a contradiction.
    """
    wanted = _wanted(unit, owner, name, body)
    if body.verdict is NameVerdict.REFUSE:
        demand_unguarded(guard, owner.slug, name, exact=wanted.exact, location="path.name")
        return refuse(unit, owner, row, wanted)
    return allow(unit, owner, row, wanted)


def refuse(unit: UnitOfWork, owner: AuthorityRow, row: NamedRow | None, wanted: WantedName) -> BanRow:
    """Refuse a name from now on. What refuses it already ends, and continues as wanted.

    Raise `Conflict` if the authority allows the name.
    """
    demand_not_allowed(unit, owner.slug, wanted.name)
    if isinstance(row, BanRow) and _is_refused_so(row, wanted, unit.now_s):
        return row
    demand_within(owner, wanted.end, unit.now_s)
    known = row if isinstance(row, BanRow) else bans.find(unit.session, owner.slug, wanted.name)
    before = None if known is None else _shown_ban(unit, owner, known)
    change = BanChange(
        mode=Mode.ENFORCE,
        mode_reason=wanted.reason,
        tiers=EXACTLY if wanted.exact else WITH_ALL_BELOW,
        terms=(Term(wanted.start, wanted.end, wanted.review_by, unit.now_s),),
        loaded=True,
    )
    if known is None:
        known = ban_acts.new_row(unit, owner, single_name(wanted.name), change)
        unit.session.add(known)
    else:
        ban_acts.begin_again(unit, known, change)
    unit.session.flush()
    unit.record("name.refuse", subject(known), before, _shown_ban(unit, owner, known), owner.slug)
    return known


def allow(unit: UnitOfWork, owner: AuthorityRow, row: NamedRow | None, wanted: WantedName) -> AllowedNameRow:
    """Free a name from the authority's own bans. What frees it already ends, and continues as wanted.

    Raise `Conflict` if the authority refuses the name, or one below it that this would free.
    """
    _demand_not_refused(unit, owner, wanted)
    if isinstance(row, AllowedNameRow):
        if _is_allowed_so(row, wanted):
            return row
        _end_allowed(unit, row, unit.now_s, wanted.reason)
    demand_within(owner, wanted.end, unit.now_s)
    return _allow(unit, owner, wanted)


def _allow(unit: UnitOfWork, owner: AuthorityRow, wanted: WantedName) -> AllowedNameRow:
    made = AllowedNameRow(
        authority=owner.slug,
        name=wanted.name,
        exact=wanted.exact,
        start_s=wanted.start,
        end_s=wanted.end,
        review_by_s=wanted.review_by,
        recorded_s=unit.now_s,
        recorded_by=unit.actor.account,
        reason=wanted.reason,
        ended_s=None,
        ended_by=None,
        ended_reason="",
        revision=unit.new_revision(),
    )
    unit.session.add(made)
    unit.session.flush()
    unit.record("name.allow", subject(made), None, shown(made), owner.slug)
    return made


def allow_as_filed(unit: UnitOfWork, owner: AuthorityRow, known: Sequence[AllowedNameRow], wanted: AllowedName) -> None:
    """Allow a name of a policy file, whose start is kept as decided. `known` are the rows of the same name.

    Raise `Conflict` if one of them has not ended: a file does not change it.
    """
    for row in known:
        if not row.period.has_ended(unit.now_s):
            raise Conflict(
                Text(
                    "{name} is allowed with another time or reach, which a file cannot change. "
                    "Remove it first: {command}",
                    name=row.name,
                    command=f"dnsfilterctl name remove {owner.slug} {row.name}",
                )
            )
    times = wanted.start, wanted.end, wanted.review_by
    _allow(unit, owner, WantedName(name_text(wanted.name), wanted.exact, *times, wanted.reason))


def end(unit: UnitOfWork, owner: AuthorityRow, row: NamedRow, reason: str) -> None:
    """End what refuses or allows a name, now."""
    cut(unit, owner, row, unit.now_s, reason)


def cut(unit: UnitOfWork, owner: AuthorityRow, row: NamedRow, at: Instant, reason: str) -> None:
    """End what refuses or allows a name at `at`, if it lasts longer, for example because the authority closes."""
    if isinstance(row, AllowedNameRow):
        if until(row.period.end) > at:
            _end_allowed(unit, row, at, reason)
        return
    before = _shown_ban(unit, owner, row)
    if ban_acts.cut_terms(row, at, unit.now_s, reason):
        row.revision = unit.new_revision()
        unit.session.flush()
        unit.record("name.end", subject(row), before, _shown_ban(unit, owner, row), owner.slug)


def _shown_ban(unit: UnitOfWork, owner: AuthorityRow, row: BanRow) -> Json:
    """Return what the audit log stores of a refused name: its ban, so that reports and traces read it as one."""
    return ban_shown(unit.session, row, unit.now_s, owner.time_zone)


def _end_allowed(unit: UnitOfWork, row: AllowedNameRow, at: Instant, reason: str) -> None:
    before = shown(row)
    row.ended_s, row.ended_by, row.ended_reason = row.period.end_by_act(at, unit.now_s), unit.actor.account, reason
    row.revision = unit.new_revision()
    unit.session.flush()
    unit.record("name.end", subject(row), before, shown(row), row.authority)


def _wanted(unit: UnitOfWork, owner: AuthorityRow, name: str, body: NameWrite) -> WantedName:
    time_zone, asked = owner.time_zone, unit.asked_s
    with invalid_at("body"):
        end = parse_end(asked, body.end, body.until, body.for_, time_zone, asked)
    with invalid_at("body.review_by"):
        review = None if body.review_by is None else parse_timestamp(body.review_by, time_zone, asked)
    if end is None and review is None:
        review = default_review(asked, time_zone)
    latest = latest_end(asked, time_zone)
    passed = {"end": Text("the end has passed at {at}: give a later time")}
    passed["review_by"] = Text("the review has passed at {at}: give a later time")
    for field, at in (("end", end), ("review_by", review)):
        if at is not None and at <= unit.now_s:
            raise Invalid.at(f"body.{field}", passed[field].filled(at=at_words(at, time_zone)))
        if at is not None and at > latest:
            raise Invalid.at(
                f"body.{field}",
                Text(
                    "the {what} is more than {months} months ahead: give a time by {at}; the name can be renewed then",
                    what=Text("end") if field == "end" else Text("review"),
                    months=MAX_NAME_MONTHS,
                    at=at_words(latest, time_zone),
                ),
            )
    return WantedName(name, body.exact, unit.now_s, end, review, body.reason)


def _is_refused_so(row: BanRow, wanted: WantedName, now: Instant) -> bool:
    live = live_terms(row.terms, now)
    tiers = EXACTLY if wanted.exact else WITH_ALL_BELOW
    same = row.lasting_mode is Mode.ENFORCE and row.off_until_s is None and set(row.tiers) == tiers
    same = same and row.mode_reason == wanted.reason
    return same and [(term.period.end, term.review_by_s) for term in live] == [(wanted.end, wanted.review_by)]


def _is_allowed_so(row: AllowedNameRow, wanted: WantedName) -> bool:
    held = (row.exact, row.period.end, row.review_by_s, row.reason)
    return held == (wanted.exact, wanted.end, wanted.review_by, wanted.reason)


def _demand_not_refused(unit: UnitOfWork, owner: AuthorityRow, wanted: WantedName) -> None:
    found = sorted(row.service for row in _freed(unit, owner, wanted))
    if found:
        others = Text(" and {number} more", number=len(found) - 1) if len(found) > 1 else ""
        raise Conflict(
            Text(
                "{slug} refuses {found}{others} by itself, which allowing {name} would undo. "
                "Remove it first: {command}",
                slug=owner.slug,
                found=found[0],
                others=others,
                name=wanted.name,
                command=f"dnsfilterctl name remove {owner.slug} {found[0]}",
            )
        )


def _freed(unit: UnitOfWork, owner: AuthorityRow, wanted: WantedName) -> Iterator[BanRow]:
    """Yield the refused names that allowing a name would free."""
    name = parse_name(wanted.name)
    for row in repository.refused_names(unit.session, owner.slug, unit.now_s):
        if covers(name, wanted.exact, parse_name(row.service)):
            yield row
