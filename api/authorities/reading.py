"""Authorities as the API shows them."""

from api.authorities.schemas import AuthorityRead, ClosureRead
from api.authorities.state import authority_state
from api.db.models import AuthorityRow
from api.timestamps import optional_text
from dnsfilter.policy.model import Instant, Kind

DECIDED = frozenset(ClosureRead.model_fields)


def read_authority(row: AuthorityRow, now: Instant) -> AuthorityRead:
    """An authority as the API shows it."""
    # Kept versions from before authorities could close have none of what belongs to that.
    decision = {field: text for field, text in (row.closed_decision or {}).items() if field in DECIDED}
    return AuthorityRead(
        slug=row.slug,
        kind=Kind(row.kind),
        names=row.names,
        languages=row.languages,
        time_zone=row.time_zone,
        contact=row.contact,
        usage=row.usage_level,
        group=row.group,
        # Versions from before these rules have none.
        off_needs_reason=bool(row.off_needs_reason),
        off_needs_approver=bool(row.off_needs_approver),
        state=authority_state(row, now),
        closes=optional_text(row.closes_s),
        closed_reason=row.closed_reason or "",
        closed_decision=ClosureRead(**decision) if any(decision.values()) else None,
        successor=row.successor,
        revision=row.revision,
    )
