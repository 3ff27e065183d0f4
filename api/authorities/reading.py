"""Convert rows of authorities to API answers."""

from api.authorities.schemas import AuthorityRead, ClientLevelRead, ClosureRead
from api.authorities.state import authority_state
from api.db.models import AuthorityRow
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Instant, Kind

CLOSURE_FIELDS = frozenset(ClosureRead.model_fields)


def read_authority(row: AuthorityRow, now: Instant) -> AuthorityRead:
    """Return an authority as the API shows it."""
    decision = {field: text for field, text in row.closed_decision.items() if field in CLOSURE_FIELDS}
    return AuthorityRead(
        slug=row.slug,
        kind=Kind(row.kind),
        names=row.names,
        languages=row.languages,
        time_zone=row.time_zone,
        contact=row.contact,
        usage=row.usage_level,
        group=row.group,
        public_register=row.public_register,
        filtering_database=row.filtering_database,
        off_needs_reason=row.off_needs_reason,
        off_needs_approver=row.off_needs_approver,
        state=authority_state(row, now),
        closes=optional_text(row.closes_s),
        closed_reason=row.closed_reason,
        closed_decision=ClosureRead(**decision) if any(decision.values()) else None,
        successor=row.successor,
        client_level=_client_level(row, now),
        revision=row.revision,
    )


def _client_level(row: AuthorityRow, now: Instant) -> ClientLevelRead | None:
    # An act is shown as it was recorded, at instant 0.
    if row.client_since_s is None or row.client_end_s is None or row.client_end_s <= now:
        return None
    since, until = timestamp_text(row.client_since_s), timestamp_text(row.client_end_s)
    return ClientLevelRead(since=since, until=until, **row.client_basis)
