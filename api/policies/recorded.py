"""Whether what a policy file wants is on record already."""

from api.db.models import AuthorityRow, BindingRow, ExemptionRow
from api.errors import Conflict
from api.publish.policy_rows import closing_value
from api.timestamps import zoned_hours_text
from dnsfilter.policy.model import Authority, Binding, Exemption


def demand_same_end(row: AuthorityRow, wanted: Authority) -> None:
    """Raises Conflict unless the file says of an authority's end what is on record."""
    held = closing_value(row)
    if held is None and wanted.closing is not None:
        raise Conflict(f"{row.slug} closes by an act of its own, or is merged by one: no file does that")
    if held != wanted.closing:
        keys = "closes, closed_reason, closed_decision, successor"
        raise Conflict(f"the end of {row.slug} is on record, and stays so: repeat {keys} as an export has them")


def is_binding(row: BindingRow, wanted: Binding) -> bool:
    """Whether the row is the binding that the file wants, with its decided or its effective end."""
    return wanted.end in (row.end_s, row.period.end) and (row.instrument, row.date) == (wanted.instrument, wanted.date)


def is_exemption(row: ExemptionRow, wanted: Exemption) -> bool:
    """Whether the row is the exemption that the file wants, with its decided or its effective end."""
    hours = {zoned_hours_text(hours, row.time_zone) for hours in wanted.hours}
    return (
        row.site == wanted.site
        and set(row.ranges) == {str(prefix) for prefix in wanted.ranges}
        and row.start_s == wanted.start
        and wanted.end in (row.end_s, row.period.end)
        and set(row.hours) == hours
    )
