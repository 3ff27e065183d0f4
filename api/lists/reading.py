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
    return read_links(session, [link], now)[0]


def read_links(session: Session, links: Sequence[ListLinkRow], now: Instant) -> list[LinkRead]:
    """Return links with the services that each brought, and those that wait. Few statements read them together."""
    rows = repository.by_number(session, {link.list_number for link in links})
    following = [link for link in links if link.ground == LinkGround.FOLLOWING]
    live = [link for link in following if link_state(link, now) is not LinkState.ENDED]
    bound: dict[int, list[str]] = {link.number: [] for link in links}
    waiting: dict[int, list[str]] = {link.number: [] for link in links} | _not_adopted(session, rows, live, now)
    for binding, service in repository.bindings_of(session, links):
        state = binding_state(binding, now)
        if binding.link is not None and state is not BindingState.ENDED:
            (waiting if state is BindingState.PROPOSED else bound)[binding.link].append(service)
    return [
        LinkRead(
            **_link_fields(rows[link.list_number], link),
            state=link_state(link, now),
            bound=bound[link.number],
            waiting=waiting[link.number],
        )
        for link in links
    ]


def not_adopted(session: Session, links: Sequence[ListLinkRow], now: Instant) -> dict[int, int]:
    """Return how many services of the list wait for each of these live links by following, if any do, by number."""
    rows = repository.by_number(session, {link.list_number for link in links}) if links else {}
    found = _not_adopted(session, rows, links, now)
    return {number: len(services) for number, services in found.items() if services}


def _not_adopted(
    session: Session, rows: Mapping[int, ProhibitedListRow], links: Sequence[ListLinkRow], now: Instant
) -> dict[int, list[str]]:
    """Return the services of the list that wait for each of these live links by following. `rows` are the lists."""
    owners = {rows[link.list_number].authority for link in links} | {link.authority for link in links}
    bans: dict[str, dict[str, BanRow]] = {owner: {} for owner in owners}
    services = {service for link in links for service in rows[link.list_number].service_versions}
    wanted = select(BanRow).where(BanRow.authority.in_(owners), BanRow.service.in_(services))
    for ban in session.scalars(wanted) if services else ():
        bans[ban.authority][ban.service] = ban
    return {
        link.number: [ban.service for ban in not_taken_over(row, bans[row.authority], bans[link.authority], now)]
        for link in links
        for row in (rows[link.list_number],)
    }


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
