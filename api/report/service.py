"""Make the report of a ban, or the study of monitored services, from what is stored."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.accounts.repository import names as account_names
from api.audit.repository import actors
from api.authorities import repository as authorities
from api.bans import repository as bans
from api.db.models import (
    AuditRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    InstallationRow,
    MatterRow,
    RequestRow,
    SuspensionRow,
)
from api.db.models.audit_log import INSTALLATION
from api.errors import Invalid
from api.report.dossier import Dossier, acts_of, dossiers
from api.report.figures import Counted, interval_of, intervals
from api.report.list_versions import list_versions
from api.report.schemas import (
    BanGapRead,
    BanReportRead,
    BoundRead,
    Cause,
    ExemptionReportRead,
    Interval,
    ModeSpanRead,
    NamedAccountRead,
    NamedAuthorityRead,
    RecordRead,
    ReportActRead,
    ReportKind,
    ReportRead,
    SpanRead,
    SuspensionSpanRead,
)
from api.report.timeline import ModeSpan, held, is_only_monitored, mode_spans, spans_in
from api.suspensions.state import finish
from api.timestamps import timestamp_text
from api.trace.object_acts import fields_set
from api.usage import repository as usage
from api.usage.state import MAX_DAYS
from dnsfilter.policy.calendar import after_day, local_day, local_midnight
from dnsfilter.policy.intervals import Interval as Within
from dnsfilter.policy.intervals import Intervals, difference, intersection, union, until
from dnsfilter.policy.model import Mode

LOCAL_SUSPENSIONS = ("node.suspend", "node.end_suspension")


@dataclass(frozen=True, slots=True)
class Asked:
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


def report_ban(sources: Sources, authority: str, service: str, asked: Asked) -> ReportRead:
    """Return the report of an authority's ban. Raise `NotFound` if there is none, `Invalid` for days to come."""
    owner = authorities.get(sources.session, authority)
    ban = bans.get(sources.session, authority, service)
    return _Maker(sources, owner, asked).report(ReportKind.BAN, [ban])


def study(sources: Sources, authority: str, asked: Asked) -> ReportRead:
    """Return the report of all services that an authority only monitored. Raise as `report_ban` does."""
    owner = authorities.get(sources.session, authority)
    maker = _Maker(sources, owner, asked)
    rows = sources.session.scalars(select(BanRow).where(BanRow.authority == authority).order_by(BanRow.service))
    found = [row for row in rows if maker.is_only_monitored(row)]
    return maker.report(ReportKind.STUDY, found)


