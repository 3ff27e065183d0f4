"""The part of a report about each of its bans."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from sqlalchemy.orm import Session

from api.db.models import AuditRow
from api.exemptions.state import exemption_end
from api.report.evidence import Acts, Evidence, Related
from api.report.gaps import full_gaps, partial_gaps
from api.report.known_authorities import KnownAuthorities
from api.report.list_versions import ListVersions
from api.report.reading import read_act, read_gap, read_mode, read_scope_change, read_spans
from api.report.report_time import ReportTime
from api.report.schemas import (
    BanReportRead,
    BoundRead,
    BucketRead,
    CountedDaysRead,
    ExemptionReportRead,
    SuspensionSpanRead,
)
from api.report.scope_changes import REPLY, SCOPE, addressed, changed_fields, left_out, state_at
from api.report.suspended_nodes import made_at
from api.report.suspended_times import SuspendedTimes
from api.report.timeline import held, mode_spans, spans_in
from api.timestamps import timestamp_text
from api.usage.release import last_shown_day
from api.usage.repository import Day
from dnsfilter.policy.calendar import after_day, local_midnight
from dnsfilter.policy.intervals import Intervals, difference, intersection, union
from dnsfilter.policy.model import Instant, Mode

_OF_BAN = ("number", "service", "provisional", "prohibited_list", "list_version", "decision", "terms")
"""Fields of a report's ban as the audit log has them."""

Days = Mapping[str, Sequence[Day]]
"""What a ban decided on days that are shown, by the authority of the clients."""


