"""Find a fleet by its label or number."""

from api.ctl.exit_codes import WrongInput
from api.ctl.remote.client import Client, path
from api.errors import did_you_mean
from api.fleets.schemas import FleetRead

_MOST = 10_000


def fleet_of(client: Client, authority: str, fleet: str) -> FleetRead:
    """Return the authority's fleet with a label or number. Raise WrongInput if none or several have it."""
    items = client.list(FleetRead, path("authorities", authority, "fleets"), _MOST).items
    found = [item for item in items if fleet in (item.label, str(item.number))]
    if len(found) == 1:
        return found[0]
    if found:
        numbers = " or ".join(f"{item.number} (site {item.site})" for item in found)
        raise WrongInput(f'several fleets of {authority} are called "{fleet}": give the number {numbers}')
    hint = did_you_mean(fleet, [item.label for item in items]) or f" See dnsfilterctl fleet list {authority}."
    raise WrongInput(f'{authority} has no fleet "{fleet}".{hint}')


def token_of(found: FleetRead) -> str:
    """Return the newest token that is valid. Raise WrongInput if there is none, or if the caller may not see it."""
    valid = [name for name in found.names if name.in_force]
    if not valid:
        raise WrongInput(f'the fleet "{found.label}" has ended: give it a new name with dnsfilterctl fleet rotate')
    if valid[-1].token is None:
        raise WrongInput(f"only operators of {found.authority} see the tokens of its fleets: ask one of them")
    return valid[-1].token
