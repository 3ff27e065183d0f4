"""Acts on space, and what it allows operators. Space is not part of the policy, so its acts make no revision."""

from api.auth.caller import Caller
from api.authorities import repository as authorities
from api.authorities.state import demand_open
from api.db.base import Json
from api.db.models import SpaceRow
from api.db.sites import get_site
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork, head
from api.errors import Conflict, Forbidden
from api.spaces import repository
from api.spaces.reading import read_space
from dnsfilter.policy.model import Prefix


def allot(unit: UnitOfWork, site: str, prefix: Prefix, authority: str) -> tuple[SpaceRow, bool]:
    """Allot a prefix to an authority; return whether that is new.

    Raise `NotFound` if the site is unknown, `Invalid` if the authority is unknown, and `Conflict` if another authority
    has exactly that prefix.
    """
    get_site(unit.session, site)
    owner = authorities.named(unit.session, authority, "body.authority")
    row = repository.find(unit.session, site, prefix)
    if row is not None and row.authority != authority:
        raise Conflict(f"{prefix} at site {site} is allotted to {row.authority}: withdraw it first")
    if row is not None:
        return row, False
    demand_open(owner, unit.now_s)
    # Space makes no revision of the policy. The number of its entry in the audit log is unique to this allotment.
    row = SpaceRow(site=site, prefix=str(prefix), authority=authority, revision=head(unit.session)[0] + 1)
    unit.session.add(row)
    unit.note("space.allot", subject(row), None, _shown(row), authority)
    return row, True


def withdraw(unit: UnitOfWork, row: SpaceRow) -> None:
    """Withdraw space. The ranges registered in it stay, and only administrators can change them from then on."""
    unit.note("space.withdraw", subject(row), _shown(row), None, row.authority)
    unit.session.delete(row)


def demand(unit: UnitOfWork, caller: Caller, site: str, prefix: Prefix, authority: str) -> None:
    """Raise `Forbidden` if the caller may not register, change or remove that range of `authority`.

    An administrator may anywhere, an operator as `RegistrationRules.refusal` says.
    """
    if caller.administers:
        return
    reason = repository.rules_for(unit.session, site, prefix).refusal(prefix, authority, site)
    if reason is not None:
        raise Forbidden(reason)


def _shown(row: SpaceRow) -> Json:
    return read_space(row).model_dump(mode="json", exclude={"revision"})
