"""How long usage is kept, and what is counted on its own."""

from typing import Final

from dnsfilter.policy.model import Ground

DAY_S: Final = 24 * 3600
HOUR_S: Final = 3600
HOURS_KEPT_S: Final = 92 * DAY_S
"""Seconds for which hours of ranges are kept. After that they are in the authority's days only."""
DAYS_KEPT_MONTHS: Final = 36
"""Months for which days are kept."""
SMALLEST_RANGE: Final = 16
"""Addresses of the smallest range that is counted on its own. Smaller ones could identify a person."""
OWN: Final = "own"
"""The ground of an authority's own ban."""
GROUNDS: Final = frozenset({OWN, *map(str, Ground)})
"""The grounds of a ban in the authority of a client."""
RESULTS: Final = ("refused", "monitored", "exempted")
HIDDEN_BELOW: Final = 5
"""Totals above 0 and below this are not shown: they could identify a person."""
