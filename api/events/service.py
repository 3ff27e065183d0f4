"""Acts on webhooks. They are not part of the policy, so these acts make no revision."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select

from api.db.base import Json
from api.db.models import WebhookRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid, did_you_mean
from api.events import repository
from api.events.event_job import receiver_name
from api.events.event_types import TYPES
from api.http.parameters import demand_authority

MAX_WEBHOOKS = 50


def add(unit: UnitOfWork, url: str, authority: str | None, types: Sequence[str]) -> WebhookRow:
    """Add a webhook. Its first event is this act, if it wants such events.

    Raise Invalid if the authority or a type is unknown. Raise Conflict if there are too many webhooks.
    """
    session = unit.session
    if authority is not None:
        demand_authority(session, authority)
    unknown = [name for name in types if name not in TYPES]
    if unknown:
        raise Invalid.at("body.types", f'No event "{unknown[0]}".{did_you_mean(unknown[0], TYPES)}')
    if (session.scalar(select(func.count()).select_from(WebhookRow)) or 0) >= MAX_WEBHOOKS:
        raise Conflict(f"there are already {MAX_WEBHOOKS} webhooks: remove one first")
    row = WebhookRow(
        authority=authority,
        url=url,
        types=sorted(set(types)),
        nonce=secrets.token_hex(16),
        made_s=unit.now_s,
        revision=unit.revision,
    )
    session.add(row)
    session.flush()
    repository.keep(session, receiver_name(row.number), repository.newest(session))
    unit.note("webhook.add", _subject(row), None, _shown(row), *_concerned(row))
    return row


def remove(unit: UnitOfWork, row: WebhookRow) -> None:
    """Remove a webhook. Events that it has not got are not sent any more."""
    unit.note("webhook.remove", _subject(row), _shown(row), None, *_concerned(row))
    repository.forget(unit.session, receiver_name(row.number))
    unit.session.delete(row)


def _subject(row: WebhookRow) -> str:
    return receiver_name(row.number)


def _shown(row: WebhookRow) -> Json:
    return {"url": row.url, "authority": row.authority, "types": row.types}


def _concerned(row: WebhookRow) -> Sequence[str]:
    return () if row.authority is None else (row.authority,)
