"""Make the report of a ban or of a prohibited list, or the study of monitored services, from what is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.accounts.repository import actors
from api.accounts.repository import names as account_names
from api.authorities import repository as authorities
from api.bans import repository as bans
from api.db.models import AuthorityRow, BanRow
from api.report.ban_parts import BanParts
from api.report.evidence import Acts, Evidence, evidence
from api.report.known_authorities import KnownAuthorities
from api.report.listed_bans import About, Chosen, adopted_list, bans_of, objects_of, read_listed, read_lists
from api.report.range_acts import range_acts
from api.report.reading import read_act, read_range_act, read_record
from api.report.report_time import ReportDays, ReportTime
from api.report.schemas import (
    BanReportRead,
    NamedAccountRead,
    NamedAuthorityRead,
    RangeActRead,
    ReportActRead,
    ReportKind,
    ReportRead,
    SuspensionSpanRead,
)
from api.report.suspended_times import SuspendedTimes
from api.report.timeline import held, is_only_monitored, mode_spans
from api.timestamps import timestamp_text
from api.usage import repository as usage
from dnsfilter.policy.intervals import union


@dataclass(frozen=True, slots=True)
class Sources:
    """What a report is made from at `now_s`. `services` are the names of services by slug.

    `visible` are the authorities whose acting accounts are named; None for all accounts, and empty for none.
    """

    session: Session
    services: Mapping[str, str]
    visible: frozenset[str] | None
    now_s: int


def report_ban(sources: Sources, authority: str, service: str, asked: ReportDays) -> ReportRead:
    """Return the report of an authority's ban. Raise `NotFound` if there is none, `Invalid` for days to come."""
    owner = authorities.get(sources.session, authority)
    ban = bans.get(sources.session, authority, service)
    return _Maker(sources, owner, asked).report(ReportKind.BAN, evidence(sources.session, [ban]), About())


def report_list(sources: Sources, authority: str, reference: str, asked: ReportDays) -> ReportRead:
    """Return the report of an authority's bans from a prohibited list, its own or one that it follows.

    Raise `NotFound` for an unknown authority, and `Invalid` for a list without bans or for days to come.
    """
    session, owner = sources.session, authorities.get(sources.session, authority)
    maker = _Maker(sources, owner, asked)
    row = adopted_list(session, reference)
    end = maker.time.within[1]
    rows = bans_of(session, row, authority, end)
    listed = read_listed(row, rows, sources.services, end)
    about = About(reference, listed=listed, objects=objects_of(session, row))
    return maker.report(ReportKind.LIST, evidence(session, rows), about)


def study(sources: Sources, authority: str, asked: ReportDays, chosen: Chosen | None = None) -> ReportRead:
    """Return the report of the services that an authority only monitored: all, or chosen ones.

    Raise as `report_ban` does.
    """
    owner = authorities.get(sources.session, authority)
    maker = _Maker(sources, owner, asked)
    wanted = select(BanRow).where(BanRow.authority == authority).order_by(BanRow.service)
    if chosen is not None:
        wanted = wanted.where(BanRow.service.in_(chosen.services))
    found = maker.only_monitored(sources.session.scalars(wanted))
    about = About() if chosen is None else chosen.about((ban.row.service for ban in found), sources.services)
    return maker.report(ReportKind.STUDY, found, about)


class _Maker:
    """Make one report of an authority."""

    def __init__(self, sources: Sources, owner: AuthorityRow, asked: ReportDays) -> None:
        self._sources, self._owner = sources, owner
        self._session = sources.session
        self.time = ReportTime.of(asked, owner.time_zone, sources.now_s)
        self._known = KnownAuthorities(self._session, owner)

    def only_monitored(self, rows: Iterable[BanRow]) -> list[Evidence]:
        """Return the bans that only monitored in the report's time."""
        within = self.time.within
        known = evidence(self._session, [row for row in rows if held(row.terms, within)])
        return [ban for ban in known if is_only_monitored(ban.row.terms, mode_spans(ban.acts, within), within)]

    def report(self, kind: ReportKind, found: Sequence[Evidence], about: About) -> ReportRead:
        """Return the report of these bans, which is about a list or category, or about none."""
        time, owner = self.time, self._owner
        suspended = SuspendedTimes(self._session, owner.slug, time)
        parts = BanParts(
            self._session, found, time, suspended, self._sources.services, self._known, self._sources.now_s
        )
        acts = Acts(self._session, about.objects, time.within)
        names = self._account_names(parts.accounts | acts.accounts)
        made = [parts.part(ban, names) for ban in found]
        list_acts = [read_act(act, names) for act in acts.all]
        lists = read_lists(self._session, [about.prohibited_list, *(ban.prohibited_list for ban in made)])
        in_force = union(span for ban in found for span in held(ban.row.terms, time.within))
        changed = [read_range_act(act) for act in range_acts(self._session, owner.slug, in_force)]
        named = {owner.slug, *(each.authority for each in lists)} | parts.authorities
        named |= {slug for act in changed for one in act.fields if one.name == "authority" for slug in one.after}
        self._known.read(named)
        own = suspended.spans(owner.slug)
        attempts = usage.bypass(self._session, owner.slug, time.days.first, time.last_counted)
        return ReportRead(
            kind=kind,
            authority=owner.slug,
            time_zone=owner.time_zone,
            first=time.days.first.isoformat(),
            last=time.days.last.isoformat(),
            start=timestamp_text(time.within[0]),
            end=timestamp_text(time.end),
            until=timestamp_text(time.within[1]),
            counted_through=time.last_counted.isoformat() if time.counted.spans else None,
            interval=time.interval,
            record=read_record(self._session),
            authorities=[self._name(slug) for slug in sorted(named)],
            accounts=self._accounts(made, [*own, *changed, *list_acts]),
            usage=owner.usage_level,
            prohibited_list=about.prohibited_list,
            category=about.category,
            listed=list(about.listed),
            left_out=list(about.left_out),
            prohibited_lists=lists,
            list_acts=list_acts,
            total=time.counted.distinct(parts.own_days(ban) for ban in found),
            bans=made,
            suspensions=own,
            range_acts=changed,
            bypass=time.counted.bypass(attempts),
            bypass_total=time.counted.attempts(attempts),
        )

    def _accounts(
        self, parts: Iterable[BanReportRead], others: Iterable[SuspensionSpanRead | RangeActRead | ReportActRead]
    ) -> list[NamedAccountRead]:
        """Return the accounts that the report mentions, with their names."""
        numbers: set[int | None] = {one.account for one in others}
        for part in parts:
            numbers |= {one.account for one in part.modes} | {act.account for act in part.acts}
            numbers |= {one.account for one in part.scope_changes}
            numbers |= {account for one in part.exemptions for account in (one.requested_by, one.decided_by)}
        names = self._account_names({number for number in numbers if number is not None})
        return [NamedAccountRead(number=number, name=names[number]) for number in sorted(names)]

    def _account_names(self, accounts: set[int]) -> Mapping[int, str]:
        visible = self._sources.visible
        if visible is not None:
            accounts &= set(self._session.scalars(actors(visible)))
        return {number: row.name for number, row in account_names(self._session, accounts).items()}

    def _name(self, slug: str) -> NamedAuthorityRead:
        row = self._known[slug]
        return NamedAuthorityRead(slug=slug, names=row.names, languages=row.languages)
