"""Acts on feeds. They change no names themselves, so these acts make no revision."""

from api.auth.permit import Permit
from api.auth.roles import APPROVERS
from api.db.base import Json
from api.db.models import AuthorityRow, FeedRow, ServiceRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Forbidden
from api.feeds.schemas import FeedWrite
from api.feeds.state import HOUR_S


def put(unit: UnitOfWork, permit: Permit, service: ServiceRow, row: FeedRow | None, body: FeedWrite) -> FeedRow:
    """Let an own service have this feed, which is fetched at once. Do nothing if nothing differs.

    Raise `Forbidden` for an operator if the authority requires an approver for less refusing.
    """
    _demand_approver(unit, permit, service)
    before = None if row is None else shown(row)
    if row is None:
        row = FeedRow(service=service.slug, authority=service.authority, made_s=unit.now_s, failures=0)
        unit.session.add(row)
    row.source, row.format, row.exact = body.source, body.format or "", body.exact
    row.every_s = body.every_hours * HOUR_S
    if before == shown(row):
        return row
    # What is known of the content is of another source, or was read in another way.
    row.etag = row.modified = ""
    row.next_s, row.revision = unit.now_s, unit.revision
    unit.session.flush()
    unit.note("feed.set", subject(row), before, shown(row), row.authority)
    return row


def _demand_approver(unit: UnitOfWork, permit: Permit, service: ServiceRow) -> None:
    """Raise `Forbidden` for an operator who could lift refusals alone: a feed removes names without a further act."""
    authority = unit.session.get_one(AuthorityRow, service.authority)
    if authority.off_needs_approver and not permit.caller.has(APPROVERS, authority.slug):
        raise Forbidden(
            f"a feed can remove names, and in {authority.slug} that needs an approver: ask one to set the feed"
        )


def remove(unit: UnitOfWork, row: FeedRow) -> None:
    """Remove a feed. The names that it brought stay."""
    unit.note("feed.remove", subject(row), shown(row), None, row.authority)
    unit.session.delete(row)


def ask(unit: UnitOfWork, row: FeedRow) -> None:
    """Let a feed be fetched now, also if its source says that nothing has changed."""
    row.etag = row.modified = ""
    row.next_s = unit.now_s
    unit.note("feed.fetch", subject(row), None, None, row.authority)


def shown(row: FeedRow) -> Json:
    """Return a feed as the audit log stores it."""
    return {"source": row.source, "format": row.format, "exact": row.exact, "every_s": row.every_s}
