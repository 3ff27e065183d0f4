"""What the reports of some bans of an authority rest on. The same queries read it for all of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, BanRow, BindingRow, ExemptionRow, RequestRow
from api.db.subjects import subject
from api.report.dossier import Dossier, concerns, dossiers, entries_on
from api.usage.repository import Day, days_by_ban
from dnsfilter.policy.intervals import Interval


@dataclass(frozen=True, slots=True)
class Evidence:
    """A ban with its dossier, and the acts on the ban itself, in order."""

    row: BanRow
    dossier: Dossier
    acts: Sequence[AuditRow]


def evidence(session: Session, rows: Iterable[BanRow]) -> list[Evidence]:
    """Return what is known of some bans, in their order."""
    wanted = {row.number: row for row in rows}
    found = {each.ban["number"]: each for each in dossiers(session, BanRow.number.in_(list(wanted)))}
    acts = _by_object(session, {each.object for each in found.values()})
    return [
        Evidence(row, found[number], [act for act in acts[found[number].object] if concerns(act, found[number])])
        for number, row in wanted.items()
    ]


class Related:
    """What concerns some bans of an authority: bindings, exemptions, requests and counted queries."""

    def __init__(self, session: Session, bans: Sequence[Evidence], first: date, last: date) -> None:
        self._session = session
        numbers = [ban.row.number for ban in bans]
        bound = select(BindingRow).where(BindingRow.ban.in_(numbers)).order_by(BindingRow.number)
        exempted = select(ExemptionRow).where(ExemptionRow.ban.in_(numbers))
        self.bindings = {row.number: row for row in session.scalars(bound)}
        self.exemptions = {row.number: row for row in session.scalars(exempted)}
        self._requests = self._requests_on([subject(ban.row) for ban in bans])
        self._days = self._counted(bans, first, last)

    def objects(self, ban: Evidence) -> list[str]:
        """Return the object names of a ban's bindings and exemptions, and of the requests to change it."""
        return [*ban.dossier.objects[1:], *self._requests.get(subject(ban.row), ())]

    def days(self, ban: BanRow) -> Sequence[Day]:
        """Return what a ban decided, by day and authority of the clients."""
        return self._days.get(ban.service, ())

    def _requests_on(self, objects: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found = defaultdict[str, list[str]](list)
        asked = select(RequestRow.object, RequestRow.number).where(RequestRow.object.in_(objects))
        for name, number in self._session.execute(asked.order_by(RequestRow.number)):
            found[name].append(f"request/{number}")
        return found

    def _counted(self, bans: Sequence[Evidence], first: date, last: date) -> Mapping[str, Sequence[Day]]:
        found = defaultdict[str, list[Day]](list)
        for owner in {ban.row.authority for ban in bans}:
            for day in days_by_ban(self._session, owner, [ban.row.service for ban in bans], first, last):
                found[day.service].append(day)
        return found


class Acts:
    """The acts on some objects in a time."""

    def __init__(self, session: Session, objects: Iterable[str], within: Interval) -> None:
        self._found = _by_object(session, set(objects), within)

    def on(self, objects: Iterable[str]) -> list[AuditRow]:
        """Return the acts on these objects, by object."""
        return [act for name in objects for act in self._found.get(name, ())]

    @property
    def all(self) -> list[AuditRow]:
        """Return all of them, in order."""
        return sorted(self.on(self._found), key=lambda act: act.seq)

    @property
    def accounts(self) -> set[int]:
        """Return the accounts that acted."""
        return {act.account for acts in self._found.values() for act in acts}


def _by_object(session: Session, objects: set[str], within: Interval | None = None) -> Mapping[str, list[AuditRow]]:
    found = defaultdict[str, list[AuditRow]](list)
    for act in entries_on(session, sorted(objects), within):
        found[act.object].append(act)
    return found