class _Maker:
    """Make one report of an authority."""

    def __init__(self, sources: Sources, owner: AuthorityRow, asked: Asked) -> None:
        self._sources, self._owner, self._asked = sources, owner, asked
        self._session = sources.session
        zone = owner.time_zone
        if asked.last > (today := local_day(sources.now_s, zone)):
            raise Invalid.at("query.to", f"{asked.last} has not begun in {zone}: give {today} or an earlier day")
        self._within: Within = (local_midnight(asked.first, zone), after_day(asked.last, zone))
        self._interval = asked.interval or interval_of(asked.first, asked.last)
        self._counted = Counted(tuple(intervals(asked.first, asked.last, self._interval)))
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
        attempts = usage.bypass(self._session, self._owner.slug, self._asked.first, self._asked.last)
        return ReportRead(
            kind=kind,
            authority=self._owner.slug,
            time_zone=self._owner.time_zone,
            first=self._asked.first.isoformat(),
            last=self._asked.last.isoformat(),
            start=timestamp_text(self._within[0]),
            end=timestamp_text(self._within[1]),
            interval=self._interval,
            record=_record(self._session),
            authorities=[self._name(slug) for slug in sorted(self._named)],
            accounts=self._accounts(parts, own),
            usage=self._owner.usage_level,
            bans=parts,
            suspensions=own,
            bypass=self._counted.bypass(attempts),
            bypass_total=self._counted.attempts(attempts),
        )

    def _part(self, row: BanRow, suspensions: Sequence[SuspensionSpanRead]) -> BanReportRead:
        (dossier,) = dossiers(self._session, BanRow.number == row.number)
        exemptions = self._exemptions(row)
        ban, modes = dossier.ban, self._modes(dossier)
        in_force, suspended = held(row.terms, self._within), self._suspended()
        counted = self._days(row)
        bound = self._bound(row, dossier, counted)
        days = counted.get(self._owner.slug, [])
        return BanReportRead(
            **{field: ban[field] for field in ("number", "service", "reply", "addresses", "tiers", "funding")},
            **{field: ban[field] for field in ("audience", "provisional", "decision", "terms")},
            service_name=self._sources.services.get(row.service, row.service),
            modes=[_mode(each) for each in modes],
            in_force=_spans(in_force),
            not_in_force=self._gaps(in_force, modes, suspended),
            only_monitored=_spans(difference(intersection(in_force, spans_in(modes, Mode.MONITOR)), suspended)),
            total=self._counted.counts(days),
            buckets=self._counted.buckets(days),
            bound=bound,
            exemptions=[
                ExemptionReportRead(**{field: each[field] for field in ExemptionReportRead.model_fields})
                for each in dossier.exemptions
                if each["number"] in exemptions
            ],
            lists=list_versions(self._session, row.service, self._within),
            acts=self._acts(row, dossier, suspensions, bound),
        )

    def _modes(self, dossier: Dossier) -> list[ModeSpan]:
        acts = (row for row in acts_of(self._session, dossier) if row.object == dossier.object)
        return mode_spans(acts, self._within)

    def _suspended(self) -> Intervals:
        """Return when the authority was suspended."""
        rows = self._suspension_rows(self._owner.slug)
        return intersection(union((row.start_s, finish(row)) for row in rows), (self._within,))

    def _gaps(self, in_force: Intervals, modes: Sequence[ModeSpan], suspended: Intervals) -> list[BanGapRead]:
        off = intersection(in_force, spans_in(modes, Mode.OFF))
        # A ban that is off is not suspended too.
        held_back = difference(intersection(in_force, suspended), off)
        found = [(span, cause) for cause, part in ((Cause.OFF, off), (Cause.SUSPENDED, held_back)) for span in part]
        return [
            BanGapRead(start=timestamp_text(start), end=timestamp_text(end), cause=cause)
            for (start, end), cause in sorted(found)
        ]

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
                    counts=self._counted.sums(days),
                    suspended=self._suspensions(slug),
                )
            )
        return found

    def _exemptions(self, row: BanRow) -> set[int]:
        statement = select(ExemptionRow).where(ExemptionRow.ban == row.number)
        return {
            each.number
            for each in self._session.scalars(statement)
            if self._touches(min(each.start_s, each.requested_s), each.period.end)
        }

    def _touches(self, start: int, end: int | None) -> bool:
        return start < self._within[1] and until(end) > self._within[0]

    def _days(self, ban: BanRow) -> Mapping[str, list[usage.Day]]:
        """Return what a ban decided, by the authority of the clients."""
        found = defaultdict[str, list[usage.Day]](list)
        for day in usage.days_by_ban(self._session, ban.authority, ban.service, self._asked.first, self._asked.last):
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
        requests = self._session.scalars(select(RequestRow.number).where(RequestRow.ban == row.number))
        numbers = {one.number for one in suspensions} | {one.number for each in bound for one in each.suspended}
        others = [f"request/{number}" for number in requests] + [f"suspension/{number}" for number in sorted(numbers)]
        first, last = self._within
        found = [act for act in acts_of(self._session, dossier, others) if first <= act.time_s < last]
        found = sorted((*found, *self._local_acts()), key=lambda act: act.seq)
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
                reason=_reason(act),
                fields=sorted(fields_set(act)),
            )
            for act in found
        ]

    def _local_acts(self) -> Sequence[AuditRow]:
        """Return the local suspensions of the authority that nodes reported."""
        theirs = select(AuditRow).join(MatterRow, MatterRow.seq == AuditRow.seq)
        theirs = theirs.where(MatterRow.authority == self._owner.slug, AuditRow.act.in_(LOCAL_SUSPENSIONS))
        first, last = self._within
        return self._session.scalars(theirs.where(AuditRow.time_s >= first, AuditRow.time_s < last)).all()

    def _accounts(
        self, parts: Iterable[BanReportRead], suspensions: Iterable[SuspensionSpanRead]
    ) -> list[NamedAccountRead]:
        """Return the accounts that the report mentions, with their names."""
        numbers: set[int | None] = {one.account for one in suspensions}
        for part in parts:
            numbers |= {one.account for one in part.modes} | {act.account for act in part.acts}
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


def _record(session: Session) -> RecordRead:
    row = session.get_one(InstallationRow, INSTALLATION)
    last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).one()
    return RecordRead(
        installation=row.identity,
        revision=row.revision,
        seq=last.seq,
        hash=last.hash,
        time=timestamp_text(last.time_s),
    )


def _spans(found: Intervals) -> list[SpanRead]:
    return [SpanRead(start=timestamp_text(start), end=timestamp_text(end)) for start, end in found]


def _mode(span: ModeSpan) -> ModeSpanRead:
    return ModeSpanRead(
        start=timestamp_text(span.start),
        end=timestamp_text(span.end),
        mode=span.mode,
        reason=span.reason,
        act=span.act,
        account=span.account,
    )


_REASONS = ("mode_reason", "ended_reason", "note", "reason")


def _reason(act: AuditRow) -> str:
    """Return the reason that an act gave: the text that it set, for a ban also at one of its terms."""
    before, after = act.before or {}, act.after or {}
    known = {term["ended_reason"] for term in before.get("terms", ())}
    ended = (term["ended_reason"] for term in after.get("terms", ()) if term["ended_reason"] not in known)
    changed = (after[field] for field in _REASONS if after.get(field) and after[field] != before.get(field))
    return str(next(chain(filter(None, ended), changed), ""))
