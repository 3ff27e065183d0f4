"""Ranges as people may read them: small numbers are hidden, and a last query has its hour."""

from ipaddress import ip_network

from api.coverage.repository import Hours
from api.coverage.schemas import CoverageRead
from api.coverage.state import CoverageState, state_of, usual_queries
from api.db.models import RangeRow
from api.timestamps import timestamp_text
from api.usage.release import Figure, figure
from api.usage.state import HOUR_S
from dnsfilter.policy.counted_ranges import not_counted
from dnsfilter.policy.model import Usage


def read_coverage(row: RangeRow, usage: Usage, last_asked_s: int | None, hours: Hours, now_s: int) -> CoverageRead:
    """Return a range as the API shows it. `usage` is the level of its authority."""
    why = not_counted(ip_network(row.prefix), usage)
    state = state_of(last_asked_s, hours, now_s) if why is None else CoverageState.NOT_COUNTED
    usual = usual_queries(hours, now_s) if why is None else None
    shown = Figure() if usual is None else figure(max(usual, 1))
    asked = None if last_asked_s is None or why is not None else timestamp_text(last_asked_s - last_asked_s % HOUR_S)
    return CoverageRead(
        site=row.site,
        prefix=row.prefix,
        authority=row.authority,
        label=row.label,
        state=state,
        not_counted=why,
        last_asked=asked,
        usual_per_hour=shown.queries,
        below=shown.below,
    )
