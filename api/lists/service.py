"""Acts on prohibited lists: prepare, adopt, change, toggle, renew, end, remove.

One act changes all bans of the list in its transaction. Bans that the authority had before stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from api.authorities.state import demand_open
from api.bans import service as ban_acts
from api.bans.schemas import BanWrite, DecisionWrite, Ending
from api.bans.state import has_lapsed, mode_setting_at
from api.bans.terms import decision_columns, demand_basis, demand_formal
from api.bans.wanted_change import BanChange, Subject
from api.db.models import AuthorityRow, BanRow, ListVersionRow, ProhibitedListRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid, did_you_mean, unknown
from api.lists import repository
from api.lists.bans_of_lists import Services, renew_all, renewal_shown, take_up, wanted_change
from api.lists.links import extend_all
from api.lists.reading import shown_list
from api.lists.schemas import (
    ListAdoption,
    ListChange,
    ListEnding,
    ListRenewal,
    ListToggle,
    ListWrite,
)
from api.lists.state import demand_category, is_over, live_bans, own_bans, proposed, renewable_bans
from api.timestamps import given_timestamp
from dnsfilter.policy.bounds import MAX_LIST_VERSIONS, MAX_LISTED
from dnsfilter.policy.model import FormalDecision, Mode, OnList
from dnsfilter.policy.single_names import is_single_name


def put(
    unit: UnitOfWork,
    owner: AuthorityRow,
    slug: str,
    row: ProhibitedListRow | None,
    body: ListWrite,
    services: Services,
    categories: Mapping[str, str],
) -> ProhibitedListRow:
    """Prepare a list, or change the existing `row`. Do nothing if nothing differs.

    `categories` has that of each service.
    """
    if body.services is not None and body.category is not None:
        raise Invalid.at("body.category", "give the services or a category, not both")
    draft = body.services
    if body.category is not None:
        draft = demand_category(categories, body.category, "body.category")
    if draft is not None:
        _demand_known(draft, services, "body.services")
    if row is None:
        return _create(unit, owner, slug, body, draft)
    before = shown_list(row)
    if draft is not None and row.versions:
        if set(draft) == row.service_versions.keys():
            draft = None
        else:
            raise Conflict(
                f"{row.reference} is adopted: only a formal decision changes its services. "
                f"Type: dnsfilterctl prohibited-list add {row.authority} {row.slug} SERVICE --reference REFERENCE"
            )
    row.title = row.title if body.title is None else body.title
    if draft is not None:
        row.draft, row.category = draft, body.category
    if body.declined is not None:
        _demand_proposed(row, body.declined, categories)
        row.declined = list(dict.fromkeys(body.declined))
    if shown_list(row) != before:
        _record(unit, row, "list.change", before)
    return row


def _create(
    unit: UnitOfWork, owner: AuthorityRow, slug: str, body: ListWrite, draft: Sequence[str] | None
) -> ProhibitedListRow:
    if not draft:
        raise Invalid.at("body.services", "a list needs at least one service: give services or a category")
    if body.declined:
        raise Invalid.at("body.declined", "nothing is proposed for a new list: leave it out")
    demand_open(owner, unit.now_s)
    row = ProhibitedListRow(
        authority=owner.slug,
        slug=slug,
        title=body.title or "",
        category=body.category,
        draft=list(draft),
        declined=[],
        revision=unit.new_revision(),
        formerly=[],
        versions=[],
    )
    unit.session.add(row)
    unit.session.flush()
    unit.record("list.create", subject(row), None, shown_list(row), owner.slug)
    return row


def remove(unit: UnitOfWork, row: ProhibitedListRow) -> None:
    """Remove a list that was never adopted nor linked. Raise `Conflict` for another."""
    if row.versions:
        raise Conflict(f"{row.reference} was adopted and stays on record: end it instead")
    if repository.is_linked(unit.session, row):
        raise Conflict(f"{row.reference} has a link to another authority, and stays on record")
    unit.record("list.remove", subject(row), shown_list(row), None, row.authority)
    unit.session.delete(row)


def adopt(
    unit: UnitOfWork, owner: AuthorityRow, row: ProhibitedListRow, body: ListAdoption, services: Services
) -> list[str]:
    """Adopt the list by a formal decision: a ban on each of its services. Return the services that keep their bans."""
    if row.versions:
        raise Conflict(
            f"{row.reference} is adopted already. Add services by a further decision, or renew the list. "
            f"Type: dnsfilterctl prohibited-list add {row.authority} {row.slug} SERVICE --reference REFERENCE"
        )
    _demand_known(row.draft, services, "body.services")
    change = wanted_change(unit, owner, body)
    demand_basis(change.decision or FormalDecision(), change.terms or ())
    adds, row.draft = list(row.draft), []
    return _add_version(unit, owner, row, "list.adopt", adds, [], change, services)


def change(
    unit: UnitOfWork, owner: AuthorityRow, row: ProhibitedListRow, body: ListChange, services: Services
) -> list[str]:
    """Add services to an adopted list, or take services off it. Return the services that keep their bans.

    The bans on services that are taken off end now.
    """
    if not row.versions:
        raise Conflict(
            f"{row.reference} is not adopted yet: change its services with prohibited-list create, or adopt it"
        )
    _demand_changeable(row, body)
    _demand_known(body.add, services, "body.add")
    wanted = wanted_change(unit, owner, body)
    if body.add:
        decision = wanted.decision or FormalDecision()
        demand_formal(decision, "an addition needs its own formal decision")
        demand_basis(decision, wanted.terms or ())
    bans = repository.bans(unit.session, owner.slug)
    leaving = [ban for ban in own_bans(row, bans) if ban.service in body.remove]
    _demand_on_no_other(unit, row, leaving)
    act = "list.add" if body.add else "list.remove_service"
    kept = _add_version(unit, owner, row, act, body.add, body.remove, wanted, services)
    for ban in leaving:
        ban_acts.end_or_remove(unit, owner, ban, unit.now_s, body.reason or "", wanted.decision)
    return kept


def _demand_changeable(row: ProhibitedListRow, body: ListChange) -> None:
    on, faults = row.service_versions, list[Fault]()
    for index, service in enumerate(body.add):
        if service in on:
            faults.append(Fault(f"body.add.{index}", f"{service} is on {row.reference} already: leave it out"))
    for index, service in enumerate(body.remove):
        if service not in on:
            hint = did_you_mean(service, on)
            faults.append(Fault(f"body.remove.{index}", f"{service} is not on {row.reference}: leave it out.{hint}"))
    if not body.add and not body.remove:
        faults.append(Fault("body.add", "nothing to change: give services to add or to remove"))
    if body.remove and body.reason is None:
        faults.append(Fault("body.reason", "taking services off ends their bans: give a reason"))
    if len(on) + len(body.add) > MAX_LISTED:
        faults.append(Fault("body.add", f"a list has at most {MAX_LISTED} services, not {len(on) + len(body.add)}"))
    if len(row.versions) >= MAX_LIST_VERSIONS:
        faults.append(Fault("body.add", f"a list has at most {MAX_LIST_VERSIONS} versions: create another list"))
    if faults:
        raise Invalid(faults)


def _add_version(
    unit: UnitOfWork,
    owner: AuthorityRow,
    row: ProhibitedListRow,
    act: str,
    adds: Sequence[str],
    removes: Sequence[str],
    change: BanChange,
    services: Services,
) -> list[str]:
    """Add the next version, and adopt a ban on each added service. Return the services that keep their bans."""
    before = shown_list(row)
    version = _version(unit, len(row.versions) + 1, adds, removes, change)
    row.versions.append(version)
    _record(unit, row, act, before)
    joining = replace(change, on_list=OnList(row.reference, version.version))
    bans, kept = repository.bans(unit.session, owner.slug), list[str]()
    for slug in adds:
        if not take_up(unit, owner, services[slug], bans.get(slug), joining):
            kept.append(slug)
    unit.session.flush()
    extend_all(unit, row, adds)
    return kept


def set_mode(
    unit: UnitOfWork, owner: AuthorityRow, row: ProhibitedListRow, body: ListToggle, services: Services
) -> None:
    """Set the mode of every ban of the list that is in force or planned. Do nothing if all have it."""
    given = body.model_dump(by_alias=True, exclude_unset=True)
    wanted = Subject(unit, owner, "", None).change(BanWrite.model_validate(given))
    bans = _demand_bans(row, live_bans(row, repository.bans(unit.session, owner.slug), unit.now_s))
    differing = [ban for ban in bans if _differs(unit, ban, wanted)]
    if not differing:
        return
    if owner.off_needs_reason and body.mode is not Mode.ENFORCE and not body.mode_reason:
        verb = "off" if body.mode is Mode.OFF else "watch"
        command = f'dnsfilterctl prohibited-list {verb} {row.authority} {row.slug} --reason "…"'
        raise Invalid.at(
            "body.mode_reason", f"{owner.slug} requires a reason when bans stop refusing. Give one: {command}"
        )
    _touch(unit, row)
    after = {"list": row.reference, "bans": len(differing), **given}
    unit.record(f"list.set_{body.mode}", subject(row), None, after, owner.slug)
    for ban in differing:
        ban_acts.put(unit, owner, services[ban.service], ban, wanted)


def _differs(unit: UnitOfWork, ban: BanRow, wanted: BanChange) -> bool:
    known = mode_setting_at(ban, unit.now_s)
    reason = known.reason if wanted.mode_reason is None else wanted.mode_reason
    return (known.mode, known.until, known.reason) != (wanted.mode, wanted.off_until, reason)


def renew(unit: UnitOfWork, owner: AuthorityRow, row: ProhibitedListRow, body: ListRenewal) -> None:
    """Add a term to every ban of the list, but not to one that an act ended, unless acts ended all of them."""
    bans = _demand_bans(row, renewable_bans(row, repository.bans(unit.session, owner.slug)))
    before = shown_list(row)
    _touch(unit, row)
    unit.record("list.renew", subject(row), before, {**before, "renewed": len(bans), **renewal_shown(body)}, owner.slug)
    renew_all(unit, owner, bans, body, row)
    # A ban that had lapsed when an authority was linked binds it from now on.
    extend_all(unit, row, [ban.service for ban in bans])


def end(unit: UnitOfWork, owner: AuthorityRow, row: ProhibitedListRow, body: ListEnding) -> None:
    """End every ban of the list early. A ban that has not begun is removed, as a single one would be."""
    bans = _demand_bans(row, live_bans(row, repository.bans(unit.session, owner.slug), unit.now_s))
    at = given_timestamp(body.at, unit.now_s, owner.time_zone, unit.asked_s, "body.at", second=True)
    at = unit.not_past(at)
    decision = None if body.decision is None else _written(unit, owner, body.decision.model_dump())
    ending = Ending.model_validate(body.model_dump(exclude_unset=True))
    if at < unit.now_s:
        raise Invalid.at("body.at", "a list cannot end in the past: give now or a later time")
    _demand_on_no_other(unit, row, bans)
    before = shown_list(row)
    _touch(unit, row)
    after = {**before, "ended": len(bans), **ending.model_dump(mode="json", exclude_unset=True)}
    unit.record("list.end", subject(row), before, after, owner.slug)
    for ban in bans:
        ban_acts.end_or_remove(unit, owner, ban, at, body.reason, decision)


def _demand_bans(row: ProhibitedListRow, bans: list[BanRow]) -> list[BanRow]:
    if not bans:
        what = "has lapsed or was ended" if row.versions else "is not adopted yet"
        raise Conflict(
            f"{row.reference} {what}, and has no ban to change. See it with dnsfilterctl prohibited-list show."
        )
    return bans


def _demand_on_no_other(unit: UnitOfWork, row: ProhibitedListRow, ending: Sequence[BanRow]) -> None:
    """Raise `Conflict` if a ban would end on which another list of the authority relies."""
    bans = repository.bans(unit.session, row.authority)
    for other in repository.others(unit.session, row):
        live = {ban.service for ban in ending if not has_lapsed(ban.terms, unit.now_s)}
        shared = [service for service in other.service_versions if service in live]
        if shared and not is_over(other, bans, unit.now_s):
            raise Conflict(
                f"{other.reference} names {' '.join(shared)} too, and relies on the bans of {row.reference}. "
                f"Take {'it' if len(shared) == 1 else 'them'} off {other.reference} first. Type: dnsfilterctl "
                f'prohibited-list remove-service {row.authority} {other.slug} {" ".join(shared)} --reason "…"'
            )


def _written(unit: UnitOfWork, owner: AuthorityRow, decision: dict[str, str]) -> FormalDecision:
    return Subject(unit, owner, "", None).decision(DecisionWrite.model_validate(decision))


def _version(
    unit: UnitOfWork, number: int, adds: Sequence[str], removes: Sequence[str], change: BanChange
) -> ListVersionRow:
    return ListVersionRow(
        version=number,
        recorded_s=unit.now_s,
        decision=decision_columns(change.decision or FormalDecision()),
        adds=list(adds),
        removes=list(removes),
        terms=[
            {"start_s": term.start, "end_s": term.end, "review_by_s": term.review_by} for term in change.terms or ()
        ],
        scope=_scope(change),
    )


def _scope(change: BanChange) -> dict[str, object]:
    return {
        "mode": str(change.mode or Mode.ENFORCE),
        "reply": None if change.reply is None else str(change.reply),
        "addresses": None if change.addresses is None else list(change.addresses),
        "tiers": None if change.tiers is None else sorted(change.tiers),
        "funding": None if change.funding is None else sorted(map(str, change.funding)),
        "audience": None if change.audience is None else sorted(map(str, change.audience)),
    }


def _demand_proposed(row: ProhibitedListRow, declined: Sequence[str], categories: Mapping[str, str]) -> None:
    """Raise `Invalid` with each service that is neither proposed nor declined already."""
    known = {*row.declined, *proposed(row, categories)}
    faults = [
        Fault(f"body.declined.{index}", f"{service} is not proposed for {row.reference}: leave it out")
        for index, service in enumerate(declined)
        if service not in known
    ]
    if faults:
        raise Invalid(faults)


def _demand_known(wanted: Sequence[str], services: Services, location: str) -> None:
    """Raise `Invalid` with each service that is unknown or there twice."""
    faults = [
        Fault(f"{location}.{index}", unknown("service", service, services))
        for index, service in enumerate(wanted)
        if service not in services or is_single_name(service)
    ]
    faults += [
        Fault(f"{location}.{index}", f"{service} is there twice: leave it out once")
        for index, service in enumerate(wanted)
        if service in wanted[:index]
    ]
    if faults:
        raise Invalid(faults)


def _touch(unit: UnitOfWork, row: ProhibitedListRow) -> None:
    row.revision = unit.new_revision()
    unit.session.flush()


def _record(unit: UnitOfWork, row: ProhibitedListRow, act: str, before: dict[str, object]) -> None:
    _touch(unit, row)
    unit.record(act, subject(row), before, shown_list(row), row.authority)