class BanParts:
    """The parts of a report about some bans of an authority.

    `services` are the names of services by slug. `known` gets the authorities that the bans concern.
    """

    def __init__(
        self,
        session: Session,
        bans: Sequence[Evidence],
        time: ReportTime,
        suspended: SuspendedTimes,
        services: Mapping[str, str],
        known: KnownAuthorities,
        now_s: Instant,
    ) -> None:
        self._bans, self._time, self._suspended = bans, time, suspended
        self._services, self._known, self._now_s = services, known, now_s
        self._related = Related(session, bans, time.days.first, time.last_counted)
        known.read({slug for ban in bans for slug in (*self._concerned(ban), *_followed(ban))})
        self._lists = ListVersions(session, {ban.row.service for ban in bans})
        self._days = {ban.row.number: self._shown(ban) for ban in bans}
        self._bound = {ban.row.number: self._bindings(ban) for ban in bans}
        self._acts = Acts(session, {name for ban in bans for name in self._objects(ban)}, time.within)

    @property
    def authorities(self) -> set[str]:
        """Return the authorities that the bans bind, and those whose bans the formal decisions follow."""
        bound = {one.authority for bound in self._bound.values() for one in bound}
        return bound.union(*(_followed(ban) & self._known.keys() for ban in self._bans))

    @property
    def accounts(self) -> set[int]:
        """Return the accounts that acted in the report's time."""
        acts = (*(act for ban in self._bans for act in ban.acts), *self._suspended.local_acts)
        return self._acts.accounts | {act.account for act in acts if self._time.contains(act.time_s)}

    def own_days(self, ban: Evidence) -> Sequence[Day]:
        """Return what a ban decided for clients of its own authority."""
        return self._days[ban.row.number].get(ban.row.authority, ())

    def part(self, ban: Evidence, names: Mapping[int, str]) -> BanReportRead:
        """Return the part about one ban. `names` are those of accounts by number."""
        within, acts, shown = self._time.within, ban.acts, ban.dossier.ban
        modes = mode_spans(acts, within)
        scope = state_at(acts, within[1]) or shown
        in_force, suspended = held(ban.row.terms, within), self._suspended.of_owner
        full = full_gaps(in_force, modes, suspended)
        effective = difference(in_force, union((gap.start, gap.end) for gap in full))
        days = self.own_days(ban)
        return BanReportRead(
            **{field: shown[field] for field in _OF_BAN},
            **{field: scope[field] for field in (*SCOPE, *REPLY)},
            service_name=self._services.get(ban.row.service, ban.row.service),
            modes=[read_mode(each) for each in modes],
            in_force=read_spans(in_force),
            no_ban=read_spans(difference((within,), in_force)),
            not_in_force=[read_gap(one) for one in full],
            partly_in_force=[read_gap(one) for one in partial_gaps(in_force, full, suspended, left_out(acts, within))],
            only_monitored=read_spans(intersection(effective, spans_in(modes, Mode.MONITOR))),
            addressed=read_spans(intersection(effective, addressed(acts, within))),
            scope_changes=[
                read_scope_change(act) for act in acts if self._time.contains(act.time_s) and changed_fields(act)
            ],
            total=self._time.counted.counts(days),
            buckets=[self._bucket(each, in_force, ban) for each in self._time.counted.buckets(days)],
            bound=self._bound[ban.row.number],
            exemptions=self._exemptions(ban),
            lists=self._lists.of(ban.row.service, within),
            acts=[read_act(act, names) for act in self._acts_of(ban)],
        )

    def _bucket(self, counts: CountedDaysRead, in_force: Intervals, ban: Evidence) -> BucketRead:
        zone = self._known[ban.row.authority].time_zone
        first, last = date.fromisoformat(counts.first), date.fromisoformat(counts.last)
        banned = bool(intersection(in_force, ((local_midnight(first, zone), after_day(last, zone)),)))
        return BucketRead(**dict(counts), banned=banned)

    def _concerned(self, ban: Evidence) -> set[str]:
        """Return the authorities that a ban binds or bound, and those whose clients' queries it decided."""
        return {each["authority"] for each in ban.dossier.bindings} | {
            day.authority for day in self._related.days(ban.row)
        }

    def _bindings(self, ban: Evidence) -> list[BoundRead]:
        fields = set(BoundRead.model_fields) - {"usage", "counts", "suspended"}
        counted, found = self._days[ban.row.number], []
        for each in ban.dossier.bindings:
            row, slug = self._related.bindings[each["number"]], each["authority"]
            if not self._time.touches(min(row.start_s, row.recorded_s), row.period.end):
                continue
            days = [one for one in counted.get(slug, ()) if one.ground == each["ground"]]
            found.append(
                BoundRead(
                    **{field: each[field] for field in fields},
                    usage=self._known[slug].usage_level,
                    counts=self._time.counted.counts(days),
                    suspended=self._suspended.spans(slug),
                )
            )
        return found

    def _exemptions(self, ban: Evidence) -> list[ExemptionReportRead]:
        fields = ExemptionReportRead.model_fields.keys() - {"end", "planned_end"}
        rows = self._related.exemptions
        return [
            ExemptionReportRead(
                **{field: each[field] for field in fields},
                end=timestamp_text(exemption_end(known)),
                planned_end=each["end"],
            )
            for each in ban.dossier.exemptions
            if self._time.touches(min((known := rows[each["number"]]).start_s, known.requested_s), known.period.end)
        ]

    def _shown(self, ban: Evidence) -> Days:
        found = defaultdict[str, list[Day]](list)
        for day in self._related.days(ban.row):
            if day.day <= last_shown_day(self._now_s, self._known[day.authority].time_zone):
                found[day.authority].append(day)
        return found

    def _objects(self, ban: Evidence) -> list[str]:
        """Return what the part names the acts on, but for the ban itself."""
        spans: Iterable[SuspensionSpanRead] = self._suspended.spans(ban.row.authority)
        numbers = {one.number for one in spans}
        numbers |= {one.number for bound in self._bound[ban.row.number] for one in bound.suspended}
        return [*self._related.objects(ban), *(f"suspension/{number}" for number in sorted(numbers))]

    def _acts_of(self, ban: Evidence) -> list[AuditRow]:
        """Return the acts on the ban, its bindings, exemptions and requests, and the suspensions that concern it."""
        own = (act for act in ban.acts if self._time.contains(act.time_s))
        local = (act for act in self._suspended.local_acts if made_at(act) >= self._time.within[0])
        return sorted((*own, *self._acts.on(self._objects(ban)), *local), key=lambda act: act.seq)


def _followed(ban: Evidence) -> set[str]:
    """Return the authorities whose bans the formal decisions about a ban follow. They may exist no longer."""
    decisions = [ban.dossier.ban["decision"], *(term["decision"] for term in ban.dossier.ban["terms"])]
    return {decision["follows"].partition("/")[0] for decision in decisions if decision["follows"]}
