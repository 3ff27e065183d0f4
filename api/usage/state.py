"""How long usage is kept, and what is counted on its own."""

from typing import Final

from dnsfilter.telemetry.metrics import BanResult

DAY_S: Final = 24 * 3600
HOUR_S: Final = 3600
MINUTE_S: Final = 60
HOURS_KEPT_S: Final = 92 * DAY_S
"""Seconds for which hours of ranges are kept. After that they are in the authority's days only."""
CLIENTS_KEPT_S: Final = 30 * DAY_S
"""Seconds for which refused queries are kept with a pseudonym of their client."""
NODES_KEEP_S: Final = 72 * HOUR_S
"""Seconds of usage that a node keeps while the control plane is away."""
DAYS_KEPT_MONTHS: Final = 36
"""Months for which days are kept."""
MAX_DAYS: Final = DAYS_KEPT_MONTHS // 12 * 366
"""The most days that can be read at once: no count is kept longer."""
RESULTS: Final = tuple(result.value for result in BanResult)
HIDDEN_BELOW: Final = 5
"""Numbers above 0 and below this are hidden: they could identify a person."""
