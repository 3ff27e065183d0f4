"""A policy file -> the contents of an empty database: the same acts as one by one, with an entry each, in less time.

What a file says was decided elsewhere. So exemptions come as approved and agreements as accepted where it says that
they are, terms, bindings and exemptions also where they are over, and authorities as closed; nothing is demanded that
whoever decides it here would have to give. Nothing has effect before it is recorded.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from api.authorities import service as authority_acts
from api.bans import service as ban_acts
from api.bans.change import BanChange
from api.bans.reading import decision_columns, shown_all
from api.bindings import service as binding_acts
from api.db.base import Json
from api.db.models import AuthorityRow, BanRow, InstallationRow, RangeRow, SiteRow
from api.db.models.record import INSTALLATION
from api.db.unit import Act, UnitOfWork
from api.errors import Conflict, Fault, Invalid, NotFound
from api.exemptions import service as exemption_acts
from api.ranges import service as range_acts
from api.succession import closing
from dnsfilter.policy.model import Ban, DecisionRecord, Policy, Service

NOTE = "loaded from a policy file"


def is_empty(session: Session) -> bool:
    """Whether the database holds no policy yet."""
    held = or_(exists().select_from(AuthorityRow), exists().select_from(RangeRow), exists().select_from(BanRow))
    return not session.scalar(select(held))


def load(unit: UnitOfWork, wanted: Policy, services: Mapping[str, Service]) -> list[Fault]:
    """Fill an empty database with a policy that has no problem; gives what stands against it.

    With faults the transaction is not to be committed.
    """
    # A session forgets a row to which nobody refers, and would ask for it anew for every object of the file.
    held = unit.session.get_one(InstallationRow, INSTALLATION)
    loading = _Loading(unit, wanted, services, held)
    # Nothing is registered in, or adopted by, an authority that is closed: that comes last.
    for step in (loading.register, loading.adopt, loading.bind, loading.exempt, loading.close):
        step()
        if loading.faults:
            break
    return loading.faults


@contextmanager
def faulty(faults: list[Fault], subject: str) -> Iterator[None]:
    """Turns what is raised about one object of a file into faults."""
    try:
        yield
    except Invalid as error:
        faults += [Fault(subject, fault.message) for fault in error.faults]
    except (Conflict, NotFound) as error:
        faults.append(Fault(subject, str(error)))


@dataclass(slots=True)
class _Loading:
    unit: UnitOfWork
    wanted: Policy
    services: Mapping[str, Service]
    installation: InstallationRow
    faults: list[Fault] = field(default_factory=list)
    owners: dict[str, AuthorityRow] = field(default_factory=dict)
    rows: dict[int, BanRow] = field(default_factory=dict)
    """The row of each ban by its number in the file."""

    def register(self) -> None:
        unit, session = self.unit, self.unit.session
        kept = {site.slug for site in self.wanted.sites}
        for held in session.scalars(select(SiteRow)).all():
            if held.slug not in kept:
                with faulty(self.faults, f"site/{held.slug}"):
                    range_acts.delete_site(unit, held)
        for site in self.wanted.sites:
            range_acts.put_site(unit, site.slug, site.name)
        authorities = [authority_acts.new_row(unit, authority) for authority in self.wanted.authorities]
        self.owners = {row.slug: row for row in authorities}
        session.add_all(authorities)
        self._record(
            Act("authority.register", f"authority/{row.slug}", None, authority_acts.shown(row), (row.slug,))
            for row in authorities
        )
        ranges = [range_acts.new_row(unit, entry) for entry in self.wanted.ranges]
        session.add_all(ranges)
        self._record(
            Act("range.register", f"range/{row.site}/{row.prefix}", None, range_acts.shown(row), (row.authority,))
            for row in ranges
        )

    def adopt(self) -> None:
        """Adopt the bans, in the order of the file: where two are alike, the lower number decides."""
        for ban in self.wanted.bans:
            with faulty(self.faults, _of_ban(ban)):
                owner, service = self.owners[ban.authority], self.services[ban.service]
                self.rows[ban.number] = ban_acts.new_row(self.unit, owner, service, _change(ban))
        try:
            TopologicalSorter({ban.number: _followed(ban) for ban in self.wanted.bans}).prepare()
        except CycleError as error:
            circle = next(ban for ban in self.wanted.bans if ban.number in error.args[1])
            self.faults.append(Fault(_of_ban(circle), "bans cannot follow each other in a circle"))
        if self.faults:
            return
        self.unit.session.add_all(self.rows.values())
        self.unit.session.flush()
        # A ban may follow one that comes later in the file: numbers are known only now.
        for ban in self.wanted.bans:
            if _followed(ban):
                self._set_followed(ban, self.rows[ban.number])
        self.unit.session.flush()
        zones = {slug: row.time_zone for slug, row in self.owners.items()}
        shown = shown_all(self.unit.session, list(self.rows.values()), self.unit.now_s, zones)
        self._record(_adoption(ban, after) for ban, after in zip(self.wanted.bans, shown, strict=True))

    def _set_followed(self, ban: Ban, row: BanRow) -> None:
        def columns(decision: DecisionRecord) -> Json:
            number = None if decision.follows is None else self.rows[decision.follows].number
            return decision_columns(replace(decision, follows=number))

        row.decision = columns(ban.decision)
        for held, term in zip(row.terms, ban.terms, strict=True):
            held.decision = columns(term.decision)

    def bind(self) -> None:
        for binding in self.wanted.bindings:
            row = self.rows[binding.ban]
            with faulty(self.faults, f"binding of {row.authority}/{row.service} to {binding.authority}"):
                binding_acts.load(self.unit, row, binding)

    def exempt(self) -> None:
        for exemption in self.wanted.exemptions:
            row = self.rows[exemption.ban]
            with faulty(self.faults, f"exemption from {row.authority}/{row.service}"):
                time_zone = exemption.time_zone or self.owners[row.authority].time_zone
                exemption_acts.load(self.unit, row, exemption, time_zone, NOTE)

    def close(self) -> None:
        for authority in self.wanted.authorities:
            if authority.closing is not None:
                with faulty(self.faults, f"authority/{authority.slug}"):
                    closing.load(self.unit, self.owners[authority.slug], authority.closing)

    def _record(self, acts: Iterable[Act]) -> None:
        self.unit.record_all(acts, lambda _count: None)


def _change(ban: Ban) -> BanChange:
    """What the file says of a ban, but what it follows."""
    return BanChange(
        mode=ban.mode,
        off_until=ban.off_until,
        reply=ban.reply,
        addresses=tuple(str(address) for address in ban.addresses),
        tiers=ban.tiers,
        funding=ban.funding,
        audience=ban.audience,
        decision=replace(ban.decision, follows=None),
        terms=tuple(replace(term, decision=replace(term.decision, follows=None)) for term in ban.terms),
        provisional=ban.provisional,
        loaded=True,
    )


def _followed(ban: Ban) -> set[int]:
    """The numbers in the file of the bans that decisions about the ban follow."""
    decisions = (ban.decision, *(term.decision for term in ban.terms))
    return {decision.follows for decision in decisions if decision.follows is not None}


def _adoption(ban: Ban, after: Json) -> Act:
    act = "ban.adopt_provisionally" if ban.provisional else "ban.adopt"
    return Act(act, _of_ban(ban), None, after, (ban.authority,))


def _of_ban(ban: Ban) -> str:
    return f"ban/{ban.authority}/{ban.service}"
