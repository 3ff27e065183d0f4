"""Acts on sites and ranges.

The fields of a range decide which bans apply there. Acts on ranges therefore also concern each authority whose ban is
bound to the range's authority: its audit log shows where its ban no longer applies.
"""

from collections.abc import Collection, Mapping
from ipaddress import ip_network

from api.auth.permit import Permit
from api.authorities import repository as authorities
from api.authorities.state import demand_open
from api.bindings import repository as bindings
from api.db.base import Json
from api.db.models import RangeRow, SiteRow
from api.db.sites import find_site, get_site
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Forbidden, Invalid
from api.ranges import repository
from api.ranges.reading import read_site
from api.spaces import service as spaces
from dnsfilter.policy.fleets import by_hand_fault, is_fleet_text
from dnsfilter.policy.model import DEFAULT_SITE, Prefix, Range
from dnsfilter.translatable import Text


def put_site(unit: UnitOfWork, slug: str, name: str) -> tuple[SiteRow, bool]:
    """Register a site or rename it; return whether it is new."""
    row = find_site(unit.session, slug)
    if row is None:
        row = SiteRow(slug=slug, name=name, revision=unit.new_revision())
        unit.session.add(row)
        unit.record("site.register", subject(row), None, _site_shown(row))
        return row, True
    if row.name != name:
        before = _site_shown(row)
        row.name, row.revision = name, unit.new_revision()
        unit.record("site.change", subject(row), before, _site_shown(row))
    return row, False


def remove_site(unit: UnitOfWork, row: SiteRow) -> None:
    """Remove a site that nothing refers to; raise `Conflict` otherwise."""
    if row.slug == DEFAULT_SITE:
        raise Conflict(Text("site {site} cannot be removed", site=DEFAULT_SITE))
    if repository.site_in_use(unit.session, row.slug):
        raise Conflict(Text("site {site} has space, ranges, exemptions or nodes and cannot be removed", site=row.slug))
    unit.record("site.remove", subject(row), _site_shown(row), None)
    unit.session.delete(row)


def demand_change(unit: UnitOfWork, permit: Permit, row: RangeRow) -> None:
    """Raise `Forbidden` if the caller may not change or remove the range."""
    permit.demand(row.authority)
    spaces.demand(unit, permit.caller, row.site, ip_network(row.prefix), row.authority)


def demand_put(unit: UnitOfWork, permit: Permit, site: str, prefix: Prefix, authority: str) -> RangeRow | None:
    """Return the range with that prefix, or None. Raise `Forbidden` if the caller may not register or change it.

    Raise `Forbidden` or `Conflict` if another authority has it, and `Invalid` for the prefix of a fleet.
    """
    fault = by_hand_fault(prefix)
    if fault is not None:
        raise Invalid.at("path.address", Text("{prefix} {fault}", prefix=prefix, fault=fault))
    known = repository.find(unit.session, site, prefix)
    permit.demand_named(authority)
    spaces.demand(unit, permit.caller, site, prefix, authority)
    if known is not None and known.authority != authority:
        raise taken_error(permit, known)
    return known


def put(unit: UnitOfWork, wanted: Range) -> tuple[RangeRow, bool]:
    """Register a range or change its fields; return whether it is new.

    Raise `NotFound` if the site is unknown, `Invalid` if the authority is unknown, and `Conflict` if another authority
    has the prefix.
    """
    get_site(unit.session, wanted.site)
    authorities.named(unit.session, wanted.authority, "body.authority")
    known = repository.find(unit.session, wanted.site, wanted.prefix)
    return put_known(unit, wanted, known, bindings.binders(unit.session, unit.now_s))


def put_known(
    unit: UnitOfWork, wanted: Range, row: RangeRow | None, binders: Mapping[str, tuple[str, ...]]
) -> tuple[RangeRow, bool]:
    """Do what `put` does, for a range whose row (or None), site and authority are known.

    `binders` maps each bound authority to those whose bans are bound to it.
    """
    concerned = (wanted.authority, *binders.get(wanted.authority, ()))
    if row is None:
        demand_open(authorities.get(unit.session, wanted.authority), unit.now_s)
        row = new_row(unit, wanted)
        unit.session.add(row)
        unit.record("range.register", subject(row), None, shown(row), *concerned)
        return row, True
    if row.authority != wanted.authority:
        raise Conflict(
            Text(
                "{prefix} at site {site} is already registered to {authority}",
                prefix=row.prefix,
                site=row.site,
                authority=row.authority,
            )
        )
    given = {"label": wanted.label, "funding": str(wanted.funding), "audience": str(wanted.audience)}
    if any(getattr(row, field) != value for field, value in given.items()):
        before = shown(row)
        for field, value in given.items():
            setattr(row, field, value)
        row.revision = unit.new_revision()
        unit.record("range.change", subject(row), before, shown(row), *concerned)
    return row, False


