"""Restore ranges, modes, scopes and replies of an earlier revision, by the acts of single requests.

Terms, bindings, exemptions, authorities, sites and grants stay as they are: what has begun is not rewritten. So do own
services, single names, prohibited lists and fleets. Bans that did not exist then, or no longer exist, stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from api.audit.repository import of_revision
from api.bans import service as ban_acts
from api.bans.state import has_lapsed
from api.bans.wanted_change import as_decided
from api.bindings.repository import binders
from api.db.models import AuditRow, AuthorityRow, BanRow, InstallationRow, RangeRow, SiteRow
from api.db.models.audit_log import INSTALLATION
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, NotFound, collect_faults
from api.publish.past_policies import objects_at, ranges_at
from api.ranges import repository as ranges
from api.ranges import service as range_acts
from dnsfilter.policy.fleets import is_fleet, is_fleet_text
from dnsfilter.policy.model import Range, Service


def roll_back(unit: UnitOfWork, number: int, reason: str, services: Mapping[str, Service]) -> list[AuditRow]:
    """Do the acts that restore the state of revision `number`, all or none; return them.

    Raise `NotFound` if the revision is not stored, and `Conflict` with everything that prevents the rollback.
    """
    before = unit.revision
    if number > before:
        raise NotFound(f"revision {number} cannot be restored: choose one from 0 to {before}")
    installation = unit.session.get_one(InstallationRow, INSTALLATION)
    run = _Run(unit, services, installation, binders(unit.session, unit.now_s), reason)
    run.restore_ranges(ranges_at(unit.session, number))
    run.restore_bans(objects_at(unit.session, BanRow, number))
    if run.faults:
        raise Conflict(f"revision {number} cannot be restored", run.faults)
    if not unit.acted:
        return []
    unit.session.flush()
    acts = list(of_revision(unit.session, unit.revision))
    unit.record(
        "policy.rollback",
        "policy",
        {"revision": before},
        {"restored": number, "reason": reason, "acts": len(acts)},
    )
    return acts


@dataclass(slots=True)
class _Run:
    unit: UnitOfWork
    services: Mapping[str, Service]
    held: InstallationRow
    """Kept alive: a session drops an unreferenced row and would query this one again with each act."""
    binders: Mapping[str, tuple[str, ...]]
    """Map each bound authority to those whose bans are bound to it, before any act of the run."""
    reason: str
    """Reason for switching a ban off, if its authority requires one and none was given then."""
    faults: list[Fault] = field(default_factory=list)

    def restore_ranges(self, wanted: tuple[Range, ...]) -> None:
        session = self.unit.session
        rows = session.scalars(select(RangeRow)).all()
        known = {(row.site, row.prefix): row for row in rows if not is_fleet_text(row.prefix)}
        exempted = ranges.exempted(session, self.unit.now_s)
        then = {(entry.site, str(entry.prefix)): entry for entry in wanted if not is_fleet(entry.prefix)}
        for key, row in list(known.items()):
            entry = then.get(key)
            if entry is None or entry.authority != row.authority:
                with collect_faults(self.faults, subject(row)):
                    range_acts.remove_known(self.unit, row, exempted, self.binders)
                    del known[key]
        # A prefix has one row: delete the old ones before adding new ones.
        session.flush()
        sites = set(session.scalars(select(SiteRow.slug)))
        # Load the rows: otherwise each range would query its authority again.
        authorities = {row.slug: row for row in session.scalars(select(AuthorityRow))}
        for key, entry in then.items():
            row_ = known.get(key)
            if row_ is not None and row_.authority != entry.authority:
                continue
            with collect_faults(self.faults, f"range/{entry.site}/{entry.prefix}"):
                if entry.site not in sites:
                    raise Conflict(f"site {entry.site} is no longer registered: register it first")
                if entry.authority not in authorities:
                    raise Conflict(f"authority {entry.authority} is no longer registered: register it first")
                range_acts.put_known(self.unit, entry, row_, self.binders)
        session.flush()

    def restore_bans(self, wanted: list[BanRow]) -> None:
        """Restore the existing bans to what they were. `wanted` are past rows, which belong to no session."""
        then, now = {row.number: row for row in wanted}, self.unit.now_s
        for row in self.unit.session.scalars(select(BanRow).order_by(BanRow.number)).all():
            past = then.get(row.number)
            if past is None or as_decided(past, now) == as_decided(row, now):
                continue
            service = self.services.get(row.service)
            if service is None and has_lapsed(row.terms, now):
                # An own service can be removed once its bans have ended. They refuse nothing, as they would then.
                continue
            with collect_faults(self.faults, subject(row)):
                if service is None:
                    raise Conflict(f"service {row.service} is no longer in the catalogue")
                owner = self.unit.session.get_one(AuthorityRow, row.authority)
                reason = self.reason if owner.off_needs_reason else ""
                ban_acts.put(self.unit, owner, service, row, as_decided(past, now, reason=reason))
