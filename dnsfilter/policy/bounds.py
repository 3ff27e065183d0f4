"""The bounds of a policy: years, lengths of texts, and how long a suspension or a provisional ban may last."""

from dnsfilter.policy.model import DAY_S, Instant

FIRST_YEAR, LAST_YEAR = 1970, 2199
LAST_INSTANT: Instant = 7_258_118_400
"""2200-01-01 00:00 UTC. Calendar arithmetic before it cannot overflow."""
MAX_TEXT = 1000
MAX_ADDRESSES = 8
"""Maximum number of addresses in a ban's reply: a few servers that explain it. More would not fit a datagram."""
MIN_COUNTED_ADDRESSES = 16
"""Addresses of the smallest range whose queries are counted on their own. In smaller ones a count names few people."""
MAX_SUSPENSION_S = 4 * 3600
MAX_PROVISIONAL_S = 72 * 3600

MAX_LISTED = 300
"""The most services of a prohibited list. One act adopts them all, and nobody else can act meanwhile."""
MAX_LIST_VERSIONS = 100
MAX_LIST_TERMS = 10
"""The most terms that a version of a prohibited list gives to its bans."""

MAX_FLEET_NAMES = 100
"""The most names that a fleet may have in a policy file."""

MAX_CAPTURE_S = 3600
"""Seconds that a capture of a range's queries may last."""
CAPTURE_KEPT_S = DAY_S
"""Seconds after the end of a capture when nodes delete its file."""
MOST_CAPTURES = 8
"""Captures whose files may exist at a time."""

NAME_REVIEW_MONTHS = 6
"""Months until the review of a refused or allowed name, if neither its end nor its review is given."""
MAX_NAME_MONTHS = 12
"""Months within which a refused or allowed name ends or is reviewed."""
MAX_LOCAL_NAME_S = 7 * DAY_S
"""Seconds that a name may be refused or allowed on a node by itself: longer than a control plane stays away."""
LOCAL_NAME_S = DAY_S
"""Seconds that a name is refused or allowed on a node if no duration is given."""
