"""The rule of the second person: which acts wait for an approver, or need a reason. It is the only place that decides.

An act waits if it lifts a refusal in an authority that requires an approver. The policies before and after it are
compared, not its fields. Acts of administrators never wait; operations in `ALONE` need no second person.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import parse_qs

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.auth.judged_acts import NeedsSecondPerson, SentRequest
from api.auth.permit import Permit
from api.auth.roles import RoleScope
from api.auth.second_person import ALONE
from api.bans.requests import service
from api.bans.requests.reading import MAX_LIFTS, read_request
from api.bans.requests.schemas import LIFT
from api.db.base import Json
from api.db.models import AuthorityRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.publish.lifted_refusals import LiftedRefusal, lifted_refusals
from dnsfilter.policy.intervals import FOREVER, difference, union, until
from dnsfilter.policy.model import Mode, Policy
from dnsfilter.translatable import Text

MODE_ACTS = frozenset({"request.approve", *(f"{what}.set_{mode}" for what in ("ban", "list") for mode in Mode)})
"""Acts that only set modes. They need and keep reasons of their own, and cause notices of their own."""
_CLIENTS = ("authority", "site", "prefix", "funding", "audience", "service", "tier", "name")
"""The fields of a lifted refusal that say which queries of which clients."""


class _WaitsFor(NeedsSecondPerson):
    def __init__(self, wanted: service.Wanted) -> None:
        super().__init__(f"waits for an approver of {wanted.authority}")
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class _Rules:
    """What an authority requires of acts that lift refusals."""

    approver: bool
    reason: bool


class SecondPerson:
    """The rule, as the unit of work applies it."""

    def judge(
        self, unit: UnitOfWork, permit: Permit, before: Callable[[], Policy], after: Policy, sent: SentRequest
    ) -> None:
        """Let the acts of `unit` pass, and record what they lift; or raise `NeedsSecondPerson`.

        Raise `Invalid` without a required reason. Raise `Conflict` if a request would lift what it does not say.
        """
        if sent.operation in ALONE:
            return
        rules = _rules(unit.session, permit)
        if rules or unit.approval is not None:
            _PolicyComparison(unit, permit, rules).judge(before(), after, sent)

    def ask(self, unit: UnitOfWork, waits: NeedsSecondPerson) -> Json:
        """Record and return the request. Raise `Conflict` if one about the same object is waiting."""
        if not isinstance(waits, _WaitsFor):
            raise waits
        row = service.ask(unit, waits.wanted)
        return read_request(row, unit.now_s).model_dump(mode="json")


def _rules(session: Session, permit: Permit) -> Mapping[str, _Rules]:
    """Return the rules of the authorities for which the caller acts."""
    row = AuthorityRow
    statement = select(row.slug, row.off_needs_approver, row.off_needs_reason).where(
        or_(row.off_needs_approver, row.off_needs_reason)
    )
    acting_for = {held.authority for held in permit.caller.held if held.role in permit.rule.roles}
    if None not in acting_for:
        statement = statement.where(row.slug.in_(acting_for))
    return {slug: _Rules(approver, reason) for slug, approver, reason in session.execute(statement)}


def _with_approver(session: Session) -> Collection[str]:
    """Return the authorities that require an approver."""
    return session.scalars(select(AuthorityRow.slug).where(AuthorityRow.off_needs_approver)).all()


@dataclass(frozen=True, slots=True)
class _PolicyComparison:
    """The acts of a unit, and the rules of the authorities for which its caller acts."""

    unit: UnitOfWork
    permit: Permit
    rules: Mapping[str, _Rules]

    def judge(self, before: Policy, after: Policy, sent: SentRequest) -> None:
        approval = self.unit.approval
        # What an approver of one authority approves must not lift what an approver of another decides.
        deciders = self.rules.keys() if approval is None else {approval.authority, *_with_approver(self.unit.session)}
        lifted = lifted_refusals(before, after, deciders, self.unit.now_s)
        lifts = [_stored(item) for item in lifted]
        if approval is not None and not _within(lifts, approval.lifts):
            raise Conflict(
                Text(
                    "the policy has changed since this was requested: it would lift more than the request "
                    "says, or give other addresses. Reject the request; it can be made again"
                )
            )
        if not lifts:
            return
        authorities = {item.decider for item in lifted}
        reason = _reason(sent) if approval is None else approval.reason
        if approval is None:
            self._demand_reason(authorities, reason)
            self._demand_approver(authorities, sent, lifts, reason)
        if not self._sets_only_modes():
            shown = {"reason": reason, "lifts": lifts[:MAX_LIFTS], "lift_count": len(lifts)}
            self.unit.record(LIFT, self._object(sent), None, shown, *authorities)

    def _demand_approver(self, authorities: set[str], sent: SentRequest, lifts: list[Json], reason: str) -> None:
        waiting = sorted(slug for slug in authorities if self.rules[slug].approver)
        if not waiting or self.permit.caller.administers:
            return
        if len(waiting) > 1:
            named = " and ".join(waiting)
            raise Conflict(
                Text(
                    "approvers of {named} must each decide: make the change separately for each authority", named=named
                )
            )
        raise _WaitsFor(self._wanted(waiting[0], sent, lifts, reason))

    def _sets_only_modes(self) -> bool:
        return all(act.act in MODE_ACTS for act in self.unit.acts)

    def _demand_reason(self, authorities: set[str], reason: str) -> None:
        all_of_it = self.permit.rule.where is RoleScope.INSTALLATION
        needing = sorted(slug for slug in authorities if self.rules[slug].reason)
        if needing and not reason and not all_of_it and not self._sets_only_modes():
            raise Invalid.at(
                "query.reason",
                Text("{authority} requires a reason when less is refused: give one", authority=needing[0]),
            )

    def _wanted(self, authority: str, sent: SentRequest, lifts: list[Json], reason: str) -> service.Wanted:
        acts = [
            {"act": act.act, "object": act.subject, "before": act.before, "after": act.after} for act in self.unit.acts
        ]
        about, unit = self._object(sent), self.unit
        return service.Wanted(authority, about, sent, acts, unit.act_count, lifts, reason, unit.now_s)

    def _object(self, sent: SentRequest) -> str:
        """Return the list, service or object that all acts are about, or else the name of the operation."""
        # Acts on bans and bindings follow from the act on a list or its link, acts on updates from that on a service.
        for kinds in (("list.", "list_link."), ("service.",)):
            found = {act.subject for act in self.unit.acts if act.act.startswith(kinds)}
            if len(found) == 1:
                return found.pop()
        subjects = {act.subject for act in self.unit.acts if not act.act.startswith("request.")}
        return subjects.pop() if len(subjects) == 1 and self.unit.act_count <= len(self.unit.acts) else sent.operation


def _reason(sent: SentRequest) -> str:
    """Return the reason that a request gives, in its query or in its body."""
    given = parse_qs(sent.query).get("reason", [""])[0].strip()
    body = sent.json or {}
    return given or str(body.get("reason") or body.get("mode_reason") or "").strip()


def _stored(item: LiftedRefusal) -> Json:
    found = {**asdict(item), "end": None if item.end == FOREVER else item.end}
    del found["decider"]
    return found


def _within(lifts: Sequence[Json], asked: Sequence[Json]) -> bool:
    """Return whether all that is lifted was asked for, at those times and with those addresses."""
    held = _times(asked)
    return all(not difference(union(times), union(held.get(key, ()))) for key, times in _times(lifts).items())


def _times(lifts: Sequence[Json]) -> dict[tuple[object, ...], list[tuple[int, int]]]:
    found: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for item in lifts:
        key = *(item[name] for name in _CLIENTS), tuple(item["addresses"])
        found.setdefault(key, []).append((item["start"], until(item["end"])))
    return found
