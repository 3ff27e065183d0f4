"""The row that a route's path names: found, permitted and, before an act, as the caller expects it."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Path

from api.auth.permit import Permit
from api.db.unit_of_work import UnitOfWork
from api.http.dependencies import PermitDep, PreconditionDep, UnitDep
from api.http.prefixes import parse_prefix
from api.http.schemas import Slug
from dnsfilter.policy.model import Prefix

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
PrefixAddress = Annotated[str, Path(max_length=39, description="the prefix's first address")]
PrefixLength = Annotated[int, Path(ge=0, le=128)]
Key = Callable[..., Any]
"""A dependency that reads from the path what identifies a row: the arguments of a function that finds it."""
Demand = Callable[[UnitOfWork, Permit, Any], None]
"""Raises Forbidden unless the caller may do with a row what the route does."""


async def by_number(number: Number) -> tuple[int]:
    """Read `{number}`."""
    return (number,)


async def by_slug(slug: Slug) -> tuple[str]:
    """Read `{slug}`, which names an authority."""
    return (slug,)


async def by_name(name: Slug) -> tuple[str]:
    """Read `{name}`."""
    return (name,)


async def by_site(site: Slug) -> tuple[str]:
    """Read `{site}`."""
    return (site,)


async def by_prefix(site: Slug, address: PrefixAddress, length: PrefixLength) -> tuple[str, Prefix]:
    """Read `{site}/{address}/{length}`. Raise Invalid."""
    return site, parse_prefix(f"{address}/{length}", "path.address")


PathPrefix = Annotated[tuple[str, Prefix], Depends(by_prefix)]
"""The site and the prefix of the path."""


def demand_own(_unit: UnitOfWork, permit: Permit, row: Any) -> None:
    """Raise Forbidden unless the permit holds in the authority of the row, or for all if it has none."""
    permit.demand(row.authority)


def row_to_read(key: Key, find: Callable[..., Any], demand: Demand | None = None) -> Any:
    """Return the dependency of a route that reads the row which `find` returns for the key."""

    def row(unit: UnitDep, permit: PermitDep, keys: Annotated[Any, Depends(key)]) -> Any:
        found = find(unit.session, *keys)
        if demand is not None:
            demand(unit, permit, found)
        return found

    return Depends(row)


def row_to_change(key: Key, find: Callable[..., Any], demand: Demand | None = None) -> Any:
    """Return the dependency of a route that changes the row, or makes it if `find` may return None.

    It checks the precondition last: only who may change a row learns its revision.
    """

    async def row(found: Annotated[Any, row_to_read(key, find, demand)], precondition: PreconditionDep) -> Any:
        precondition.check(None if found is None else found.revision)
        return found

    return Depends(row)
