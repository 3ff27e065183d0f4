"""Acts on captures: start, end. Captures are not part of the policy, so these acts make no revision."""

from api.captures import repository
from api.captures.reading import read_capture
from api.captures.schemas import CaptureState, CaptureWrite
from api.captures.state import capture_state, deletion
from api.db.base import Json
from api.db.models import CaptureRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.http.prefixes import parse_prefix
from dnsfilter.policy.bounds import MAX_CAPTURE_S, MOST_CAPTURES
from dnsfilter.policy.calendar import parse_duration


def start(unit: UnitOfWork, body: CaptureWrite) -> CaptureRow:
    """Have the nodes of a site record the queries of exactly this range from now on.

    Raise `Invalid` if the authority has no such range, or for more than an hour. Raise `Conflict` if the range is
    captured already, or if there are too many captures.
    """
    authority, site, for_s = body.authority, body.site, parse_duration(body.for_)
    prefix = parse_prefix(body.prefix, "body.prefix")
    if not repository.is_registered(unit.session, authority, site, prefix):
        raise Invalid.at(
            "body.prefix", f"{authority} has no range {prefix} at site {site}. See dnsfilterctl range list."
        )
    if not 0 < for_s <= MAX_CAPTURE_S:
        raise Invalid.at("body.for", "a capture lasts at most an hour: give a shorter time")
    existing = repository.existing(unit.session, unit.now_s)
    for row in existing:
        if (row.site, row.prefix) == (site, str(prefix)) and capture_state(row, unit.now_s) is CaptureState.IN_FORCE:
            raise Conflict(f"{prefix} at site {site} is already captured (capture {row.number}). End it first.")
    if len(existing) >= MOST_CAPTURES:
        raise Conflict(
            f"nodes already keep {MOST_CAPTURES} captures: delete one with dnsfilterctl capture end NUMBER --delete"
        )
    row = CaptureRow(
        authority=authority,
        site=site,
        prefix=str(prefix),
        start_s=unit.now_s,
        end_s=unit.now_s + for_s,
        reason=body.reason,
        recorded_by=unit.actor.account,
        ended_s=None,
        ended_by=None,
        ended_reason="",
        deleted_s=None,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.note("capture.start", subject(row), None, _shown(row), authority)
    return row


def end(unit: UnitOfWork, row: CaptureRow, reason: str, *, delete: bool) -> None:
    """End the capture now, and with `delete` delete its file. Raise `Conflict` if that has happened already."""
    state, before = capture_state(row, unit.now_s), _shown(row)
    if state is CaptureState.DELETED:
        raise Conflict(f"capture {row.number} has ended, and its file is deleted")
    if state is CaptureState.KEPT and not delete:
        raise Conflict(f"capture {row.number} has already ended. Its file is deleted with --delete.")
    if state is CaptureState.IN_FORCE:
        row.ended_s = unit.now_s
    if delete:
        row.deleted_s = min(unit.now_s, deletion(row))
    row.ended_by, row.ended_reason = unit.actor.account, reason
    unit.note("capture.end", subject(row), before, _shown(row), row.authority)


def _shown(row: CaptureRow) -> Json:
    """Return the capture as the audit log stores it, without its state, which depends on the time."""
    return read_capture(row, row.start_s).model_dump(mode="json", exclude={"state"})
