"""How often clients asked for pending names of a service, for `api.updates`, which lies below this room."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from api.usage.release import coarse
from api.usage.repository import pending_names
from dnsfilter.policy.model import Instant


def pending_counts(session: Session, service: str, since: Instant) -> Mapping[str, int]:
    """Return the queries since an instant for pending names of a service, in all authorities together, rounded down."""
    # Days are local ones of each authority. Earlier days have no counts: the names were not pending then.
    first = datetime.fromtimestamp(since, UTC).date() - timedelta(days=1)
    sums = Counter[str]()
    for found in pending_names(session, service, first):
        sums[found.name] += found.queries
    return {name: coarse(queries) for name, queries in sums.items()}
