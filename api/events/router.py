"""/v1/webhooks: receivers of events."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from api.db.models import WebhookRow
from api.events import repository, service
from api.events.event_job import EventJob, receiver_name
from api.events.schemas import WebhookMade, WebhookRead, WebhookWrite
from api.events.webhook_signature import secret_bytes, secret_text
from api.http.dependencies import RuntimeDep, UnitDep, part_of, tag
from api.http.path_rows import by_number, row_to_change, row_to_read
from api.http.permits import Administrator, Auditor
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page
from api.timestamps import timestamp_text

router = APIRouter(route_class=Route, prefix="/v1/webhooks", tags=["events"])

Shown = Annotated[WebhookRow, row_to_read(by_number, repository.webhook)]
Changed = Annotated[WebhookRow, row_to_change(by_number, repository.webhook)]


async def delivery(request: Request) -> EventJob:
    """Return the application's delivery of events."""
    return part_of(request, "events", EventJob)


DeliveryDep = Annotated[EventJob, Depends(delivery)]


@router.get("", summary="List webhooks")
def list_webhooks(unit: UnitDep, _permit: Auditor, events: DeliveryDep) -> Page[WebhookRead]:
    """List webhooks by number, with how far each receiver is. There are at most 50."""
    return Page(items=[_read(unit.session, row, events) for row in repository.webhooks(unit.session)])


@router.post("", summary="Add a webhook", status_code=201)
def add_webhook(
    body: WebhookWrite,
    unit: UnitDep,
    _permit: Administrator,
    held: RuntimeDep,
    events: DeliveryDep,
    response: Response,
) -> WebhookMade:
    """Add a receiver of events: every later act and notice as a signed POST, in order, until the receiver answers 2xx.

    An event that the receiver rejects for about an hour is left out and counted in `parked`. A receiver at a private
    address needs `DNSFILTER_API_WEBHOOK_NETWORKS`.

    The answer contains the secret, which is shown only once. Requests follow the Standard Webhooks specification:
    `webhook-id`, `webhook-timestamp` and `webhook-signature` with an HMAC-SHA256. A receiver that was away gets what it
    missed. An event may arrive twice, with the same `webhook-id`.
    """
    unit.shown_once = True
    row = service.add(unit, body.url, body.authority, body.types)
    response.headers["Location"] = f"/v1/webhooks/{row.number}"
    tag(response, row.revision)
    secret = secret_text(secret_bytes(held.token_key, row.nonce))
    return WebhookMade(**_read(unit.session, row, events).model_dump(), secret=secret)


@router.get("/{number}", summary="Get a webhook", responses=documented(NOT_FOUND))
def get_webhook(row: Shown, unit: UnitDep, _permit: Auditor, events: DeliveryDep, response: Response) -> WebhookRead:
    """Get a webhook, with how far its receiver is."""
    tag(response, row.revision)
    return _read(unit.session, row, events)


@router.delete("/{number}", summary="Remove a webhook", status_code=204, responses=documented(NOT_FOUND))
def remove_webhook(row: Changed, unit: UnitDep, _permit: Administrator) -> None:
    """Remove a webhook. Its receiver gets no further events, also not those that it missed."""
    service.remove(unit, row)


def _read(session: Session, row: WebhookRow, events: EventJob) -> WebhookRead:
    name = receiver_name(row.number)
    status, kept = events.status(name), repository.position(session, name)
    parked = repository.parked(session, name)
    return WebhookRead(
        number=row.number,
        url=row.url,
        authority=row.authority,
        types=row.types,
        recorded=timestamp_text(row.made_s),
        seq=status.seq if status is not None else kept.seq if kept is not None else 0,
        failures=status.failures if status is not None else 0,
        failure=status.failure if status is not None else "",
        parked=parked.count,
        parked_event=parked.event,
        parked_reason=parked.reason,
    )
