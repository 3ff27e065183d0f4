"""Prohibited lists as the API and the audit log show them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.bans.state import gapless_end, mode_setting_at, state_of
from api.bindings.schemas import BindingState
from api.bindings.state import binding_state
from api.db.base import Json
from api.db.models import BanRow, ListLinkRow, ListVersionRow, ProhibitedListRow
from api.http.formal_decisions import FormalDecisionRead
from api.lists import repository
from api.lists.schemas import (
    DecidedVersionRead,
    LinkRead,
    LinkState,
    ListedServiceRead,
    ListRead,
    ListState,
    ListSummary,
    ListTermRead,
)
from api.lists.state import is_own, link_state, not_taken_over, proposed
from api.suspensions.repository import suspended
from api.suspensions.state import is_suspended
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Instant, Mode
from dnsfilter.policy.prohibited_lists import LinkGround


def read_summary(row: ProhibitedListRow) -> ListSummary:
    """Return a list without its services."""
    return ListSummary(**_fields(row))


def read_list(
    session: Session, row: ProhibitedListRow, categories: Mapping[str, str], now: Instant, kept: Sequence[str] = ()
) -> ListRead:
    """Return a list with its services, their bans, and its versions. `categories` has that of each service."""
    bans = repository.bans(session, row.authority)
    off = is_suspended(row.authority, suspended(session, now))
    on: Mapping[str, int | None] = row.service_versions if row.versions else dict.fromkeys(row.draft)
    return ListRead(
        **_fields(row),
        services=[_service(row, service, on[service], bans.get(service), now, suspended=off) for service in on],
        versions=[read_version(version) for version in row.versions],
        proposed=proposed(row, categories),
        declined=row.declined,
        kept=list(kept),
    )


def shown_list(row: ProhibitedListRow) -> Json:
    """Return the list as the audit log stores it. Its acts say which services each version added."""
    last = row.versions[-1:]
    return {
        **read_summary(row).model_dump(mode="json", exclude={"revision"}),
        "draft": list(row.draft),
        "declined": list(row.declined),
        "version": read_version(last[0]).model_dump(mode="json") if last else None,
    }


def archived_list(row: ProhibitedListRow) -> Json:
    """Return the list as an archive has it, with all versions."""
    found = {key: value for key, value in shown_list(row).items() if key != "version"}
    return {**found, "versions": [read_version(version).model_dump(mode="json") for version in row.versions]}


def _fields(row: ProhibitedListRow) -> Json:
    return {
        "number": row.number,
        "authority": row.authority,
        "slug": row.slug,
        "title": row.title,
        "category": row.category,
        "state": ListState.ADOPTED if row.versions else ListState.DRAFT,
        "service_count": len(row.service_versions if row.versions else row.draft),
        "version_count": len(row.versions),
        "formerly": list(row.formerly),
        "revision": row.revision,
    }


def read_version(row: ListVersionRow) -> DecidedVersionRead:
    """Return a version of a list."""
    decision = {key: value for key, value in row.decision.items() if key in FormalDecisionRead.model_fields}
    return DecidedVersionRead(
        version=row.version,
        recorded=timestamp_text(row.recorded_s),
        decision=FormalDecisionRead(**decision),
        adds=row.adds,
        removes=row.removes,
        terms=[
            ListTermRead(
                start=timestamp_text(term["start_s"]),
                end=optional_text(term["end_s"]),
                review_by=optional_text(term["review_by_s"]),
            )
            for term in row.terms
        ],
    )


def _service(
    row: ProhibitedListRow,
    service: str,
    version: int | None,
    ban: BanRow | None,
    now: Instant,
    *,
    suspended: bool,
) -> ListedServiceRead:
    mode = None if ban is None else mode_setting_at(ban, now).mode
    return ListedServiceRead(
        service=service,
        version=version,
        from_list=is_own(row, ban, version),
        mode=mode,
        state=None if ban is None else state_of(ban.terms, now, suspended=suspended, off=mode is Mode.OFF),
        until=None if ban is None else optional_text(gapless_end(ban.terms, now)),
    )


def read_link(session: Session, link: ListLinkRow, now: Instant) -> LinkRead:
    """Return a link with the services that it brought, and those that wait."""
    row = session.get_one(ProhibitedListRow, link.list_number)
    bound, waiting = list[str](), list[str]()
    if link.ground == LinkGround.FOLLOWING:
        if link_state(link, now) is not LinkState.ENDED:
            theirs, own = (repository.bans(session, slug) for slug in (row.authority, link.authority))
            waiting = [ban.service for ban in not_taken_over(row, theirs, own, now)]
    else:
        bans = {ban.number: ban.service for ban in repository.bans(session, row.authority).values()}
        for binding in repository.bindings(session, link.number):
            state = binding_state(binding, now)
            if state is not BindingState.ENDED:
                (waiting if state is BindingState.PROPOSED else bound).append(bans[binding.ban])
    return LinkRead(**_link_fields(row, link), state=link_state(link, now), bound=bound, waiting=waiting)


def not_adopted(session: Session, links: Sequence[ListLinkRow], now: Instant) -> dict[int, int]:
    """Return how many services of the list wait for each of these live links by following, if any do, by number."""
    of = ProhibitedListRow.number.in_({link.list_number for link in links})
    rows = {row.number: row for row in session.scalars(select(ProhibitedListRow).where(of))} if links else {}
    owners = {row.authority for row in rows.values()} | {link.authority for link in links}
    bans: dict[str, dict[str, BanRow]] = {owner: {} for owner in owners}
    services = {service for row in rows.values() for service in row.service_versions}
    wanted = select(BanRow).where(BanRow.authority.in_(owners), BanRow.service.in_(services))
    for ban in session.scalars(wanted) if services else ():
        bans[ban.authority][ban.service] = ban
    found = {
        link.number: len(not_taken_over(row, bans[row.authority], bans[link.authority], now))
        for link in links
        for row in (rows[link.list_number],)
    }
    return {number: count for number, count in found.items() if count}


def shown_link(session: Session, link: ListLinkRow) -> Json:
    """Return a link as the audit log stores it."""
    row = session.get_one(ProhibitedListRow, link.list_number)
    return {key: value for key, value in _link_fields(row, link).items() if key != "revision"}


def _link_fields(row: ProhibitedListRow, link: ListLinkRow) -> Json:
    return {
        "number": link.number,
        "list": row.reference,
        "authority": link.authority,
        "ground": link.ground,
        "instrument": link.instrument,
        "date": link.date,
        "start": timestamp_text(link.start_s),
        "end": optional_text(link.end_s),
        "recorded": timestamp_text(link.recorded_s),
        "ended": optional_text(link.ended_s),
        "ended_by": link.ended_by,
        "ended_reason": link.ended_reason,
        "ended_reference": link.ended_reference,
        "new_names_at_once": link.new_names_at_once,
        "revision": link.revision,
    }
