"""The reason that an authority may require when a ban stops refusing."""

from api.bans.state import ModeSetting
from api.db.models import AuthorityRow, BanRow
from api.errors import Invalid
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Instant, Mode
from dnsfilter.translatable import Text


def demand_reason(owner: AuthorityRow, row: BanRow, before: ModeSetting, after: ModeSetting) -> None:
    """Raise `Invalid` if the ban stops refusing, its authority requires a reason, and none is given."""
    if after.reason or not (after.mode is Mode.OFF or _stops_refusing(before, after)):
        return
    if owner.off_needs_reason:
        until = "" if after.until is None else f' --until "{at_words(after.until, owner.time_zone)}"'
        verb = "off" if after.mode is Mode.OFF else "watch"
        command = f'dnsfilterctl ban {verb} {row.authority} {row.service}{until} --reason "…"'
        message = Text(
            "{authority} requires a reason when {ban} stops refusing. Give one: {command}",
            authority=row.authority,
            ban=f"{row.authority}/{row.service}",
            command=command,
        )
        raise Invalid.at("body.mode_reason", message)


def _stops_refusing(before: ModeSetting, after: ModeSetting) -> bool:
    """Return whether the ban starts to refuse later than before, or no longer refuses."""
    return _refuses_from(after) > _refuses_from(before)


def _refuses_from(switch: ModeSetting) -> Instant:
    if switch.mode is Mode.ENFORCE:
        return 0
    return switch.until if switch.until is not None and switch.returns is Mode.ENFORCE else FOREVER
