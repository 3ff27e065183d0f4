"""The dossier of a ban: the ban with its authority, bindings and exemptions, its life, and the acts on it.

It has no field that depends on the time of reading, such as whether the ban is in force.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from api.authorities.repository import by_slug
from api.authorities.service import shown as shown_authority
from api.bans.reading import read_bans
from api.bindings.reading import NOT_STORED, read_binding
from api.db.base import Json
from api.db.models import AuditRow, BanRow, BindingRow, ExemptionRow
from api.exemptions.reading import shown_exemption
from dnsfilter.policy.intervals import Interval

BATCH = 500
"""Number of audit entries in memory at once."""
_HOURLY = {"state", "ending", "notes", "revision"}


@dataclass(frozen=True, slots=True)
class Dossier:
    """A ban with its authority, bindings and exemptions, each as the API shows it."""

    ban: Json
    authority: Json
    bindings: Sequence[Json]
    exemptions: Sequence[Json]

    @property
    def reference(self) -> str:
        """Return `authority/service`."""
        return f"{self.ban['authority']}/{self.ban['service']}"

    @property
    def life(self) -> list[tuple[str, str]]:
        """Return the past and planned events of the ban, with their instants, in order."""
        return sorted(_life(self))

    @property
    def name(self) -> str:
        """Return the base name of the ban's report files in the archive."""
        # Not every file system allows a colon, which an own service has in its slug.
        return f"{self.ban['number']:06}-{self.ban['authority']}-{self.ban['service'].replace(':', '-')}"

    @property
    def object(self) -> str:
        """Return the object name of acts on the ban itself. Removed bans of the same service have the same name."""
        return f"ban/{self.reference}"

    @property
    def objects(self) -> list[str]:
        """Return the object names of acts on the ban, its bindings and its exemptions."""
        bindings = [f"binding/{binding['number']}" for binding in self.bindings]
        return [self.object, *bindings, *(f"exemption/{item['number']}" for item in self.exemptions)]


def dossiers(session: Session, *conditions: ColumnElement[bool]) -> list[Dossier]:
    """Return the dossiers of all bans that meet the conditions, by number."""
    wanted = select(BanRow.number).where(*conditions)
    rows = session.scalars(select(BanRow).where(*conditions).order_by(BanRow.number)).all()
    bound = session.scalars(select(BindingRow).where(BindingRow.ban.in_(wanted)).order_by(BindingRow.number)).all()
    authorities = by_slug(session, {ban.authority for ban in rows} | {binding.authority for binding in bound})
    zones = {slug: row.time_zone for slug, row in authorities.items()}
    # The instant 0 does not matter: fields that depend on it are left out.
    bans = read_bans(session, rows, 0, zones, frozenset())
    references = {row.number: f"{row.authority}/{row.service}" for row in rows}
    bindings, exemptions = defaultdict[int, list[Json]](list), defaultdict[int, list[Json]](list)
    for binding in bound:
        read = read_binding(binding, references[binding.ban], 0, zones[binding.authority])
        bindings[binding.ban].append(read.model_dump(mode="json", exclude=NOT_STORED | _HOURLY))
    exempted = select(ExemptionRow).where(ExemptionRow.ban.in_(wanted)).order_by(ExemptionRow.number)
    for exemption in session.scalars(exempted):
        exemptions[exemption.ban].append(shown_exemption(exemption, references[exemption.ban]))
    return [
        Dossier(
            ban.model_dump(mode="json", exclude=_HOURLY),
            shown_authority(authorities[ban.authority]),
            bindings[ban.number],
            exemptions[ban.number],
        )
        for ban in bans
    ]


def acts_of(session: Session, dossier: Dossier) -> Iterator[AuditRow]:
    """Return the entries on a ban, its bindings and its exemptions, in order."""
    return (row for row in entries_on(session, dossier.objects) if concerns(row, dossier))


def entries_on(session: Session, objects: Sequence[str], within: Interval | None = None) -> Iterator[AuditRow]:
    """Return the entries on some objects, in order; with `within` those that were made in that time."""
    statement = select(AuditRow).where(AuditRow.object.in_(objects)).order_by(AuditRow.seq)
    if within is not None:
        statement = statement.where(AuditRow.time_s >= within[0], AuditRow.time_s < within[1])
    return iter(session.scalars(statement.execution_options(yield_per=BATCH)))


def concerns(row: AuditRow, dossier: Dossier) -> bool:
    """Return whether an entry on one of the ban's objects is about this ban.

    Entries on a removed ban of the same service were recorded under the same name.
    """
    numbers = {body["number"] for body in (row.before, row.after) if body is not None and "number" in body}
    return row.object != dossier.object or numbers <= {dossier.ban["number"]}


def _life(dossier: Dossier) -> Iterator[tuple[str, str]]:
    for number, term in enumerate(dossier.ban["terms"], start=1):
        yield term["recorded"], f"term {number} is recorded"
        yield from _span(f"term {number}", term)
        if term["review_by"] is not None:
            yield term["review_by"], f"term {number} is due for review"
    if dossier.ban["off_until"] is not None:
        yield dossier.ban["off_until"], f"the mode {dossier.ban['returns_to']} returns"
    for binding in dossier.bindings:
        name = f"binding {binding['number']} ({binding['authority']})"
        yield binding["recorded"], f"{name} is recorded"
        if binding["accepted"] is not None:
            yield binding["accepted"], f"{name} is accepted"
        yield from _span(name, binding)
    for exemption in dossier.exemptions:
        name = f"exemption {exemption['number']}"
        for step in ("requested", "approved", "rejected", "revoked"):
            if exemption[step] is not None:
                yield exemption[step], f"{name} is {step}"
        if exemption["approved"] is not None:
            yield exemption["start"], f"{name} begins"
        if exemption["approved"] is not None and exemption["revoked"] is None:
            yield exemption["end"], f"{name} ends"


def _span(name: str, item: Json) -> Iterator[tuple[str, str]]:
    yield item["start"], f"{name} begins"
    if item["ended"] is not None:
        yield item["ended"], f"{name} ends early: {item['ended_reason']}"
    elif item["end"] is not None:
        yield item["end"], f"{name} ends"
