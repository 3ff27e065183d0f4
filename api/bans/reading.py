"""Convert rows of bans to API answers and audit log entries, and written formal decisions and terms to values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.bans import repository
from api.bans.schemas import BanRead, DecisionWrite, EndingRead, FormalRead, TermRead, TermWrite
from api.bans.state import DAY_S, apply_suspension, continues_after, due, state_of, switch_at
from api.db.base import Json
from api.db.models import BanRow, TermRow
from api.db.unknown_names import no_ban
from api.errors import Invalid, invalid_at
from api.http.formal_decisions import future_note
from api.suspensions.state import Suspended, is_suspended
from api.timestamps import optional_text, parse_end, parse_timestamp, through, timestamp_text
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Audience, FormalDecision, Funding, Instant, Mode, Reply, Term

_TIME_DEPENDENT = {"revision", "state", "ending", "notes", "warnings", "mode_set", "mode_set_by"}
"""Fields that the audit log omits: they depend on the time, or repeat the act's time or account."""
DECISION_FIELDS = ("organ", "reference", "date", "legal_basis", "advice", "link", "follows")


def read_bans(
    session: Session, rows: Sequence[BanRow], now: Instant, zones: Mapping[str, str], suspended: Suspended
) -> list[BanRead]:
    """Return bans as the API shows them.

    `zones` maps each authority to its time zone; `suspended` has the authorities that are suspended now.
    """
    follows = {number for row in rows for number in repository.followed_by(row)}
    names = repository.references(session, follows)
    return [_read(row, now, zones[row.authority], names, suspended) for row in rows]


def read_ban(session: Session, row: BanRow, now: Instant, time_zone: str, suspended: Suspended) -> BanRead:
    """Return one ban as the API shows it."""
    return read_bans(session, [row], now, {row.authority: time_zone}, suspended)[0]


def with_suspensions(read: BanRead, suspended: Suspended) -> BanRead:
    """Return a ban that was read without suspensions, with its state under `suspended`."""
    return read.model_copy(
        update={"state": apply_suspension(read.state, suspended=is_suspended(read.authority, suspended))}
    )


def shown(session: Session, row: BanRow, now: Instant, time_zone: str) -> Json:
    """Return the ban as the audit log stores it, without fields that depend on the time of the act."""
    return shown_all(session, [row], now, {row.authority: time_zone})[0]


def shown_all(session: Session, rows: Sequence[BanRow], now: Instant, zones: Mapping[str, str]) -> list[Json]:
    """Return many bans as `shown` does; `zones` maps each authority to its time zone."""
    return [audit_fields(ban) for ban in read_bans(session, rows, now, zones, frozenset())]


def audit_fields(read: BanRead) -> Json:
    """Return the fields of a ban that the audit log stores."""
    return read.model_dump(mode="json", exclude=_TIME_DEPENDENT)


@dataclass(frozen=True, slots=True)
class Subject:
    """The ban that a request concerns. Dates in the request are local to `time_zone`, and said at `asked_s`.

    `ban` is its number; None if the ban does not exist yet.
    """

    authority: str
    service: str
    time_zone: str
    asked_s: Instant
    ban: int | None


def decision_value(session: Session, body: DecisionWrite, subject: Subject, place: str) -> FormalDecision:
    """Return a formal decision as the policy has it. Raise `Invalid` if it cannot follow the ban that it names."""
    follows = None if body.follows is None else _source(session, body.follows, subject, f"{place}.follows")
    return FormalDecision(body.organ, body.reference, body.date, body.legal_basis, body.advice, body.link, follows)


def _source(session: Session, reference: str, subject: Subject, place: str) -> int:
    """Return the number of the ban that is followed."""
    authority, _, service = reference.partition("/")
    if service != subject.service:
        raise Invalid.at(place, f"{reference} is not a ban on {subject.service}: follow a ban on the same service")
    if authority == subject.authority:
        raise Invalid.at(place, f"{reference} is this authority's own ban: follow another authority's ban, or none")
    source = repository.find(session, authority, service)
    if source is None:
        raise Invalid.at(place, no_ban(session, reference))
    if subject.ban is not None and repository.leads_to(session, source, subject.ban):
        raise Invalid.at(
            place, f"{reference} already follows {subject.authority}/{subject.service}: follow another ban, or none"
        )
    return source.number


def term_values(
    session: Session, wanted: Sequence[TermWrite], known: Sequence[TermRow], now: Instant, subject: Subject
) -> tuple[Term, ...]:
    """Return the terms of a ban that has the terms `known`; raise `Invalid` if one is wrong.

    A term without `start` is the term in force with the same end, so that a repeated request has no effect. If there is
    none, or another of `wanted` is that term, it begins now. A term that has ended is never revived.
    """
    free = sorted((row for row in known if row.start_s <= now), key=lambda row: row.start_s, reverse=True)
    values: dict[int, Term] = {}
    for index, body in sorted(enumerate(wanted), key=lambda item: item[1].start is None):
        candidates = free if body.start is not None else [row for row in free if row.period.holds(now)]
        starts = [now] if body.start is not None else [*(row.start_s for row in candidates), now]
        for start in starts:
            term = term_value(session, body, now, subject, f"body.terms.{index}", begins=start)
            match = next((row for row in candidates if same_term(row, term)), None)
            if match is not None:
                free.remove(match)
                break
        values[index] = term
    return tuple(values[index] for index in range(len(wanted)))


