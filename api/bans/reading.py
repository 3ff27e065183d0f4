"""Rows of bans as the API and the audit log show them."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from api.bans import repository
from api.bans.schemas import BanRead, EndingRead, FormalRead, ShownBan, TermRead
from api.bans.state import Due, ModeSetting, continues_after, mode_setting_at, state_and_due
from api.db.base import Json
from api.db.models import BanRow, TermRow
from api.http.formal_decisions import future_note
from api.suspensions.state import Suspended, is_suspended
from api.timestamps import optional_text, through, timestamp_text
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import DAY_S, Audience, Funding, Instant, Mode, Reply


def read_bans(
    session: Session, rows: Sequence[BanRow], now: Instant, zones: Mapping[str, str], suspended: Suspended
) -> list[BanRead]:
    """Return bans as the API shows them.

    `zones` maps each authority to its time zone; `suspended` has the authorities that are suspended now.
    """
    names = _followed(session, rows)
    return [_read(row, now, zones[row.authority], names, suspended) for row in rows]


def read_ban(session: Session, row: BanRow, now: Instant, time_zone: str, suspended: Suspended) -> BanRead:
    """Return one ban as the API shows it."""
    return _read(row, now, time_zone, _followed(session, [row]), suspended)


def shown(session: Session, row: BanRow, now: Instant, time_zone: str) -> Json:
    """Return the ban as the audit log stores it."""
    return shown_all(session, [row], now, {row.authority: time_zone})[0]


def shown_all(session: Session, rows: Sequence[BanRow], now: Instant, zones: Mapping[str, str]) -> list[Json]:
    """Return many bans as `shown` does; `zones` maps each authority to its time zone."""
    names = _followed(session, rows)
    found = (ShownBan(**_fields(row, mode_setting_at(row, now), zones[row.authority], names)) for row in rows)
    return [ban.model_dump(mode="json") for ban in found]


def _followed(session: Session, rows: Sequence[BanRow]) -> Mapping[int, str]:
    return repository.references(session, {number for row in rows for number in repository.followed_by(row)})


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


def _ending(found: Due | None, now: Instant) -> EndingRead | None:
    if found is None:
        return None
    # Count days up: a day that has begun is a day.
    left = max(0, -((now - found.at) // DAY_S))
    return EndingRead(at=timestamp_text(found.at), what=found.what, days=found.days, days_left=left)


def _notes(row: BanRow, now: Instant, time_zone: str) -> list[str]:
    today, notes = local_day(now, time_zone), list[str]()
    for stored in (row.decision, *(term.decision for term in row.terms)):
        what = f"the formal decision {stored['reference']}".rstrip()
        notes += [note for note in future_note(what, stored["date"], today) if note not in notes]
    last = continues_after(row.terms, now)
    if last is not None:
        day = through(last, time_zone)
        until = at_words(last, time_zone) if day is None else f"{day} inclusive"
        notes.append(f"the ban continues after {until}, because a term has no end. To let it lapse, end the ban.")
    return notes


def _fields(row: BanRow, switch: ModeSetting, time_zone: str, names: Mapping[int, str]) -> Json:
    """Return the fields that the audit log stores too."""
    terms = sorted(row.terms, key=lambda term: (term.start_s, term.id or 0))
    return {
        "number": row.number,
        "authority": row.authority,
        "service": row.service,
        "mode": switch.mode,
        "mode_reason": switch.reason,
        "off_until": optional_text(switch.until),
        "returns_to": switch.returns,
        "reply": Reply(row.reply),
        "addresses": row.addresses,
        "tiers": row.tiers,
        "funding": [Funding(value) for value in row.funding],
        "audience": [Audience(value) for value in row.audience],
        "decision": _decision(row.decision, names),
        "terms": [_term(term, time_zone, names) for term in terms],
        "provisional": row.provisional,
        "prohibited_list": row.prohibited_list,
        "list_version": row.list_version,
    }


def _read(row: BanRow, now: Instant, time_zone: str, names: Mapping[int, str], suspended: Suspended) -> BanRead:
    switch = mode_setting_at(row, now)
    stopped = is_suspended(row.authority, suspended)
    state, near = state_and_due(row.terms, now, suspended=stopped, off=switch.mode is Mode.OFF)
    return BanRead(
        **_fields(row, switch, time_zone, names),
        mode_set=optional_text(switch.since),
        mode_set_by=switch.by,
        state=state,
        ending=_ending(near, now),
        notes=_notes(row, now, time_zone),
        revision=row.revision,
    )
