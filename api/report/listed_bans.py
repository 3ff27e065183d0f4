"""Which bans a report or a study by list is about, and what it says of the list itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import BanRow, ProhibitedListRow, RequestRow
from api.db.subjects import subject
from api.errors import Invalid
from api.lists import repository
from api.lists.reading import read_version
from api.lists.state import listed_times
from api.report.schemas import ListedReportRead, ListedTimeRead, NamedServiceRead, ReportedListRead
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text


def adopted_list(session: Session, reference: str) -> ProhibitedListRow:
    """Return the list of a report. Raise `Invalid` if there is none or if it is not adopted."""
    row = repository.named(session, reference, "query.list")
    if not row.versions:
        raise Invalid.at(
            "query.list",
            Text(
                "{reference} is not adopted yet, and has no bans. Type: {command}",
                reference=reference,
                command=f"dnsfilterctl prohibited-list adopt {row.authority} {row.slug}",
            ),
        )
    return row


def bans_of(session: Session, row: ProhibitedListRow, authority: str, end: Instant) -> list[BanRow]:
    """Return an authority's bans on services that the list named before `end`, in the order of its versions.

    Of another authority than the list's, return those that it adopted from the list. Raise `Invalid` if it has none.
    """
    bans, is_own = repository.bans(session, authority), authority == row.authority
    if not is_own and not any(_is_from(row, ban) for ban in bans.values()):
        hint = Text("Bans that bind it are in the report of {authority}.", authority=row.authority)
        raise Invalid.at(
            "query.list",
            Text(
                "{authority} has adopted no ban from {reference}. {hint}",
                authority=authority,
                reference=row.reference,
                hint=hint,
            ),
        )
    found = (bans.get(service) for service, times in listed_times(row).items() if times[0].since < end)
    return [ban for ban in found if ban is not None and (is_own or _is_from(row, ban))]


def read_listed(
    row: ProhibitedListRow, bans: Iterable[BanRow], services: Mapping[str, str], end: Instant
) -> list[ListedReportRead]:
    """Return when each service was on the list, before `end`, with the ban on it."""
    by_service = {ban.service: ban for ban in bans}
    found = []
    for service, times in listed_times(row).items():
        before, ban = [time for time in times if time.since < end], by_service.get(service)
        if before:
            found.append(
                ListedReportRead(
                    service=service,
                    service_name=services.get(service, service),
                    ban=None if ban is None else ban.number,
                    from_list=ban is not None and _is_from(row, ban),
                    times=[
                        ListedTimeRead(
                            version=time.version, since=timestamp_text(time.since), until=optional_text(time.until)
                        )
                        for time in before
                    ],
                )
            )
    return found


def read_lists(session: Session, references: Iterable[str | None]) -> list[ReportedListRead]:
    """Return the lists of these references, of which some may be None."""
    wanted, row = set(filter(None, references)), ProhibitedListRow
    if not wanted:
        return []
    slugs = {reference.partition("/")[2] for reference in wanted}
    rows = session.scalars(select(row).where(row.slug.in_(slugs)).order_by(row.number))
    return [
        ReportedListRead(
            reference=each.reference,
            authority=each.authority,
            title=each.title,
            category=each.category,
            versions=[read_version(version) for version in each.versions],
        )
        for each in rows
        if each.reference in wanted
    ]


def objects_of(session: Session, row: ProhibitedListRow) -> list[str]:
    """Return the object names of the list and of the requests to change it."""
    name = subject(row)
    requests = session.scalars(select(RequestRow.number).where(RequestRow.object == name).order_by(RequestRow.number))
    return [name, *(f"request/{number}" for number in requests)]


@dataclass(frozen=True, slots=True)
class About:
    """What a report or study says of the list or category that it is about."""

    prohibited_list: str | None = None
    category: str | None = None
    listed: Sequence[ListedReportRead] = ()
    left_out: Sequence[NamedServiceRead] = ()
    objects: Sequence[str] = ()
    """Names of objects whose acts concern the list itself."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The services that a study is narrowed to: those of a prohibited list or of a category."""

    services: Sequence[str]
    prohibited_list: str | None = None
    category: str | None = None

    @classmethod
    def of_list(cls, session: Session, reference: str) -> "Chosen":
        """Choose all services that the list ever named, also before its adoption. Raise `Invalid` if there is none."""
        row = repository.named(session, reference, "query.list")
        return cls([*listed_times(row)] or row.draft, prohibited_list=reference)

    def about(self, studied: Iterable[str], services: Mapping[str, str]) -> About:
        """Return what a study says of the list or category, and of the chosen services that it leaves out."""
        others = sorted({*self.services}.difference(studied))
        left_out = [NamedServiceRead(service=slug, service_name=services.get(slug, slug)) for slug in others]
        return About(self.prohibited_list, self.category, left_out=left_out)


def _is_from(row: ProhibitedListRow, ban: BanRow) -> bool:
    return ban.prohibited_list == row.reference
