"""The requests that webhooks get, for the description. Nothing serves these routes."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from api.events.schemas import ActEventRead, NoticeEventRead

_ANSWERS: dict[int | str, dict[str, Any]] = {
    204: {"description": "The receiver has the event. Any other status 2xx says the same."},
    "default": {"description": "The receiver does not have the event, and gets it again."},
}
_OPTIONS: dict[str, Any] = {"status_code": 204, "responses": _ANSWERS, "openapi_extra": {"security": []}}

Identity = Annotated[str, Header(alias="webhook-id", description="the same at every delivery of the event")]
SentAt = Annotated[str, Header(alias="webhook-timestamp", pattern=r"^\d+$", description="Unix time of the request")]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        pattern=r"^v1,[A-Za-z0-9+/]{43}=$",
        description="`v1,` and the base64 of the HMAC-SHA256 of `webhook-id.webhook-timestamp.body`",
    ),
]

webhooks = APIRouter(tags=["events"])


@webhooks.post("act", operation_id="receive_act", summary="Receive an act", **_OPTIONS)
def act(identity: Identity, sent_at: SentAt, signature: Signature, body: ActEventRead) -> None:
    """An act was recorded. The requests are signed as Standard Webhooks (version 1) describes."""


@webhooks.post("notice", operation_id="receive_notice", summary="Receive a notice", **_OPTIONS)
def notice(identity: Identity, sent_at: SentAt, signature: Signature, body: NoticeEventRead) -> None:
    """A notice was made, as for a mail. The requests are signed as those of acts."""
