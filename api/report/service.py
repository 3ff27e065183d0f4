"""Make the report of a ban, or the study of monitored services, from what is stored."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.accounts.repository import actors
from api.accounts.repository import names as account_names
from api.authorities import repository as authorities
from api.bans import repository as bans
from api.db.models import (
    AuditRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    RequestRow,
    SuspensionRow,
)
from api.db.subjects import subject
from api.errors import Invalid
from api.exemptions.state import exemption_end
from api.report.dossier import Dossier, acts_of, dossiers
from api.report.gaps import Suspended, full_gaps, partial_gaps
from api.report.list_versions import list_versions
from api.report.query_numbers import Counted, interval_of, intervals
from api.report.range_acts import range_acts
from api.report.reading import (
    read_gap,
    read_mode,
    read_range_act,
    read_record,
    read_scope_change,
    read_spans,
    reason_of,
)
from api.report.schemas import (
    BanReportRead,
    BoundRead,
    BucketRead,
    CountedDaysRead,
    ExemptionReportRead,
    Interval,
    NamedAccountRead,
    NamedAuthorityRead,
    RangeActRead,
    ReportActRead,
    ReportKind,
    ReportRead,
    SuspensionSpanRead,
)
from api.report.scope_changes import REPLY, SCOPE, addressed, changed_fields, left_out, state_at
from api.report.suspended_nodes import local_acts, made_at, suspended_on, suspended_on_all
from api.report.timeline import ModeSpan, held, is_only_monitored, mode_spans, spans_in
from api.suspensions.state import finish
from api.timestamps import timestamp_text
from api.trace.object_acts import fields_set
from api.usage import repository as usage
from api.usage.release import last_shown_day
from api.usage.state import MAX_DAYS
from dnsfilter.policy.calendar import after_day, local_day, local_midnight
from dnsfilter.policy.intervals import Interval as Within
from dnsfilter.policy.intervals import Intervals, difference, intersection, union, until
from dnsfilter.policy.model import Mode

_OF_BAN = ("number", "service", "provisional", "prohibited_list", "list_version", "decision", "terms")
"""Fields of a report's ban as the audit log has them."""


@dataclass(frozen=True, slots=True)
class ReportDays:
    """The days of a report, and the interval of its counts; None for one that gives a readable number of rows."""

    first: date
    last: date
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Invalid.at("query.to", f"{self.last} is before {self.first}: give a later day")
        if (self.last - self.first).days >= MAX_DAYS:
            raise Invalid.at("query.to", f"a report covers at most {MAX_DAYS} days: give an earlier day")


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
    return _Maker(sources, owner, asked).report(ReportKind.BAN, [ban])


def study(sources: Sources, authority: str, asked: ReportDays) -> ReportRead:
    """Return the report of all services that an authority only monitored. Raise as `report_ban` does."""
    owner = authorities.get(sources.session, authority)
    maker = _Maker(sources, owner, asked)
    rows = sources.session.scalars(select(BanRow).where(BanRow.authority == authority).order_by(BanRow.service))
    found = [row for row in rows if maker.is_only_monitored(row)]
    return maker.report(ReportKind.STUDY, found)


