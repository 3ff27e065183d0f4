"""What the database has and a policy file lacks: removed, or a fault if history would be lost."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from sqlalchemy import select

from api.authorities import service as authority_acts
from api.bans import service as ban_acts
from api.bindings.schemas import BindingState
from api.bindings.state import binding_state
from api.db.models import (
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    ListLinkRow,
    ProhibitedListRow,
    RangeRow,
    ServiceRow,
    SiteRow,
)
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, collect_faults
from api.exemptions.state import APPROVED, exemption_state
from api.lists import repository as lists
from api.lists import service as list_acts
from api.lists.state import is_over
from api.policies.filed_fleets import keep_fleet_names
from api.policies.recorded import is_allowed_name, is_exemption
from api.ranges import repository as ranges
from api.ranges import service as range_acts
from api.services import service as service_acts
from dnsfilter.policy.model import AllowedName, Exemption, Ground, Policy
from dnsfilter.policy.prohibited_lists import Lists
from dnsfilter.wire.names import parse_name

_ExemptionKey: TypeAlias = tuple[int, str, int]
"""Ban, site, start."""

Row = TypeVar("Row", BanRow, RangeRow, ServiceRow, AuthorityRow, SiteRow, ProhibitedListRow)


@dataclass(slots=True)
class LeftOut:
    """What a file lacks, after its own objects were recorded.

    `rows` has the row of each of its bans, by its number in the file. `links` are the numbers of its links on record.
    """

    unit: UnitOfWork
    wanted: Policy
    lists: Lists
    rows: Mapping[int, BanRow]
    links: Collection[int]
    binders: Mapping[str, tuple[str, ...]]
    faults: list[Fault]

    def remove(self) -> None:
        """Remove what the file lacks. What has begun stays, as a fault."""
        self.unit.session.flush()
        self._keep_begun()
        services = {service.slug for service in self.wanted.services}
        bans_kept = {(ban.authority, ban.service) for ban in self.wanted.bans}
        self._remove(
            BanRow,
            # A ban that was ended before it began is in no file.
            lambda row: (row.authority, row.service) in bans_kept or not row.decided_terms,
            lambda row: ban_acts.remove(self.unit, self.unit.session.get_one(AuthorityRow, row.authority), row),
        )
        self._remove(
            ServiceRow,
            lambda row: row.authority is None or row.slug in services,
            lambda row: service_acts.remove(self.unit, row),
        )
        lists_kept = {each.reference for each in self.lists.lists}
        self._remove(
            ProhibitedListRow, lambda row: row.reference in lists_kept or self._is_over(row), self._remove_list
        )
        exempted = ranges.exempted(self.unit.session, self.unit.now_s)
        ranges_kept = {(entry.site, str(entry.prefix)) for entry in self.wanted.ranges}
        self._remove(
            RangeRow,
            lambda row: (row.site, row.prefix) in ranges_kept,
            lambda row: range_acts.remove_known(self.unit, row, exempted, self.binders),
        )
        authorities_kept = {authority.slug for authority in self.wanted.authorities}
        self._remove(
            AuthorityRow,
            lambda row: row.slug in authorities_kept,
            lambda row: authority_acts.remove(self.unit, row),
        )
        self.remove_sites()

    def _is_over(self, row: ProhibitedListRow) -> bool:
        return is_over(row, lists.bans(self.unit.session, row.authority), self.unit.now_s)

    def _remove_list(self, row: ProhibitedListRow) -> None:
        if row.versions:
            raise Conflict("is adopted and not in the file: add it, or end it first")
        list_acts.remove(self.unit, row)

    def remove_sites(self) -> None:
        """Remove sites that the file lacks."""
        sites_kept = {site.slug for site in self.wanted.sites}
        self._remove(
            SiteRow,
            lambda row: row.slug in sites_kept,
            lambda row: range_acts.remove_site(self.unit, row),
        )

    def _remove(self, kind: type[Row], kept: Callable[[Row], bool], act: Callable[[Row], None]) -> None:
        for row in self.unit.session.scalars(select(kind)).all():
            if not kept(row):
                with collect_faults(self.faults, subject(row)):
                    act(row)
        self.unit.session.flush()

    def _keep_begun(self) -> None:
        """Report links, bindings and exemptions, in force now or later, that the file lacks.

        Skip those of a ban that was ended before it began: they have no effect and are in no file.
        """
        session, now_s = self.unit.session, self.unit.now_s
        idle = {row.number for row in session.scalars(select(BanRow)) if not row.decided_terms}
        numbers = {row.number: number for number, row in self.rows.items()}
        said = {(entry.ban, entry.authority, entry.ground, entry.start) for entry in self.wanted.bindings}
        for bound in session.scalars(select(BindingRow)).all():
            key = (numbers.get(bound.ban), bound.authority, Ground(bound.ground), bound.start_s)
            live = binding_state(bound, now_s) in (BindingState.IN_FORCE, BindingState.PLANNED)
            if live and bound.ban not in idle and key not in said:
                self.faults.append(Fault(subject(bound), "is not in the file: add it, or end it first"))
        for link in session.scalars(select(ListLinkRow)).all():
            if not link.period.has_ended(now_s) and link.number not in self.links:
                self.faults.append(Fault(subject(link), "is not in the file: add it, or end it first"))
        self._keep_allowed()
        keep_fleet_names(self.unit, self.wanted.fleet_names, self.faults)
        mine: defaultdict[_ExemptionKey, list[Exemption]] = defaultdict(list)
        for exemption in self.wanted.exemptions:
            if exemption.ban in self.rows:
                mine[self.rows[exemption.ban].number, exemption.site, exemption.start].append(exemption)
        for row in session.scalars(select(ExemptionRow)).all():
            live = exemption_state(row, now_s) in APPROVED
            known = mine[row.ban, row.site, row.start_s]
            if live and row.ban not in idle and not any(is_exemption(row, entry) for entry in known):
                self.faults.append(Fault(subject(row), "is not in the file: add it, or revoke it first"))

    def _keep_allowed(self) -> None:
        """Report allowed names, free now or later, that the file lacks."""
        mine: defaultdict[tuple[str, bytes], list[AllowedName]] = defaultdict(list)
        for allowed in self.wanted.allowed:
            mine[allowed.authority, allowed.name].append(allowed)
        for row in self.unit.session.scalars(select(AllowedNameRow)).all():
            wanted = mine[row.authority, parse_name(row.name)]
            live = not row.period.has_ended(self.unit.now_s)
            if live and not any(is_allowed_name(row, one) for one in wanted):
                self.faults.append(Fault(subject(row), "is not in the file: add it, or remove the name first"))