def term_value(
    session: Session,
    body: TermWrite,
    now: Instant,
    subject: Subject,
    place: str,
    *,
    begins: Instant | None = None,
) -> Term:
    """Return a term as the policy has it, recorded now; raise `Invalid` if it is wrong.

    Without `start` it begins at `begins`, or now.
    """
    time_zone, asked = subject.time_zone, subject.asked_s
    with invalid_at(place):
        default = now if begins is None else begins
        start = default if body.start is None else parse_timestamp(body.start, time_zone, asked)
        end = parse_end(start, body.end, body.until, body.for_, time_zone, asked)
        review_by = None if body.review_by is None else parse_timestamp(body.review_by, time_zone, asked)
    if end is not None and end <= start:
        raise Invalid.at(place, "the term ends before it starts: give a later end")
    if end is None and review_by is None:
        raise Invalid.at(place, "give an end (end, until or for) or a date of review (review_by)")
    decision = FormalDecision()
    if body.decision is not None:
        decision = decision_value(session, body.decision, subject, f"{place}.decision")
    return Term(start, end, review_by, now, decision)


def same_span(row: TermRow, term: Term) -> bool:
    """Return whether the stored term has the wanted start and end. The end may be the decided or the effective one."""
    return row.start_s == term.start and term.end in (row.end_s, row.period.end)


def same_term(row: TermRow, term: Term) -> bool:
    """Return whether the stored term is the wanted one."""
    if not same_span(row, term) or row.review_by_s != term.review_by:
        return False
    return term.decision in (FormalDecision(), formal_decision(row.decision))


def decision_columns(record: FormalDecision) -> Json:
    """Return a formal decision as stored."""
    return {field: getattr(record, field) for field in DECISION_FIELDS}


def formal_decision(stored: Json) -> FormalDecision:
    """Return a stored formal decision as the policy has it."""
    return FormalDecision(**stored)


def _decision(stored: Json, names: Mapping[int, str]) -> FormalRead:
    follows = stored.get("follows")
    return FormalRead(**{**stored, "follows": None if follows is None else names.get(follows)})


def _term(term: TermRow, time_zone: str, names: Mapping[int, str]) -> TermRead:
    return TermRead(
        start=timestamp_text(term.start_s),
        end=optional_text(term.end_s),
        through=through(term.end_s, time_zone),
        review_by=optional_text(term.review_by_s),
        recorded=timestamp_text(term.recorded_s),
        decision=_decision(term.decision, names),
        ended=optional_text(term.ended_s),
        ended_reason=term.ended_reason,
        ended_decision=_decision(term.ended_decision, names) if term.ended_decision else None,
    )


def _ending(terms: Sequence[TermRow], now: Instant) -> EndingRead | None:
    found = due(terms, now)
    if found is None:
        return None
    # Count days up: a day that has begun is a day.
    left = max(0, -((now - found.at) // DAY_S))
    return EndingRead(at=timestamp_text(found.at), what=found.what, days=found.days, days_left=left)


def _notes(row: BanRow, now: Instant, time_zone: str) -> list[str]:
    today, notes = local_day(now, time_zone), list[str]()
    for stored in (row.decision, *(term.decision for term in row.terms)):
        decision = formal_decision(stored)
        what = f"the formal decision {decision.reference}".rstrip()
        notes += [note for note in future_note(what, decision.date, today) if note not in notes]
    last = continues_after(row.terms, now)
    if last is not None:
        day = through(last, time_zone)
        until = at_words(last, time_zone) if day is None else f"{day} inclusive"
        notes.append(f"the ban continues after {until}, because a term has no end. To let it lapse, end the ban.")
    return notes


def _read(row: BanRow, now: Instant, time_zone: str, names: Mapping[int, str], suspended: Suspended) -> BanRead:
    switch = switch_at(row, now)
    return BanRead(
        number=row.number,
        authority=row.authority,
        service=row.service,
        mode=switch.mode,
        mode_reason=switch.reason,
        mode_set=optional_text(switch.since),
        mode_set_by=switch.by,
        off_until=optional_text(switch.until),
        returns_to=switch.returns,
        reply=Reply(row.reply),
        addresses=row.addresses,
        tiers=row.tiers,
        funding=[Funding(value) for value in row.funding],
        audience=[Audience(value) for value in row.audience],
        decision=_decision(row.decision, names),
        terms=[
            _term(term, time_zone, names) for term in sorted(row.terms, key=lambda term: (term.start_s, term.id or 0))
        ],
        provisional=row.provisional,
        state=state_of(row.terms, now, suspended=is_suspended(row.authority, suspended), off=switch.mode is Mode.OFF),
        ending=_ending(row.terms, now),
        notes=_notes(row, now, time_zone),
        revision=row.revision,
    )


def audit_subject(row: BanRow) -> str:
    return f"ban/{row.authority}/{row.service}"