class _Maker:
    """Make one report of an authority."""

    def __init__(self, sources: Sources, owner: AuthorityRow, asked: ReportDays) -> None:
        self._sources, self._owner, self._asked = sources, owner, asked
        self._session = sources.session
        zone = owner.time_zone
        if asked.last > (today := local_day(sources.now_s, zone)):
            raise Invalid.at("query.to", f"{asked.last} has not begun in {zone}: give {today} or an earlier day")
        self._end = after_day(asked.last, zone)
        # The second of the reading is complete: an act in it has had effect.
        self._within: Within = (local_midnight(asked.first, zone), min(self._end, sources.now_s + 1))
        self._interval = asked.interval or interval_of(asked.first, asked.last)
        self._last_counted = min(asked.last, last_shown_day(sources.now_s, zone))
        self._counted = Counted(tuple(intervals(asked.first, self._last_counted, self._interval)))
        self._local_acts = local_acts(self._session, owner.slug, self._within)
        self._named = {owner.slug}
        self._levels = {row.slug: row for row in self._session.scalars(select(AuthorityRow))}

    def is_only_monitored(self, row: BanRow) -> bool:
        """Return whether the ban only monitored in the report's time."""
        (dossier,) = dossiers(self._session, BanRow.number == row.number)
        return is_only_monitored(row.terms, self._modes(dossier), self._within)

    def report(self, kind: ReportKind, rows: Sequence[BanRow]) -> ReportRead:
        """Return the report of these bans."""
        own = self._suspensions(self._owner.slug)
        parts = [self._part(row, own) for row in rows]
        in_force = union(span for row in rows for span in held(row.terms, self._within))
        changed = [read_range_act(act) for act in range_acts(self._session, self._owner.slug, in_force)]
        self._named |= {slug for act in changed for one in act.fields if one.name == "authority" for slug in one.after}
        attempts = usage.bypass(self._session, self._owner.slug, self._asked.first, self._last_counted)
        return ReportRead(
            kind=kind,
            authority=self._owner.slug,
            time_zone=self._owner.time_zone,
            first=self._asked.first.isoformat(),
            last=self._asked.last.isoformat(),
            start=timestamp_text(self._within[0]),
            end=timestamp_text(self._end),
            until=timestamp_text(self._within[1]),
            counted_through=self._last_counted.isoformat() if self._counted.spans else None,
            interval=self._interval,
            record=read_record(self._session),
            authorities=[self._name(slug) for slug in sorted(self._named)],
            accounts=self._accounts(parts, [*own, *changed]),
            usage=self._owner.usage_level,
            bans=parts,
            suspensions=own,
            range_acts=changed,
            bypass=self._counted.bypass(attempts),
            bypass_total=self._counted.attempts(attempts),
        )

    def _part(self, row: BanRow, suspensions: Sequence[SuspensionSpanRead]) -> BanReportRead:
        (dossier,) = dossiers(self._session, BanRow.number == row.number)
        ban, acts, modes = dossier.ban, self._acts_on(dossier), self._modes(dossier)
        scope = state_at(acts, self._within[1]) or ban
        in_force, suspended = held(row.terms, self._within), self._suspended()
        full = full_gaps(in_force, modes, suspended)
        effective = difference(in_force, union((gap.start, gap.end) for gap in full))
        counted = self._days(row)
        bound = self._bound(row, dossier, counted)
        days = counted.get(self._owner.slug, [])
        self._name_followed(dossier)
        return BanReportRead(
            **{field: ban[field] for field in _OF_BAN},
            **{field: scope[field] for field in (*SCOPE, *REPLY)},
            service_name=self._sources.services.get(row.service, row.service),
            modes=[read_mode(each) for each in modes],
            in_force=read_spans(in_force),
            no_ban=read_spans(difference((self._within,), in_force)),
            not_in_force=[read_gap(one) for one in full],
            partly_in_force=[
                read_gap(one) for one in partial_gaps(in_force, full, suspended, left_out(acts, self._within))
            ],
            only_monitored=read_spans(intersection(effective, spans_in(modes, Mode.MONITOR))),
            addressed=read_spans(intersection(effective, addressed(acts, self._within))),
            scope_changes=[
                read_scope_change(act) for act in acts if self._is_within(act.time_s) and changed_fields(act)
            ],
            total=self._counted.counts(days),
            buckets=[self._bucket(each, in_force) for each in self._counted.buckets(days)],
            bound=bound,
            exemptions=self._exemptions(row, dossier),
            lists=list_versions(self._session, row.service, self._within),
            acts=self._acts(row, dossier, suspensions, bound),
        )

    def _acts_on(self, dossier: Dossier) -> list[AuditRow]:
        """Return the acts on the ban itself."""
        return [row for row in acts_of(self._session, dossier) if row.object == dossier.object]

    def _modes(self, dossier: Dossier) -> list[ModeSpan]:
        return mode_spans(self._acts_on(dossier), self._within)

    def _suspended(self) -> Suspended:
        """Return when bans of the authority were suspended."""
        rows = self._suspension_rows(self._owner.slug)
        by_act = intersection(union((row.start_s, finish(row)) for row in rows), (self._within,))
        on = suspended_on(self._local_acts, self._within)
        return Suspended(by_act, suspended_on_all(self._session, self._owner.slug, on, self._within), on)

    def _bucket(self, counts: CountedDaysRead, in_force: Intervals) -> BucketRead:
        zone = self._owner.time_zone
        first, last = date.fromisoformat(counts.first), date.fromisoformat(counts.last)
        banned = bool(intersection(in_force, ((local_midnight(first, zone), after_day(last, zone)),)))
        return BucketRead(**dict(counts), banned=banned)

    def _name_followed(self, dossier: Dossier) -> None:
        """Name the authorities whose bans the formal decisions follow."""
        decisions = [dossier.ban["decision"], *(term["decision"] for term in dossier.ban["terms"])]
        owners = {decision["follows"].partition("/")[0] for decision in decisions if decision["follows"]}
        self._named |= owners & self._levels.keys()

    def _bound(self, row: BanRow, dossier: Dossier, counted: Mapping[str, Sequence[usage.Day]]) -> list[BoundRead]:
        statement = select(BindingRow).where(BindingRow.ban == row.number).order_by(BindingRow.number)
        numbers = {
            each.number
            for each in self._session.scalars(statement)
            if self._touches(min(each.start_s, each.recorded_s), each.period.end)
        }
        fields = set(BoundRead.model_fields) - {"usage", "counts", "suspended"}
        found = []
        for each in dossier.bindings:
            if each["number"] not in numbers:
                continue
            slug = each["authority"]
            self._named.add(slug)
            days = [one for one in counted.get(slug, ()) if one.ground == each["ground"]]
            found.append(
                BoundRead(
                    **{field: each[field] for field in fields},
                    usage=self._levels[slug].usage_level,
                    counts=self._counted.counts(days),
                    suspended=self._suspensions(slug),
                )
            )
        return found

    def _exemptions(self, row: BanRow, dossier: Dossier) -> list[ExemptionReportRead]:
        statement = select(ExemptionRow).where(ExemptionRow.ban == row.number)
        rows = {each.number: each for each in self._session.scalars(statement)}
        fields = ExemptionReportRead.model_fields.keys() - {"end", "planned_end"}
        return [
            ExemptionReportRead(
                **{field: each[field] for field in fields},
                end=timestamp_text(exemption_end(known)),
                planned_end=each["end"],
            )
            for each in dossier.exemptions
            if self._touches(min((known := rows[each["number"]]).start_s, known.requested_s), known.period.end)
        ]

    def _touches(self, start: int, end: int | None) -> bool:
        return start < self._within[1] and until(end) > self._within[0]

    def _is_within(self, at: int) -> bool:
        return self._within[0] <= at < self._within[1]

    def _days(self, ban: BanRow) -> Mapping[str, list[usage.Day]]:
        """Return what a ban decided on days that are shown, by the authority of the clients."""
        found = defaultdict[str, list[usage.Day]](list)
        days = self._asked.first, self._last_counted
        for day in usage.days_by_ban(self._session, ban.authority, ban.service, *days):
            if day.day <= last_shown_day(self._sources.now_s, self._levels[day.authority].time_zone):
                found[day.authority].append(day)
        return found

    def _suspension_rows(self, authority: str) -> list[SuspensionRow]:
        whose = or_(SuspensionRow.authority == authority, SuspensionRow.authority.is_(None))
        within = SuspensionRow.start_s < self._within[1], SuspensionRow.end_s > self._within[0]
        rows = self._session.scalars(select(SuspensionRow).where(whose, *within).order_by(SuspensionRow.number))
        return [row for row in rows if self._touches(row.start_s, finish(row))]

    def _suspensions(self, authority: str) -> list[SuspensionSpanRead]:
        return [
            SuspensionSpanRead(
                number=row.number,
                authority=row.authority,
                start=timestamp_text(max(row.start_s, self._within[0])),
                end=timestamp_text(min(finish(row), self._within[1])),
                reason=row.reason,
                account=row.recorded_by,
            )
            for row in self._suspension_rows(authority)
        ]

    def _acts(
        self,
        row: BanRow,
        dossier: Dossier,
        suspensions: Iterable[SuspensionSpanRead],
        bound: Iterable[BoundRead],
    ) -> list[ReportActRead]:
        """Return the acts on the ban, its bindings, exemptions and requests, and the suspensions that concern it."""
        requests = self._session.scalars(select(RequestRow.number).where(RequestRow.object == subject(row)))
        numbers = {one.number for one in suspensions} | {one.number for each in bound for one in each.suspended}
        others = [f"request/{number}" for number in requests] + [f"suspension/{number}" for number in sorted(numbers)]
        found = [act for act in acts_of(self._session, dossier, others) if self._is_within(act.time_s)]
        local = (act for act in self._local_acts if made_at(act) >= self._within[0])
        found = sorted((*found, *local), key=lambda act: act.seq)
        names = self._account_names({act.account for act in found})
        return [
            ReportActRead(
                seq=act.seq,
                hash=act.hash,
                time=timestamp_text(act.time_s),
                account=act.account,
                name=names.get(act.account),
                act=act.act,
                object=act.object,
                revision=act.revision,
                reason=reason_of(act),
                fields=sorted(fields_set(act)),
            )
            for act in found
        ]

    def _accounts(
        self, parts: Iterable[BanReportRead], others: Iterable[SuspensionSpanRead | RangeActRead]
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
        row = self._levels[slug]
        return NamedAuthorityRead(slug=slug, names=row.names, languages=row.languages)
