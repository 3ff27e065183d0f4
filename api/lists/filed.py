"""Prohibited lists and their links as a policy file has them: the values of rows, and the acts that a file asks for.

The bans of a list and the bindings of a link are the file's own. These acts record only where they come from.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.authorities.state import demand_open
from api.bans.terms import decision_columns, demand_basis, demand_formal
from api.db.models import AuthorityRow, BindingRow, ListLinkRow, ListVersionRow, ProhibitedListRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.lists import links, repository
from api.lists.reading import shown_list
from blocklists.categories import Category
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    DEFAULT_TIERS,
    Audience,
    FormalDecision,
    Funding,
    Mode,
    Reply,
    Term,
)
from dnsfilter.policy.prohibited_lists import LinkGround, ListLink, Lists, ListVersion, ProhibitedList


def lists_of(session: Session) -> Lists:
    """Return all lists and links by number, except links that were ended before they began."""
    rows = session.scalars(select(ProhibitedListRow).order_by(ProhibitedListRow.number)).all()
    references = {row.number: row.reference for row in rows}
    brought = defaultdict[int | None, set[int]](set)
    for link, number in session.execute(select(BindingRow.link, BindingRow.number).where(BindingRow.link.is_not(None))):
        brought[link].add(number)
    found = session.scalars(select(ListLinkRow).order_by(ListLinkRow.number))
    return Lists(
        tuple(map(_list, rows)),
        tuple(_link(row, references, brought[row.number]) for row in found if not row.period.is_void),
    )


def _list(row: ProhibitedListRow) -> ProhibitedList:
    versions = tuple(map(_version, row.versions))
    return ProhibitedList(
        row.authority, row.slug, row.title, row.category or "", tuple(row.draft), versions, tuple(row.declined)
    )


def _version(row: ListVersionRow) -> ListVersion:
    scope = row.scope
    return ListVersion(
        tuple(row.adds),
        tuple(row.removes),
        FormalDecision(**row.decision),
        tuple(Term(term["start_s"], term["end_s"], term["review_by_s"]) for term in row.terms),
        Mode(scope["mode"]),
        Reply(scope["reply"] or Reply.REFUSED),
        tuple(map(ip_address, scope["addresses"] or ())),
        DEFAULT_TIERS if scope["tiers"] is None else frozenset(scope["tiers"]),
        DEFAULT_FUNDING if scope["funding"] is None else frozenset(map(Funding, scope["funding"])),
        DEFAULT_AUDIENCE if scope["audience"] is None else frozenset(map(Audience, scope["audience"])),
    )


def _link(row: ListLinkRow, references: dict[int, str], brought: Iterable[int]) -> ListLink:
    named = references[row.list_number], row.authority, LinkGround(row.ground), row.instrument, row.date
    return ListLink(*named, row.start_s, row.period.end, frozenset(brought), row.new_names_at_once)


def put_list(unit: UnitOfWork, owner: AuthorityRow, wanted: ProhibitedList, *, fills: bool) -> None:
    """Make a list match a policy file. Do nothing if nothing differs.

    A file repeats the versions on record, and may add more: raise `Conflict` if it changes one. Unless it `fills` an
    empty database, raise `Invalid` for a new version without a formal decision or a term.
    """
    row = repository.find(unit.session, owner.slug, wanted.slug)
    known = () if row is None else tuple(map(_version, row.versions))
    if tuple(map(_said, wanted.versions[: len(known)])) != known:
        raise Conflict(
            f"{wanted.reference} has {len(known)} versions on record, which a file repeats unchanged: "
            "copy them from an export, and add a version to change the list"
        )
    if wanted.category and wanted.category not in set(Category):
        raise Invalid.at("category", f'No category "{wanted.category}". Categories are {", ".join(Category)}.')
    fresh = wanted.versions[len(known) :]
    for number, version in enumerate(fresh if not fills else (), len(known) + 1):
        if version.adds and number > 1:
            demand_formal(version.decision, f"version {number} adds services and needs its own formal decision")
        if version.adds:
            demand_basis(version.decision, version.terms)
    before = None if row is None else shown_list(row)
    if row is None:
        demand_open(owner, unit.now_s)
        row = ProhibitedListRow(authority=owner.slug, slug=wanted.slug, formerly=[], versions=[])
    row.title, row.category = wanted.title, wanted.category or None
    row.draft, row.declined = list(wanted.draft), list(wanted.declined)
    row.versions += [_new(unit, number, version) for number, version in enumerate(fresh, len(known) + 1)]
    if before is not None and shown_list(row) == before:
        return
    row.revision = unit.new_revision()
    unit.session.add(row)
    unit.session.flush()
    unit.record(_act(known, fresh, is_new=before is None), subject(row), before, shown_list(row), owner.slug)


def _said(version: ListVersion) -> ListVersion:
    """Return the version without the time of its recording."""
    return replace(version, terms=tuple(replace(term, recorded=0) for term in version.terms))


def _act(known: tuple[ListVersion, ...], fresh: tuple[ListVersion, ...], *, is_new: bool) -> str:
    if not fresh:
        return "list.create" if is_new else "list.change"
    if not known:
        return "list.adopt"
    return "list.add" if any(version.adds for version in fresh) else "list.remove_service"


def _new(unit: UnitOfWork, number: int, version: ListVersion) -> ListVersionRow:
    return ListVersionRow(
        version=number,
        recorded_s=unit.now_s,
        decision=decision_columns(version.decision),
        adds=list(version.adds),
        removes=list(version.removes),
        terms=[{"start_s": term.start, "end_s": term.end, "review_by_s": term.review_by} for term in version.terms],
        scope={
            "mode": str(version.mode),
            "reply": str(version.reply),
            "addresses": [str(address) for address in version.addresses],
            "tiers": sorted(version.tiers),
            "funding": sorted(map(str, version.funding)),
            "audience": sorted(map(str, version.audience)),
        },
    )


def put_link(unit: UnitOfWork, wanted: ListLink, *, fills: bool) -> ListLinkRow:
    """Return the link of a policy file, recorded now unless it is on record. Its bindings are those of the file.

    Unless the file `fills` an empty database, raise `Invalid` or `Conflict` for a new link that no request could make.
    """
    row = repository.named(unit.session, wanted.prohibited_list, "list")
    for known in repository.links_to(unit.session, row, wanted.authority):
        if _is_link(known, wanted):
            return known
    if not fills:
        links.demand_new(unit, row, wanted)
    return links.add(unit, row, wanted)


def _is_link(row: ListLinkRow, wanted: ListLink) -> bool:
    """Return whether the row is the link of the file, with its decided or its effective end."""
    return (
        (row.ground, row.instrument, row.date, row.start_s, row.new_names_at_once)
        == (str(wanted.ground), wanted.instrument, wanted.date, wanted.start, wanted.new_names_at_once)
        and wanted.end in (row.end_s, row.period.end)
        and not row.period.is_void
    )
