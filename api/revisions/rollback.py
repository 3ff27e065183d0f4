"""Back to the ranges, modes, scopes and replies of an earlier revision, by the acts that single requests do.

Terms, bindings, exemptions, authorities, sites and what people may do stay as they are: what has begun is not
rewritten. Bans that did not exist then stay as they are, and so do those that exist no longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from api.audit.repository import of_revision
from api.bans import service as ban_acts
from api.bans.wanted_change import as_decided
from api.bindings.repository import binders
from api.db.models import AuditRow, AuthorityRow, BanRow, InstallationRow, RangeRow, SiteRow
from api.db.models.audit_log import INSTALLATION
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, NotFound, collect_faults
from api.publish.past_policies import kept_since, objects_at, ranges_at
from api.ranges import repository as ranges
from api.ranges import service as range_acts
from dnsfilter.policy.model import Range, Service


def roll_back(unit: UnitOfWork, number: int, reason: str, services: Mapping[str, Service]) -> list[AuditRow]:
    """Do the acts that restore the state of revision `number`, all or none; gives them.

    Raises NotFound for a revision that is not kept, and Conflict with everything that stands against it.
    """
    before = unit.revision
    since = kept_since(unit.session)
    if not since <= number <= before:
        raise NotFound(f"there is no revision {number} to go back to: kept are {since} to {before}")
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
    """A session forgets a row to which nobody refers, and would ask for this one anew with each act."""
    binders: Mapping[str, tuple[str, ...]]
    """By bound authority, whose bans are bound to it before any act of the run."""
    reason: str
    """Why a ban is switched off, if its authority wants a reason and nobody gave one at that time."""
    faults: list[Fault] = field(default_factory=list)

    def restore_ranges(self, wanted: tuple[Range, ...]) -> None:
        session = self.unit.session
        known = {(row.site, row.prefix): row for row in session.scalars(select(RangeRow))}
        exempted = ranges.exempted(session, self.unit.now_s)
        then = {(entry.site, str(entry.prefix)): entry for entry in wanted}
        for key, row in list(known.items()):
            entry = then.get(key)
            if entry is None or entry.authority != row.authority:
                with collect_faults(self.faults, f"range/{row.site}/{row.prefix}"):
                    range_acts.delete_known(self.unit, row, exempted, self.binders)
                    del known[key]
        # A prefix has one row: the old ones have to be gone before new ones come.
        session.flush()
        sites = set(session.scalars(select(SiteRow.slug)))
        # The rows: each range would ask for its authority's anew.
        authorities = {row.slug: row for row in session.scalars(select(AuthorityRow))}
        for key, entry in then.items():
            row_ = known.get(key)
            if row_ is not None and row_.authority != entry.authority:
                continue
            with collect_faults(self.faults, f"range/{entry.site}/{entry.prefix}"):
                if entry.site not in sites:
                    raise Conflict(f"site {entry.site} is registered no longer")
                if entry.authority not in authorities:
                    raise Conflict(f"authority {entry.authority} is registered no longer")
                range_acts.put_known(self.unit, entry, row_, self.binders)
        session.flush()

    def restore_bans(self, wanted: list[BanRow]) -> None:
        """The bans that exist now as they did then. `wanted` are rows of the past, which belong to no session."""
        then, now = {row.number: row for row in wanted}, self.unit.now_s
        for row in self.unit.session.scalars(select(BanRow).order_by(BanRow.number)).all():
            past = then.get(row.number)
            if past is None or as_decided(past, now) == as_decided(row, now):
                continue
            with collect_faults(self.faults, f"ban/{row.authority}/{row.service}"):
                service = self.services.get(row.service)
                if service is None:
                    raise Conflict(f"service {row.service} is in the catalogue no longer")
                owner = self.unit.session.get_one(AuthorityRow, row.authority)
                reason = self.reason if owner.off_needs_reason else ""
                ban_acts.put(self.unit, owner, service, row, as_decided(past, now, reason=reason))
