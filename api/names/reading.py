"""Convert rows of single names to API answers and audit log entries."""

from collections.abc import Iterable, Iterator, Sequence

from api.bans.state import live_terms, mode_setting_at, state_of
from api.db.base import Json
from api.db.models import AllowedNameRow, BanRow, TermRow
from api.names.repository import NamedRow
from api.names.schemas import NameRead, ShownName, StillRefusedRead
from api.names.state import allowed_state
from api.suspensions.state import Suspended, is_suspended
from api.timestamps import optional_text, through, timestamp_text
from dnsfilter.policy.model import DEFAULT_AUDIENCE, DEFAULT_FUNDING, Instant, Mode
from dnsfilter.policy.single_names import WITH_ALL_BELOW, NameVerdict


def read_name(row: NamedRow, now: Instant, time_zone: str, suspended: Suspended) -> NameRead:
    """Return a single name as the API shows it in a list. `suspended` has the authorities that are suspended now."""
    if isinstance(row, AllowedNameRow):
        return NameRead(
            **_allowed_fields(row),
            through=through(row.end_s, time_zone),
            recorded=timestamp_text(row.recorded_s),
            recorded_by=row.recorded_by,
            mode=None,
            state=allowed_state(row, now),
            revision=row.revision,
        )
    term, switch = _term(row, now), mode_setting_at(row, now)
    return NameRead(
        **_refused_fields(row, now),
        through=through(term.end_s, time_zone),
        recorded=timestamp_text(term.recorded_s),
        recorded_by=switch.by,
        mode=switch.mode,
        state=state_of(row.terms, now, suspended=is_suspended(row.authority, suspended), off=switch.mode is Mode.OFF),
        revision=row.revision,
    )


def answered(read: NameRead, still: Sequence[StillRefusedRead], notes: Sequence[str]) -> NameRead:
    """Return the answer about one name, with what it does not change."""
    return read.model_copy(update={"still_refused_by": list(still), "notes": list(notes)})


def notes_on_refused(row: BanRow) -> Iterator[str]:
    """Yield what a person should know who has refused a name: that its ban was narrowed before, and stays so."""
    if set(row.funding) >= DEFAULT_FUNDING and set(row.audience) >= DEFAULT_AUDIENCE:
        return
    usual = f"--funding {_words(DEFAULT_FUNDING)} --audience {_words(DEFAULT_AUDIENCE)}"
    yield (
        f"The ban on {row.service} covers only ranges with funding {_words(row.funding)} and audience "
        f"{_words(row.audience)}: it was narrowed before, and refusing the name keeps that. To refuse it where a new "
        f"ban would: dnsfilterctl ban set {row.authority} {row.service} {usual}"
    )


def _words(found: Iterable[str]) -> str:
    return ",".join(sorted(map(str, found)))


def shown(row: AllowedNameRow) -> Json:
    """Return an allowed name as the audit log stores it."""
    return ShownName(**_allowed_fields(row)).model_dump(mode="json")


def _allowed_fields(row: AllowedNameRow) -> Json:
    return {
        "number": row.number,
        "authority": row.authority,
        "name": row.name,
        "verdict": NameVerdict.ALLOW,
        "exact": row.exact,
        "start": timestamp_text(row.start_s),
        "end": optional_text(row.end_s),
        "review_by": optional_text(row.review_by_s),
        "reason": row.reason,
        "ended": optional_text(row.ended_s),
        "ended_reason": row.ended_reason,
    }


def _refused_fields(row: BanRow, now: Instant) -> Json:
    term = _term(row, now)
    return {
        "number": row.number,
        "authority": row.authority,
        "name": row.service,
        "verdict": NameVerdict.REFUSE,
        "exact": not WITH_ALL_BELOW & set(row.tiers),
        "start": timestamp_text(term.start_s),
        "end": optional_text(term.end_s),
        "review_by": optional_text(term.review_by_s),
        "reason": row.mode_reason,
        "ended": optional_text(term.ended_s),
        "ended_reason": term.ended_reason,
    }


def _term(row: BanRow, now: Instant) -> TermRow:
    """Return the term in force, or the next one, or else the last one. A name that is refused again gets a new one."""
    live = live_terms(row.terms, now)
    return next((term for term in live if term.period.holds(now)), live[0] if live else row.terms[-1])
