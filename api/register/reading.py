"""Convert rows to what the public register shows."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from api.audit.service import checkpoint_of, identity
from api.bans.state import is_held, live_terms, mode_setting_at, state_of
from api.db.base import Json
from api.db.models import AuthorityRow, BanRow, TermRow
from api.peers import repository as peers
from api.peers.reading import read_holding
from api.peers.schemas import PeerState
from api.peers.state import peer_state
from api.register import repository
from api.register.schemas import (
    PublishedBanRead,
    PublishedCheckpointRead,
    PublishedDecisionRead,
    PublishedExemptionsRead,
    PublishedHoldingRead,
    PublishedTermRead,
    RegisterEntryRead,
    RegisterRead,
)
from api.suspensions.repository import suspended
from api.suspensions.state import is_suspended
from api.timestamps import optional_text, through, timestamp_text
from dnsfilter.policy.model import Instant, Kind, Mode, Reply, Service

_DECISION = frozenset(PublishedDecisionRead.model_fields)
_NO_EXEMPTION = (0, None)


def read_entry(row: AuthorityRow) -> RegisterEntryRead:
    """Return an authority as the list of registers shows it."""
    return RegisterEntryRead(authority=row.slug, kind=Kind(row.kind), names=row.names)


def read_register(session: Session, row: AuthorityRow, services: Mapping[str, Service], now: Instant) -> RegisterRead:
    """Return the register of an authority."""
    return RegisterRead(
        **read_entry(row).model_dump(),
        languages=row.languages,
        time_zone=row.time_zone,
        contact=row.contact,
        as_of=timestamp_text(now),
        bans=_bans(session, row, services, now),
        checkpoint=_checkpoint(session),
        holds=_holds(session),
    )


def _bans(
    session: Session, owner: AuthorityRow, services: Mapping[str, Service], now: Instant
) -> list[PublishedBanRead]:
    exempted = repository.exemptions(session, owner.slug, now)
    stopped = is_suspended(owner.slug, suspended(session, now))
    found = []
    for row in repository.bans(session, owner.slug):
        if is_held(row.terms, now):
            service = services.get(row.service)
            count, until = exempted.get(row.number, _NO_EXEMPTION)
            mode = mode_setting_at(row, now).mode
            terms = sorted(live_terms(row.terms, now), key=lambda term: (term.start_s, term.id or 0))
            found.append(
                PublishedBanRead(
                    service=row.service,
                    service_name=row.service if service is None else service.name,
                    state=state_of(row.terms, now, suspended=stopped, off=mode is Mode.OFF),
                    mode=mode,
                    reply=Reply(row.reply),
                    provisional=row.provisional,
                    decision=_decision(row.decision),
                    terms=[_term(row, term, owner.time_zone) for term in terms],
                    exemptions=PublishedExemptionsRead(count=count, until=optional_text(until)),
                )
            )
    return found


def _term(row: BanRow, term: TermRow, time_zone: str) -> PublishedTermRead:
    end = term.period.end
    return PublishedTermRead(
        start=timestamp_text(term.start_s),
        end=optional_text(end),
        through=through(end, time_zone),
        review_by=optional_text(term.review_by_s),
        decision=_decision(term.decision if term.decision.get("reference") else row.decision),
    )


def _decision(stored: Json) -> PublishedDecisionRead:
    """Return a formal decision without the ban that it follows: that one's authority may publish nothing."""
    return PublishedDecisionRead(**{name: text for name, text in stored.items() if name in _DECISION})


def _holds(session: Session) -> list[PublishedHoldingRead]:
    held = peers.holdings(session)
    return [
        PublishedHoldingRead(
            **read_holding(held[row.name]).model_dump(),
            name=row.name,
            url=row.url,
            continues=peer_state(row) is not PeerState.BROKEN,
        )
        for row in peers.peers(session)
        if row.name in held and row.ended_s is None
    ]


def _checkpoint(session: Session) -> PublishedCheckpointRead | None:
    row = repository.last_checkpoint(session)
    return None if row is None else PublishedCheckpointRead(**checkpoint_of(row, identity(session)).fields)
