"""Setting a ban's mode: enforce, monitor, or off, for a time or until it is set again."""

from api.bans.state import Switch, switch_at
from api.bans.wanted_change import BanChange
from api.db.models import AuthorityRow, BanRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Invalid
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Instant, Mode


def set_mode(unit: UnitOfWork, row: BanRow, change: BanChange) -> None:
    """Set the mode, its end and its reason as the change says. Raise `Invalid` if a required reason is missing."""
    known, wanted = switch_at(row, unit.now_s), switched(unit, row, change)
    if wanted != known:
        _demand_reason(unit, row, known, wanted)
        _write(unit, row, wanted)


def first_mode(unit: UnitOfWork, row: BanRow, change: BanChange) -> None:
    """Set the mode of a new ban. The ban has refused nothing yet, so no reason is required."""
    _write(unit, row, switched(unit, row, change))


def _write(unit: UnitOfWork, row: BanRow, wanted: Switch) -> None:
    if wanted.mode is not Mode.OFF:
        row.returns_to = None
    else:
        row.returns_to = wanted.returns or _returning(row, unit.now_s)
    row.mode, row.mode_reason, row.off_until_s = str(wanted.mode), wanted.reason, wanted.until
    row.mode_set_s, row.mode_set_by = wanted.since, wanted.by


def switched(unit: UnitOfWork, row: BanRow, change: BanChange) -> Switch:
    """Return the mode setting after the change; raise Invalid if there is no mode to return to."""
    known = switch_at(row, unit.now_s)
    if change.mode is None:
        return known
    # If the end has passed, as in an old policy file, the earlier mode is back.
    until = change.off_until if change.off_until is not None and change.off_until > unit.now_s else None
    returns = None
    if until is not None:
        returns = _returning(row, unit.now_s) if change.mode is Mode.OFF else change.mode
        if returns is None:
            message = f"{row.authority}/{row.service} has no earlier mode to return to: set enforce or monitor first"
            raise Invalid.at("body.until", message)
    mode = change.mode if until is None else Mode.OFF
    # A reason applies until the mode changes or another reason is given.
    kept = known.reason if mode is known.mode else ""
    reason = kept if change.mode_reason is None else change.mode_reason
    if (mode, until, returns, reason) == (known.mode, known.until, known.returns, known.reason):
        return known
    # A new end or reason for the same mode does not change its start.
    since = unit.now_s if mode is not known.mode or known.since is None else known.since
    return Switch(mode, since, unit.actor.account, reason, until, returns)


def _demand_reason(unit: UnitOfWork, row: BanRow, before: Switch, after: Switch) -> None:
    """Raise `Invalid` if the ban stops refusing, its authority requires a reason, and none is given."""
    if after.reason or not (after.mode is Mode.OFF or _stops_refusing(before, after)):
        return
    owner = unit.session.get_one(AuthorityRow, row.authority)
    if owner.off_needs_reason:
        until = "" if after.until is None else f' --until "{at_words(after.until, owner.time_zone)}"'
        command = f'dnsfilterctl ban set {row.authority} {row.service} --mode {after.mode}{until} --reason "…"'
        message = (
            f"{row.authority} requires a reason when {row.authority}/{row.service} stops refusing. Give one: {command}"
        )
        raise Invalid.at("body.mode_reason", message)


def _stops_refusing(before: Switch, after: Switch) -> bool:
    """Return whether the ban starts to refuse later than before, or no longer refuses."""
    return _refuses_from(after) > _refuses_from(before)


def _refuses_from(switch: Switch) -> Instant:
    if switch.mode is Mode.ENFORCE:
        return 0
    return switch.until if switch.until is not None and switch.returns is Mode.ENFORCE else FOREVER


def _returning(row: BanRow, now: Instant) -> Mode | None:
    """Return the current mode, or the mode before the ban was off; None if it was never in another mode."""
    known = switch_at(row, now)
    if known.mode is not Mode.OFF:
        return known.mode
    return None if row.returns_to is None else Mode(row.returns_to)
