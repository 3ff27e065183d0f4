"""Read the public register at a bounded cost: each one is made once a minute, or when something has changed."""

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.db.models import CheckpointRow
from api.errors import NotFound
from api.publish.repository import revision
from api.register import repository
from api.register.reading import read_register
from api.register.schemas import PublishedBanRead, RegisterRead
from dnsfilter.policy.model import Instant, Service

KEPT_S = 60
"""Seconds for which a register without changes stays as it was read: terms end by themselves."""
NO_REGISTER = "There is no such register."
"""It does not say whether there is such an authority."""


class Registers:
    """The registers of authorities as they were last read."""

    def __init__(self) -> None:
        self._state: tuple[int, int, int] | None = None
        self._read: dict[str, RegisterRead] = {}

    def get(self, session: Session, slug: str, services: Mapping[str, Service], now: Instant) -> RegisterRead:
        """Return the register of an authority. Raise NotFound if there is none, or the authority publishes none."""
        found = self.find(session, slug, services, now)
        if found is None:
            raise NotFound(NO_REGISTER)
        return found

    def find(self, session: Session, slug: str, services: Mapping[str, Service], now: Instant) -> RegisterRead | None:
        """Return the register of an authority, or None."""
        last = session.scalar(select(func.max(CheckpointRow.number))) or 0
        state = (revision(session), last, now // KEPT_S)
        if state != self._state:
            self._state, self._read = state, {}
        kept = self._read
        if slug not in kept:
            row = repository.find(session, slug)
            if row is None:
                return None
            kept[slug] = read_register(session, row, services, now)
        return kept[slug]

    def named_by(
        self, session: Session, reference: str, services: Mapping[str, Service], now: Instant
    ) -> list[tuple[RegisterRead, PublishedBanRead]]:
        """Return the published bans whose formal decision, or that of a term, has this reference."""
        found = []
        for authority, service in repository.named_by(session, reference):
            register = self.get(session, authority, services, now)
            found += [(register, ban) for ban in register.bans if ban.service == service]
        return found
