"""Find out what an authority still needs. Read only."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.accounts.repository import held_grants, names
from api.auth.roles import Role
from api.authorities.schemas import AuthorityState
from api.authorities.state import authority_state
from api.bans.schemas import State
from api.bans.state import mode_setting_at, state_of
from api.db.models import AuthorityRow, BanRow, NodeRow, RangeRow, SpaceRow
from api.delivery.destinations import is_mailbox
from api.http.prefixes import maps_by_site
from api.onboarding.schemas import OnboardingRead, Step, StepRead
from api.timestamps import optional_text
from dnsfilter.policy.calendar import zone
from dnsfilter.policy.device_phrase import use_words
from dnsfilter.policy.model import Instant, Mode


def onboarding(session: Session, row: AuthorityRow, now_s: Instant, *, named: bool) -> OnboardingRead:
    """Return the steps of an authority at `now_s`, with names of accounts and nodes if `named`.

    A closed authority has no steps.
    """
    state = authority_state(row, now_s)
    steps: list[StepRead] = []
    if state is not AuthorityState.CLOSED:
        steps += [*_itself(row), *_networks(session, row.slug), _ban(session, row.slug, now_s)]
        steps += [*_people(session, row.slug, now_s, named=named), _nodes(session, row.slug, named=named)]
    return OnboardingRead(
        authority=row.slug,
        state=state,
        closes=optional_text(row.closes_s),
        complete=state is AuthorityState.OPEN and all(step.done for step in steps),
        steps=steps,
    )


def _step(step: Step, found: Sequence[str], todo: str) -> StepRead:
    """Return a step, which is done if nothing is to do."""
    return StepRead(step=step, done=not todo, found=", ".join(found), todo=todo)


def _itself(row: AuthorityRow) -> Iterator[StepRead]:
    without = [language for language in row.languages if language not in row.names]
    todo = f"give its name in {', '.join(without)}: refusals and notices use all its languages" if without else ""
    yield _step(Step.NAMES, [f"{tag}: {name}" for tag, name in row.names.items()], todo)
    todo = "" if row.contact else "give the contact of a function that answers questions, never a person"
    if row.contact and not is_mailbox(row.contact):
        todo = f"give the mail address of a function: notices cannot be sent to {row.contact!r}"
    yield _step(Step.CONTACT, [row.contact] if row.contact else [], todo)
    yield _step(Step.TIME_ZONE, [row.time_zone], "" if _is_zone(row.time_zone) else "give its time zone")


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except ValueError:
        return False
    return True


def _networks(session: Session, slug: str) -> Iterator[StepRead]:
    spaces = session.scalars(select(SpaceRow.prefix).where(SpaceRow.authority == slug).order_by(SpaceRow.id)).all()
    columns = (RangeRow.site, RangeRow.prefix, RangeRow.audience, RangeRow.funding)
    ranges = session.execute(select(*columns).where(RangeRow.authority == slug).order_by(RangeRow.id)).all()
    outside = _outside(session, slug, [(row.site, row.prefix) for row in ranges]) if spaces else []
    todo = "" if spaces else "allot space in which its operators can register ranges"
    if outside:
        todo = f"allot space around {', '.join(_first(outside))}: its operators cannot change ranges outside its space"
    yield _step(Step.SPACE, _first(spaces), todo)
    counted = Counter(use_words(row.audience, row.funding) for row in ranges)
    found = [f"{count} ({kind})" for kind, count in sorted(counted.items())]
    todo = "" if found else "register its networks, with who paid for the devices there and who uses them"
    yield _step(Step.RANGES, found, todo)


def _outside(session: Session, slug: str, ranges: Sequence[tuple[str, str]]) -> list[str]:
    """Return its ranges that are not in its own space."""
    rows = session.execute(select(SpaceRow.site, SpaceRow.prefix, SpaceRow.authority))
    owners = maps_by_site((row.site, ip_network(row.prefix), row.authority) for row in rows)

    def is_own(site: str, prefix: str) -> bool:
        return site in owners and owners[site].of(ip_network(prefix)) == slug

    return [f"{prefix} at {site}" for site, prefix in ranges if not is_own(site, prefix)]


def _first(texts: Sequence[str], most: int = 3) -> list[str]:
    """Return the first few texts, and the number of the others."""
    more = len(texts) - most
    return [*texts[:most], f"and {more} more"] if more > 0 else list(texts)


def _ban(session: Session, slug: str, now_s: Instant) -> StepRead:
    rows = session.scalars(select(BanRow).where(BanRow.authority == slug).order_by(BanRow.service)).all()
    states = [(row, state_of(row.terms, now_s, suspended=False, off=False)) for row in rows]
    live = [(row.service, state, mode_setting_at(row, now_s).mode) for row, state in states if state != State.LAPSED]
    found = [
        f"{service} ({'off' if mode is Mode.OFF else str(state).replace('_', ' ')})" for service, state, mode in live
    ]
    todo = "" if live else "adopt a ban that is in force now or later"
    if live and all(mode is Mode.OFF for _, _, mode in live):
        todo = "set the mode of its ban to enforce or monitor: a ban that is off does nothing"
    return _step(Step.BAN, _first(found), todo)


def _people(session: Session, slug: str, now_s: Instant, *, named: bool) -> Iterator[StepRead]:
    operators, approvers = (
        {row.account for row in held_grants(session, role, slug, now_s)} for role in (Role.OPERATOR, Role.APPROVER)
    )
    logins = _logins(session, operators | approvers) if named else {}
    todo = "" if operators else "grant somebody the role operator in it"
    yield _step(Step.OPERATOR, _accounts(operators, logins), todo)
    todo = "" if approvers else "grant somebody the role approver in it"
    if approvers and len(operators | approvers) < 2:
        todo = "grant a second person a role: nobody can approve their own request"
    yield _step(Step.APPROVER, _accounts(approvers, logins), todo)


def _logins(session: Session, accounts: set[int]) -> dict[int, str]:
    """Return the logins of these accounts, without those that were erased."""
    return {number: row.login for number, row in names(session, accounts).items()}


def _accounts(numbers: set[int], logins: Mapping[int, str]) -> list[str]:
    return _first([logins.get(number, f"account {number}") for number in sorted(numbers)])


def _nodes(session: Session, slug: str, *, named: bool) -> StepRead:
    sites = {
        *session.scalars(select(RangeRow.site).where(RangeRow.authority == slug).distinct()),
        *session.scalars(select(SpaceRow.site).where(SpaceRow.authority == slug).distinct()),
    }
    enrolled = session.execute(
        select(NodeRow.site, NodeRow.name, NodeRow.seen_s)
        .where(NodeRow.site.in_(sites), NodeRow.sql_is_enrolled())
        .order_by(NodeRow.name)
    ).all()
    # A node that has never reported has no snapshot and serves nobody.
    seen = [node for node in enrolled if node.seen_s is not None]
    served = {node.site for node in seen}
    idle = [_node_words(node.name, node.site, named=named) for node in enrolled if node.site not in served]
    without = sorted(sites - {node.site for node in enrolled})
    wanted = [f"enrol a node at {', '.join(_first(without))}"] if without else []
    wanted += [f"start {', '.join(_first(idle))}: it has enrolled but never reported"] if idle else []
    todo = "; ".join(wanted)
    return _step(
        Step.NODE,
        _first([_node_words(node.name, node.site, named=named) for node in seen]),
        todo or ("" if sites else "register a range first: its sites need nodes"),
    )


def _node_words(name: str, site: str, *, named: bool) -> str:
    return f"{name if named else 'a node'} at {site}"
