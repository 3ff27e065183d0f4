"""Looks through what is registered of an authority for what is missing. Reads only."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.auth.permissions import Role
from api.bans.standing import State, state_of
from api.db.models import AccountRow, AuthorityRow, BanRow, GrantRow, NodeRow, RangeRow, SpaceRow
from api.onboarding.schemas import OnboardingRead, Step, StepRead
from dnsfilter.policy.calendar import zone
from dnsfilter.policy.model import Instant


def onboarding(session: Session, row: AuthorityRow, now_s: Instant) -> OnboardingRead:
    """What the authority has of what it needs at `now_s`."""
    steps = [*_itself(row), *_networks(session, row.slug), _ban(session, row.slug, now_s)]
    steps += [*_people(session, row.slug, now_s), _nodes(session, row.slug)]
    return OnboardingRead(authority=row.slug, complete=all(step.done for step in steps), steps=steps)


def _step(step: Step, found: Sequence[str], todo: str) -> StepRead:
    """A step; it is done where nothing is to be done."""
    return StepRead(step=step, done=not todo, found=", ".join(found), todo=todo)


def _itself(row: AuthorityRow) -> Iterator[StepRead]:
    without = [language for language in row.languages if language not in row.names]
    todo = f"give its name in {', '.join(without)}: refusals and notices use all of its languages" if without else ""
    yield _step(Step.NAMES, [f"{tag}: {name}" for tag, name in row.names.items()], todo)
    todo = "" if row.contact else "name a function that answers questions, never a person"
    yield _step(Step.CONTACT, [row.contact] if row.contact else [], todo)
    yield _step(Step.TIME_ZONE, [row.time_zone], "" if _is_zone(row.time_zone) else "name its time zone")


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except ValueError:
        return False
    return True


def _networks(session: Session, slug: str) -> Iterator[StepRead]:
    spaces = session.scalars(select(SpaceRow.prefix).where(SpaceRow.authority == slug).order_by(SpaceRow.id)).all()
    yield _step(Step.SPACE, _first(spaces), "" if spaces else "allot space, in which its operators register ranges")
    kinds = session.execute(select(RangeRow.audience, RangeRow.funding).where(RangeRow.authority == slug))
    counted = Counter(f"{row.audience}, {row.funding}" for row in kinds)
    found = [f"{count} ({kind})" for kind, count in sorted(counted.items())]
    todo = "" if found else "register its networks, with who paid for the devices there and who uses them"
    yield _step(Step.RANGES, found, todo)


def _first(texts: Sequence[str], most: int = 3) -> list[str]:
    """A few of many."""
    more = len(texts) - most
    return [*texts[:most], f"and {more} more"] if more > 0 else list(texts)


def _ban(session: Session, slug: str, now_s: Instant) -> StepRead:
    rows = session.scalars(select(BanRow).where(BanRow.authority == slug).order_by(BanRow.service)).all()
    states = {row.service: state_of(row.terms, now_s, suspended=False) for row in rows}
    live = [f"{service} ({str(state).replace('_', ' ')})" for service, state in states.items() if state != State.LAPSED]
    return _step(Step.BAN, _first(live), "" if live else "record its decision: a ban that holds now or will")


def _people(session: Session, slug: str, now_s: Instant) -> Iterator[StepRead]:
    operators, approvers = (_holders(session, slug, role, now_s) for role in (Role.OPERATOR, Role.APPROVER))
    todo = "" if operators else "grant somebody the role operator of it"
    yield _step(Step.OPERATOR, _accounts(operators), todo)
    todo = "" if approvers else "grant somebody the role approver of it"
    if approvers and len(operators | approvers) < 2:
        todo = "grant a second person a role: nobody approves a request of their own"
    yield _step(Step.APPROVER, _accounts(approvers), todo)


def _holders(session: Session, slug: str, role: Role, now_s: Instant) -> set[int]:
    statement = (
        select(GrantRow.account)
        .join(AccountRow, AccountRow.id == GrantRow.account)
        .where(
            GrantRow.authority == slug,
            GrantRow.role == str(role),
            GrantRow.start_s <= now_s,
            or_(GrantRow.end_s.is_(None), GrantRow.end_s > now_s),
            or_(GrantRow.ended_s.is_(None), GrantRow.ended_s > now_s),
            AccountRow.disabled_s.is_(None),
        )
    )
    return set(session.scalars(statement))


def _accounts(numbers: set[int]) -> list[str]:
    return _first([f"account {number}" for number in sorted(numbers)])


def _nodes(session: Session, slug: str) -> StepRead:
    sites = {
        *session.scalars(select(RangeRow.site).where(RangeRow.authority == slug).distinct()),
        *session.scalars(select(SpaceRow.site).where(SpaceRow.authority == slug).distinct()),
    }
    nodes = session.execute(
        select(NodeRow.site, NodeRow.name)
        .where(NodeRow.site.in_(sites), NodeRow.removed_s.is_(None), NodeRow.enrolled_s.is_not(None))
        .order_by(NodeRow.name)
    ).all()
    without = sorted(sites - {node.site for node in nodes})
    todo = f"enrol a node at {', '.join(_first(without))}" if without else ""
    return _step(
        Step.NODE,
        _first([f"{node.name} at {node.site}" for node in nodes]),
        todo or ("" if sites else "register a range first: nodes are asked for at its sites"),
    )
