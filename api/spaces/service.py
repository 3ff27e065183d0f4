"""Acts on space, and what it lets an operator do. Space is no part of the policy, so that its acts make no revision."""

from sqlalchemy.orm import Session

from api.auth.caller import Caller
from api.authorities import repository as authorities
from api.authorities.state import demand_open
from api.db.base import Json
from api.db.models import SpaceRow
from api.db.sites import get_site
from api.db.unit import UnitOfWork, head
from api.errors import Conflict, Forbidden, Invalid
from api.publish.repository import space_of
from api.spaces import repository
from api.spaces.reading import read_space
from dnsfilter.policy.model import Prefix


def allot(unit: UnitOfWork, site: str, prefix: Prefix, authority: str) -> tuple[SpaceRow, bool]:
    """Allot a prefix to an authority; says whether that is new.

    Raises NotFound for the site, Invalid for an unknown authority, Conflict where another one has exactly that prefix.
    """
    get_site(unit.session, site)
    owner = authorities.find(unit.session, authority)
    if owner is None:
        raise Invalid.at("body.authority", f"authority {authority} is not registered")
    row = repository.find(unit.session, site, prefix)
    if row is not None and row.authority != authority:
        raise Conflict(f"{prefix} at site {site} is allotted to {row.authority}: withdraw it first")
    if row is not None:
        return row, False
    demand_open(owner, unit.now_s)
    # Space makes no revision of the policy. The number of its entry in the record is never that of another allotment.
    row = SpaceRow(site=site, prefix=str(prefix), authority=authority, revision=head(unit.session)[0] + 1)
    unit.session.add(row)
    unit.note("space.allot", _subject(row), None, _shown(row), authority)
    return row, True


def withdraw(unit: UnitOfWork, row: SpaceRow) -> None:
    """Take space back; the ranges registered in it stay, and are from then on an administrator's matter."""
    unit.note("space.withdraw", _subject(row), _shown(row), None, row.authority)
    unit.session.delete(row)


def demand(unit: UnitOfWork, caller: Caller, site: str, prefix: Prefix, authority: str) -> None:
    """Raises Forbidden where the caller may not register, change or deregister that range of `authority`.

    An administrator may anywhere. An operator may inside space that is allotted to the authority, also where that lies
    in another's space; but not where the range takes clients out of another authority's range, wherever that came
    from, or holds space of another authority. The refusals name none that the caller has not.
    """
    reason = None if caller.administers else refusal(unit.session, site, prefix, authority)
    if reason is not None:
        raise Forbidden(reason)


def refusal(session: Session, site: str, prefix: Prefix, authority: str) -> str | None:
    """Why an operator may not register, change or deregister that range of `authority`, or None.

    Of many prefixes at once `Ground.refusal` says the same.
    """
    space = space_of(session, site, prefix)
    if space is None or space.authority != authority:
        return f"{prefix} at site {site} is not in space allotted to {authority}: ask an administrator"
    if repository.range_around(session, site, prefix) not in (None, authority):
        return f"{prefix} at site {site} lies in another authority's range: ask an administrator"
    if repository.holds_space_of_others(session, site, prefix, authority):
        return f"{prefix} at site {site} holds space of another authority: ask an administrator"
    return None


def _shown(row: SpaceRow) -> Json:
    return read_space(row).model_dump(mode="json", exclude={"revision"})


def _subject(row: SpaceRow) -> str:
    return f"space/{row.site}/{row.prefix}"
