"""Which names a ban may refuse by itself: none that the guard forbids, and none that its authority allows."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, not_, select

from api.db.models import AllowedNameRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.updates.guarding import installation_guard
from blocklists.guard import Guard
from dnsfilter.policy.model import Instant
from dnsfilter.policy.single_names import WITH_ALL_BELOW, covers
from dnsfilter.translatable import Text
from dnsfilter.wire.names import name_text, parse_name, suffixes


def demand_refusable(unit: UnitOfWork, authority: str, name: str, tiers: Collection[int]) -> None:
    """Raise `Invalid` or `Conflict` if a ban of the authority may not refuse the name by these tiers."""
    exact = WITH_ALL_BELOW.isdisjoint(tiers)
    demand_unguarded(installation_guard(unit.session), authority, name, exact=exact, location="body.tiers")
    demand_not_allowed(unit, authority, name)


def demand_unguarded(guard: Guard, authority: str, name: str, *, exact: bool, location: str) -> None:
    """Raise `Invalid` if the guard forbids to refuse the name. The message names what it hits, and what to do."""
    wire = parse_name(name)
    fault = guard.name_fault(wire, exact=exact)
    if fault is not None:
        exactly = f"dnsfilterctl name refuse {authority} {name} --exact"
        or_only = (
            "" if guard.hit(wire, is_host=True) is not None else Text(", or only this one: {command}", command=exactly)
        )
        raise Invalid.at(location, Text("{fault}: refuse a longer name{or_only}", fault=fault, or_only=or_only))


def demand_not_allowed(unit: UnitOfWork, authority: str, refused: str) -> None:
    """Raise `Conflict` if the authority allows the name, so that it would refuse it in vain."""
    name, row = parse_name(refused), AllowedNameRow
    above = [name_text(suffix) for suffix in suffixes(name)]
    statement = select(row).where(row.authority == authority, row.name.in_(above), is_free(unit.now_s))
    for allowed in unit.session.scalars(statement.order_by(row.number)):
        if covers(parse_name(allowed.name), allowed.exact, name):
            only = allowed.name == refused or allowed.exact
            which = allowed.name if only else Text("{name} and all names below it", name=allowed.name)
            raise Conflict(
                Text(
                    "{authority} allows {which}, and an allowed name is never refused by a ban of "
                    "{authority}. Remove it first: {command}",
                    authority=authority,
                    which=which,
                    command=f"dnsfilterctl name remove {authority} {allowed.name}",
                )
            )


def is_free(now: Instant) -> ColumnElement[bool]:
    """Select the allowed names that are free now or will be."""
    return not_(AllowedNameRow.sql_period().has_ended(now))
