"""Compare a policy file with what is recorded already."""

from api.db.models import AllowedNameRow, AuthorityRow, BindingRow, ExemptionRow
from api.errors import Conflict
from api.publish.policy_rows import closing_value
from api.timestamps import zoned_hours_text
from dnsfilter.policy.model import AllowedName, Authority, Binding, Exemption


def demand_same_end(row: AuthorityRow, wanted: Authority) -> None:
    """Raise `Conflict` unless the file has the recorded closing of the authority."""
    held = closing_value(row)
    if held is None and wanted.closing is not None:
        raise Conflict(f"a file cannot close or merge {row.slug}: use dnsfilterctl authority close or merge")
    if held != wanted.closing:
        keys = "closes, closed_reason, closed_decision, successor"
        raise Conflict(f"the closing of {row.slug} is recorded and cannot change: copy {keys} from an export")


def is_binding(row: BindingRow, wanted: Binding) -> bool:
    """Return whether the row is the binding of the file, with its decided or its effective end."""
    held = row.instrument, row.date, row.new_names_at_once
    return wanted.end in (row.end_s, row.period.end) and held == (
        wanted.instrument,
        wanted.date,
        wanted.new_names_at_once,
    )


def is_allowed_name(row: AllowedNameRow, wanted: AllowedName) -> bool:
    """Return whether the row is the allowed name of the file, with its decided or its effective end."""
    return (
        (row.exact, row.start_s, row.review_by_s) == (wanted.exact, wanted.start, wanted.review_by)
        and wanted.end in (row.end_s, row.period.end)
        and not row.period.is_void
    )


def is_exemption(row: ExemptionRow, wanted: Exemption) -> bool:
    """Return whether the row is the exemption of the file, with its decided or its effective end."""
    hours = {zoned_hours_text(hours, row.time_zone) for hours in wanted.hours}
    return (
        row.site == wanted.site
        and set(row.ranges) == {str(prefix) for prefix in wanted.ranges}
        and row.start_s == wanted.start
        and wanted.end in (row.end_s, row.period.end)
        and set(row.hours) == hours
    )
