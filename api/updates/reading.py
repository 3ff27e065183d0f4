"""Convert rows of updates to API answers and audit log entries."""

from collections.abc import Iterator, Mapping, Sequence

from api.db.base import Json
from api.db.models import ObjectionRow, ServiceRow, UpdateRow
from api.publish.service_lists import service_of
from api.timestamps import optional_text, timestamp_text
from api.updates.schemas import HeldReasonRead, ObjectionRead, Source, UpdatedNameRead, UpdateRead
from api.updates.state import update_state
from blocklists.update_review import difference
from dnsfilter.policy.model import Instant, Tier
from dnsfilter.wire.names import name_text

ADDED, REMOVED = "added", "removed"


def read_update(row: UpdateRow, now: Instant) -> UpdateRead:
    """Return an update as the API shows it."""
    return UpdateRead(
        number=row.number,
        service=row.service,
        authority=row.authority,
        source=Source(row.source),
        state=update_state(row, now),
        added=row.added,
        removed=row.removed,
        pending=row.pending,
        reasons=[HeldReasonRead.model_validate(reason) for reason in row.reasons],
        proposed=timestamp_text(row.proposed_s),
        proposed_by=row.proposed_by,
        enforced_from=optional_text(row.enforced_from_s),
        decided=optional_text(row.decided_s),
        decided_by=row.decided_by,
        note=row.note,
        revision=row.revision,
    )


def shown_update(row: UpdateRow) -> Json:
    """Return an update as the audit log stores it, without fields that depend on the time."""
    return read_update(row, row.proposed_s).model_dump(mode="json", exclude={"revision", "state"})


def read_objection(row: ObjectionRow, authority: str | None) -> ObjectionRead:
    """Return an objection to a name of a service, which `authority` defines."""
    return ObjectionRead(
        service=row.service,
        authority=authority,
        name=row.name,
        reason=row.reason,
        recorded=timestamp_text(row.recorded_s),
        recorded_by=row.recorded_by,
    )


def shown_service(row: ServiceRow) -> Json:
    """Return a service's row as the audit log stores it. `digest` names the list of its names."""
    columns = ("slug", "authority", "name", "category", "source", "note", "digest")
    return {name: getattr(row, name) for name in columns}


def names_of(
    row: UpdateRow, in_force: Sequence[Tier], counts: Mapping[str, int], now: Instant
) -> Iterator[UpdatedNameRead]:
    """Yield the names that an update adds or removes.

    `in_force` are the tiers of its service now, `counts` the queries for pending names of it.
    """
    pending = [tier for tier in in_force if tier.is_pending(now) and tier.enforced_from == row.enforced_from_s]
    before, after = service_of(row.before.body).tiers, service_of(row.wanted.body).tiers
    for change, tiers in ((ADDED, difference(after, before)), (REMOVED, difference(before, after))):
        for tier in tiers:
            same = [each for each in pending if each.number == tier.number and change == ADDED]
            for exact, names in ((False, tier.domains), (True, tier.hosts)):
                for name in names:
                    waits = any(name in (each.hosts if exact else each.domains) for each in same)
                    text = name_text(name)
                    queries = counts.get(text, 0) if waits else None
                    yield UpdatedNameRead(
                        name=text, exact=exact, tier=tier.number, change=change, pending=waits, queries=queries
                    )