def move(unit: UnitOfWork, row: RangeRow, wanted: Range) -> None:
    """Pass a range to another authority, with the other fields of `wanted`, in one act.

    Raise `Invalid` if the authority is unknown, or has it already. Raise `Conflict` if an exemption names the range,
    or the authority is closed.
    """
    if row.authority == wanted.authority:
        raise Invalid.at(
            "body.authority",
            Text(
                "{prefix} belongs to {authority} already: name another authority",
                prefix=row.prefix,
                authority=row.authority,
            ),
        )
    session, now = unit.session, unit.now_s
    demand_open(authorities.named(session, wanted.authority, "body.authority"), now)
    _demand_unnamed(row, repository.exempted(session, now))
    binders, before = bindings.binders(session, now), shown(row)
    concerned = {each for slug in (row.authority, wanted.authority) for each in (slug, *binders.get(slug, ()))}
    row.authority, row.label = wanted.authority, wanted.label
    row.funding, row.audience = str(wanted.funding), str(wanted.audience)
    row.revision = unit.new_revision()
    unit.record("range.transfer", subject(row), before, shown(row), *sorted(concerned))


def new_row(unit: UnitOfWork, wanted: Range) -> RangeRow:
    """Return the row of a new range, not yet in a session."""
    return RangeRow(
        site=wanted.site,
        prefix=str(wanted.prefix),
        authority=wanted.authority,
        label=wanted.label,
        funding=str(wanted.funding),
        audience=str(wanted.audience),
        revision=unit.new_revision(),
    )


def taken_error(permit: Permit, row: RangeRow) -> Conflict | Forbidden:
    """Return the error for a prefix that another authority has. Name that authority if the caller acts for it too."""
    own = permit.visible()
    if own is None or row.authority in own:
        return Conflict(
            Text(
                "{prefix} at site {site} is already registered to {authority}. To move it: {command}",
                prefix=row.prefix,
                site=row.site,
                authority=row.authority,
                command=f"dnsfilterctl range move AUTHORITY {row.prefix}",
            )
        )
    return Forbidden(
        Text(
            "{prefix} at site {site} is already registered to another authority. Ask an administrator.",
            prefix=row.prefix,
            site=row.site,
        )
    )


def remove(unit: UnitOfWork, row: RangeRow) -> None:
    """Remove a range; raise `Conflict` if an exemption names it."""
    session, now = unit.session, unit.now_s
    remove_known(unit, row, repository.exempted(session, now), bindings.binders(session, now))


def remove_known(
    unit: UnitOfWork, row: RangeRow, exempted: Collection[tuple[str, str]], binders: Mapping[str, tuple[str, ...]]
) -> None:
    """Do what `remove` does, with the exempted ranges and the `binders` of `put_known` known."""
    _demand_unnamed(row, exempted)
    _forget_names(unit, row)
    concerned = (row.authority, *binders.get(row.authority, ()))
    unit.record("range.remove", subject(row), shown(row), None, *concerned)
    unit.session.delete(row)


def _demand_unnamed(row: RangeRow, exempted: Collection[tuple[str, str]]) -> None:
    if (row.site, row.prefix) in exempted:
        raise Conflict(
            Text(
                "an exemption names {prefix} at site {site}: revoke or reject it first",
                prefix=row.prefix,
                site=row.site,
            )
        )


def _forget_names(unit: UnitOfWork, row: RangeRow) -> None:
    """Delete the names of a fleet; raise `Conflict` if one is valid. Other ranges have none."""
    if not is_fleet_text(row.prefix):
        return
    for name in repository.fleet_names(unit.session, row):
        if name.end_s is None or name.end_s > unit.now_s:
            raise Conflict(
                Text(
                    '{prefix} is the fleet "{label}", whose names are valid. End it first: {command}',
                    prefix=row.prefix,
                    label=row.label,
                    command=f"dnsfilterctl fleet end {row.authority} {row.id}",
                )
            )
        unit.session.delete(name)


def shown(row: RangeRow) -> Json:
    """Return the range as the audit log stores it."""
    return shown_fields(row.site, row.prefix, row.authority, row.label, row.funding, row.audience)


def shown_fields(site: str, prefix: str, authority: str, label: str, funding: str, audience: str) -> Json:
    """Return what `shown` does, for a range without a row."""
    return {
        "site": site,
        "prefix": prefix,
        "authority": authority,
        "funding": funding,
        "audience": audience,
        "label": label,
    }


def _site_shown(row: SiteRow) -> Json:
    return read_site(row).model_dump(mode="json", exclude={"revision"})
