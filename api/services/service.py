"""Acts on own services: define, change, remove. `owner` is the authority that defines the service."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.authorities.state import demand_open
from api.db.models import AuthorityRow, ServiceRow, UpdateRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid
from api.publish.service_lists import service_of
from api.services import repository
from api.services.schemas import NamesWrite, ServicePatch, ServiceWrite
from api.updates.reading import shown_service
from api.updates.schemas import Source
from api.updates.service import Proposal, begin, forget, propose
from blocklists.formats.items import Item, host_name
from blocklists.list_file import ReadList
from blocklists.name_list import merge
from dnsfilter.policy.model import Service, Tier
from dnsfilter.wire.names import NameFault, name_text

MAX_FAULTS = 20
"""The most names that a message lists."""


def put(unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow | None, slug: str, body: ServiceWrite) -> ServiceRow:
    """Define an own service, or replace all of its fields and names. Do nothing if nothing differs."""
    names = _named(body.domains, "domains", is_exact=False) + _named(body.hosts, "hosts", is_exact=True)
    wanted = Service(slug, body.name, _tiers(names), body.source, body.note)
    return store(unit, owner, row, wanted)


def patch(unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow, body: ServicePatch) -> None:
    """Change the given fields of an own service."""
    held = content_of(row)
    domains = _kept(held, is_exact=False) if body.domains is None else _named(body.domains, "domains", is_exact=False)
    hosts = _kept(held, is_exact=True) if body.hosts is None else _named(body.hosts, "hosts", is_exact=True)
    given = body.model_dump(exclude_none=True)
    fields = {name: given.get(name, getattr(row, name)) for name in ("name", "source", "note")}
    store(unit, owner, row, Service(row.slug, tiers=_tiers(domains + hosts), **fields))


def change_names(unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow, body: NamesWrite) -> None:
    """Add names to an own service and remove others. Raise `Invalid` for a name to remove that it lacks."""
    held = content_of(row)
    names = _kept(held, is_exact=False) + _kept(held, is_exact=True)
    gone = {item.name for item in _named(body.remove, "remove", is_exact=body.exact)}
    there = {item.name for item in names if item.exact == body.exact}
    missing = [name_text(name) for name in sorted(gone - there)]
    if missing:
        kind = "exactly this name" if body.exact else "this name and all below it"
        raise Invalid.at("body.remove", f"{row.slug} does not list {_listed(missing)} as {kind}")
    left = [item for item in names if item.exact != body.exact or item.name not in gone]
    added = _named(body.add, "add", is_exact=body.exact)
    store(unit, owner, row, Service(row.slug, row.name, _tiers(left + added), row.source, row.note))


def load(unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow | None, wanted: Service) -> None:
    """Define or change an own service as a policy file says."""
    items = _kept(wanted, is_exact=False) + _kept(wanted, is_exact=True)
    store(unit, owner, row, Service(wanted.slug, wanted.name, _tiers(items), wanted.source, wanted.note))


@dataclass(frozen=True, slots=True)
class ListFile:
    """A list that was read and compared with the names in force, before its turn to write. None keeps a field."""

    read: ReadList
    proposal: Proposal
    name: str | None = None
    source: str | None = None
    note: str | None = None


def import_list(
    unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow | None, slug: str, file: ListFile
) -> tuple[ServiceRow, UpdateRow | None]:
    """Let a list be the names of an own service. Nobody wrote them one by one, so new ones are monitored first.

    Return the service, and the update if there is one: the names of a new service are none.
    """
    if row is None:
        if file.name is None:
            raise Invalid.at("query.name", f"{slug} is new: give its name with --name")
        wanted = Service(slug, file.name, tuple(file.proposal.tiers), file.source or "", file.note or "")
        return store(unit, owner, None, wanted, file.proposal), None
    kept = {name: getattr(row, name) if value is None else value for name, value in _fields(file).items()}
    _describe(unit, owner, row, kept)
    return row, propose(unit, row, file.proposal)


def store(
    unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow | None, wanted: Service, proposal: Proposal | None = None
) -> ServiceRow:
    """Define the own service `wanted`, or make the existing `row` match it. Do nothing if nothing differs.

    Without a `proposal`, its names are an edit. Names that the guard forbids are `Invalid` in a new service. One that
    exists keeps its names, and the update is held back.
    """
    if not any(tier.domains or tier.hosts for tier in wanted.tiers):
        raise Invalid.at("body.domains", f"{wanted.slug} has no name: give at least one in domains or hosts")
    proposal = proposal or Proposal(wanted.tiers, Source.EDIT)
    if row is None:
        demand_open(owner, unit.now_s)
        row = ServiceRow(slug=wanted.slug, authority=owner.slug, category="", **_fields(wanted))
        begin(unit, row, proposal)
        unit.record("service.define", subject(row), None, shown_service(row), owner.slug)
        return row
    _describe(unit, owner, row, _fields(wanted))
    propose(unit, row, proposal)
    return row


def _fields(given: Service | ListFile) -> dict[str, Any]:
    return {"name": given.name, "source": given.source, "note": given.note}


def _describe(unit: UnitOfWork, owner: AuthorityRow, row: ServiceRow, fields: Mapping[str, str]) -> None:
    """Set the fields of a service that are for people."""
    before = shown_service(row)
    for name, value in fields.items():
        setattr(row, name, value)
    if before != shown_service(row):
        row.revision = unit.new_revision()
        unit.record("service.change", subject(row), before, shown_service(row), owner.slug)


def remove(unit: UnitOfWork, row: ServiceRow) -> None:
    """Remove an own service. Raise `Conflict` if a list or a feed names it, or bans on it have not ended."""
    lists = repository.lists_with(unit.session, row.slug)
    if lists:
        raise Conflict(
            f"{row.slug} is on the prohibited list {_listed(lists)}: take it off first, "
            "with dnsfilterctl prohibited-list remove-service, or create if the list is not adopted"
        )
    bans = repository.bans_on(unit.session, row.slug, unit.now_s)
    if bans:
        raise Conflict(f"{row.slug} is named by {_listed(bans)}: end or remove these bans first")
    if repository.is_fed(unit.session, row.slug):
        raise Conflict(f"{row.slug} has a feed: remove it first. Type: dnsfilterctl feed remove {row.slug}")
    forget(unit, row)
    owners = () if row.authority is None else (row.authority,)
    unit.record("service.remove", subject(row), shown_service(row), None, *owners)
    unit.session.delete(row)


def content_of(row: ServiceRow) -> Service:
    """Return the service of a row, with its names."""
    return service_of(row.content.body)


def _named(texts: Sequence[str], field: str, *, is_exact: bool) -> list[Item]:
    """Return the names of a field of the body. Raise `Invalid` for those that are none."""
    found, faults = [], []
    for position, text in enumerate(texts):
        try:
            found.append(Item(0, host_name(text.strip().lower().removesuffix(".")), is_exact))
        except NameFault as error:
            faults.append(Fault(f"body.{field}[{position}]", f"{text!r} {error.fault}"))
    if faults:
        raise Invalid(faults[:MAX_FAULTS])
    return found


def _kept(held: Service, *, is_exact: bool) -> list[Item]:
    return [Item(0, name, is_exact) for tier in held.tiers for name in (tier.hosts if is_exact else tier.domains)]


def _tiers(items: Iterable[Item]) -> tuple[Tier, ...]:
    """Return the one tier of an own service, without names that another covers."""
    return (merge(items).tier(),)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_FAULTS} more" if len(names) > MAX_FAULTS else ""
    return ", ".join(names[:MAX_FAULTS]) + more
