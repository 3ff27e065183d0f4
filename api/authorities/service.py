"""Acts on authorities."""

from api.auth.permit import Permit
from api.authorities import repository
from api.authorities.reading import read_authority
from api.authorities.schemas import AuthorityPatch, AuthorityWrite, ClientLevelWrite
from api.authorities.state import MAX_CLIENT_MONTHS, demand_within, has_client_level
from api.db.base import Json
from api.db.models import AuthorityRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Forbidden, Invalid, invalid_at
from api.http.schemas import validated
from api.timestamps import parse_bound
from dnsfilter.policy.calendar import Span, end_of_last_day
from dnsfilter.policy.model import Authority, Usage

FIELDS = (
    "kind",
    "names",
    "languages",
    "time_zone",
    "contact",
    "usage",
    "group",
    "public_register",
    "filtering_database",
)


def put(unit: UnitOfWork, wanted: Authority) -> tuple[AuthorityRow, bool]:
    """Register the authority or replace its fields; do nothing if they are equal. Return whether it is new.

    Another usage level ends a level `client`.
    """
    row = repository.find(unit.session, wanted.slug)
    values = _columns(wanted)
    if row is None:
        row = new_row(unit, wanted)
        unit.session.add(row)
        unit.record("authority.register", subject(row), None, shown(row), row.slug)
        return row, True
    before = shown(row)
    # Some databases lose the order of a dictionary. It has no meaning: `languages` has the order.
    if all(before[field] == values[field] for field in FIELDS):
        return row, False
    if before["usage"] != values["usage"]:
        _end_client_level(row)
    for field in FIELDS:
        setattr(row, field, values[field])
    row.revision = unit.new_revision()
    unit.record("authority.change", subject(row), before, shown(row), row.slug)
    return row, False


def patch(unit: UnitOfWork, row: AuthorityRow, body: AuthorityPatch) -> None:
    """Change only the given fields of an authority."""
    known = read_authority(row, unit.now_s).model_dump(include=set(AuthorityWrite.model_fields))
    wanted = validated(AuthorityWrite, {**known, **body.model_dump(exclude_none=True)})
    put(unit, wanted.value(row.slug))


def new_row(unit: UnitOfWork, wanted: Authority) -> AuthorityRow:
    """Return the row of a new authority, not yet in a session. Its closing is a separate act."""
    return AuthorityRow(
        slug=wanted.slug,
        revision=unit.new_revision(),
        off_needs_reason=False,
        off_needs_approver=False,
        closes_s=None,
        closed_reason="",
        closed_decision={},
        successor=None,
        client_since_s=None,
        client_until_s=None,
        client_basis={},
        **_columns(wanted),
    )


def set_off_rules(
    unit: UnitOfWork, permit: Permit, row: AuthorityRow, *, reason: bool | None, approver: bool | None
) -> None:
    """Set what is needed to switch a ban of the authority off; None leaves a rule as it is.

    Policy files do not contain these rules. Raise `Forbidden` if a caller other than an administrator removes the need
    for an approver. Otherwise an account that is operator and approver would need no second person.
    """
    if row.off_needs_approver and approver is False and not permit.caller.administers:
        raise Forbidden(f"Only an administrator can remove the need for an approver in {row.slug}. Ask one.")
    before = shown(row)
    known = row.off_needs_reason, row.off_needs_approver
    wanted = known[0] if reason is None else reason, known[1] if approver is None else approver
    if wanted != known:
        row.off_needs_reason, row.off_needs_approver = wanted
        row.revision = unit.new_revision()
        unit.record("authority.set_off_rules", subject(row), before, shown(row), row.slug)


def set_usage(unit: UnitOfWork, row: AuthorityRow, level: Usage, why: str) -> None:
    """Set the level at which the authority's queries are counted. Record why. Do nothing if it is set already.

    A level `client` ends.
    """
    if row.usage_level is level and not has_client_level(row, unit.now_s):
        return
    before = shown(row)
    row.usage, row.revision = str(level), unit.new_revision()
    _end_client_level(row)
    unit.record("authority.set_usage", subject(row), before, {**shown(row), "reason": why}, row.slug)


def set_client_level(unit: UnitOfWork, row: AuthorityRow, body: ClientLevelWrite) -> None:
    """Keep refused queries under a pseudonym of each client until the wanted end. Then the earlier level applies.

    Raise `Invalid` for an end in the past or more than six months away, and `Conflict` if the authority is closed by
    then, or counts nothing.
    """
    with invalid_at("body.until"):
        until = parse_bound(body.until, row.time_zone, unit.asked_s)
    demand_within(row, until, unit.now_s)
    if row.usage_level is Usage.NONE:
        raise Conflict(f"{row.slug} counts nothing. Set its usage to {Usage.AUTHORITY} or {Usage.RANGE} first.")
    if not unit.now_s < until <= end_of_last_day(unit.now_s, Span(months=MAX_CLIENT_MONTHS), row.time_zone):
        raise Invalid.at("body.until", f"must lie after now and within {MAX_CLIENT_MONTHS} months: give another end")
    before = shown(row)
    row.client_since_s, row.client_until_s = unit.now_s, until
    row.client_basis = body.model_dump(exclude={"until"})
    row.revision = unit.new_revision()
    unit.record("authority.set_client_level", subject(row), before, shown(row), row.slug)


def remove(unit: UnitOfWork, row: AuthorityRow) -> None:
    """Remove an authority that nothing refers to and whose closing is not recorded; raise `Conflict` otherwise."""
    if repository.in_use(unit.session, row.slug):
        raise Conflict(
            f"authority {row.slug} has space, ranges, services, bans, bindings, accounts, usage or a recorded closing. "
            "Close it instead."
        )
    unit.record("authority.remove", subject(row), shown(row), None, row.slug)
    unit.session.delete(row)


def shown(row: AuthorityRow) -> Json:
    """Return the authority as the audit log stores it, without fields that depend on the time."""
    return read_authority(row, 0).model_dump(mode="json", exclude={"revision", "state"})


def _end_client_level(row: AuthorityRow) -> None:
    row.client_since_s, row.client_until_s, row.client_basis = None, None, {}


def _columns(wanted: Authority) -> Json:
    return {
        "kind": str(wanted.kind),
        "names": dict(wanted.names),
        "languages": list(wanted.languages),
        "time_zone": wanted.time_zone,
        "contact": wanted.contact,
        "usage": str(wanted.usage),
        "group": wanted.group,
        "public_register": wanted.public_register,
        "filtering_database": wanted.filtering_database,
    }
