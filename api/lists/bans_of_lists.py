"""The bans on services of a prohibited list, of the list's authority or of one that follows it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from api.bans import service as ban_acts
from api.bans.schemas import BanWrite, Renewal
from api.bans.state import has_lapsed
from api.bans.wanted_change import BanChange, Subject
from api.db.base import Json
from api.db.models import AuthorityRow, BanRow, ProhibitedListRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid, collect_faults
from api.lists.schemas import ListAdoption, ListChange, ListRenewal
from dnsfilter.policy.model import FormalDecision, Mode, Service
from dnsfilter.policy.prohibited_lists import fitting_tiers

Services = Mapping[str, Service]


def wanted_change(unit: UnitOfWork, owner: AuthorityRow, body: ListAdoption) -> BanChange:
    """Return what the body gives to each ban."""
    left_out = ListChange.model_fields.keys() - ListAdoption.model_fields.keys()
    given = body.model_dump(by_alias=True, exclude_unset=True, exclude=set(left_out))
    return Subject(unit, owner, "", None).change(BanWrite.model_validate(given))


def take_up(unit: UnitOfWork, owner: AuthorityRow, service: Service, ban: BanRow | None, change: BanChange) -> bool:
    """Adopt a ban on a listed service, or renew one that has lapsed. Return False if a ban is there, which stays."""
    if ban is not None and not has_lapsed(ban.terms, unit.now_s):
        return False
    fitted = _fitted(change, service)
    if ban is None:
        ban_acts.put(unit, owner, service, None, fitted)
    elif ban.provisional:
        ban_acts.put(unit, owner, service, ban, replace(fitted, provisional=False))
    else:
        for term in fitted.terms or ():
            decided = term if term.decision != FormalDecision() else replace(term, decision=_said(fitted.decision))
            ban_acts.add_term(unit, owner, ban, decided, fitted.on_list)
        again = replace(fitted, mode=fitted.mode or Mode.ENFORCE, terms=None, decision=None)
        ban_acts.put(unit, owner, service, ban, again)
    return True


def renewal_shown(body: ListRenewal) -> Json:
    """Return what a renewal says, as the audit log stores it."""
    return body.model_dump(mode="json", by_alias=True, exclude_unset=True)


def renew_all(
    unit: UnitOfWork, owner: AuthorityRow, bans: Sequence[BanRow], body: ListRenewal, row: ProhibitedListRow
) -> None:
    """Renew bans that come from the list, of its authority or of a follower. Raise `Conflict` with all their faults.

    Without a term, the bans of a follower take over the terms of the list's bans.
    """
    faults, given = list[Fault](), body.model_dump(by_alias=True, exclude_unset=True)
    for ban in bans:
        renewal = Renewal.model_validate(given)
        if renewal.says_no_term and ban.authority != row.authority:
            follows = f"{row.authority}/{ban.service}"
            renewal = Renewal.model_validate({**given, "decision": {**given["decision"], "follows": follows}})
        with collect_faults(faults, subject(ban)):
            ban_acts.renew(unit, owner, ban, renewal)
    if faults:
        raise Conflict(f"{row.reference} cannot be renewed: {faults[0].message}", faults)


def _said(decision: FormalDecision | None) -> FormalDecision:
    return decision or FormalDecision()


def _fitted(change: BanChange, service: Service) -> BanChange:
    """Return the change with the tiers that the service has."""
    if change.tiers is None:
        return change
    tiers = fitting_tiers(change.tiers, service)
    if not tiers:
        raise Invalid.at("body.tiers", f"{service.slug} has none of the tiers {sorted(change.tiers)}: give others")
    return replace(change, tiers=tiers)
