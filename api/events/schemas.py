"""Schemas of webhooks."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.audit.schemas import AuditRead
from api.http.patterns import URL
from api.http.schemas import Read, Slug, Strict, Timestamp
from api.http.urls import demand_url

MAX_TYPES = 50
ACT_ID, NOTICE_ID = r"^act-\d+$", r"^notice-\d+$"


def _checked_url(text: str) -> str:
    url = demand_url(text, "https://siem.example.org/dnsfilter")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ValueError(
            "events are readable on the network without TLS: write https://, or http:// and a loopback address"
        )
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


WebhookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=URL),
    AfterValidator(_checked_url),
    Field(examples=["https://siem.example.org/dnsfilter"]),
]
EventType = Annotated[str, StringConstraints(max_length=64)]


class WebhookWrite(Strict):
    """A receiver of events. Without `authority` it gets those of all; without `types`, events of every type."""

    url: WebhookUrl
    authority: Slug | None = None
    types: Annotated[
        list[EventType],
        Field(default_factory=list, max_length=MAX_TYPES, examples=[["ban", "notice.node_silent"]]),
    ]


class WebhookRead(Read):
    """A webhook. `seq` is the last act that its receiver has. `failures` counts tries since the last success."""

    number: int = Field(examples=[1])
    url: str
    authority: Slug | None
    types: list[str]
    recorded: Timestamp
    seq: int = Field(examples=[345])
    failures: int = Field(examples=[0])
    failure: str = Field(description="the reason of the last failure; empty if there is none")
    parked: int = Field(examples=[0], description="events that the receiver rejected until they were left out")
    parked_event: str = Field(description="the id of the last one, such as `act-345`; empty if there is none")
    parked_reason: str = Field(description="why the receiver did not take it")


class WebhookMade(WebhookRead):
    """A new webhook with the secret that signs its events. The secret is shown only once."""

    secret: str = Field(description="`whsec_` and the base64 of the key of the HMAC-SHA256")


class EventRead(Read):
    """What all events have. `authorities` are those that it concerns."""

    # FastAPI describes it as a request's body, and cannot defer those.
    model_config = ConfigDict(defer_build=False)

    type: str
    time: Timestamp
    installation: str
    authorities: list[str]


class ActEventRead(EventRead):
    """An act. `type` is its name, `data` its entry in the audit log."""

    id: str = Field(pattern=ACT_ID)
    data: AuditRead


class NoticeTextRead(Read):
    """The text of a notice, as in its mail."""

    subject: str
    text: str


class NoticeEventRead(EventRead):
    """A notice. `type` is `notice.` and its kind."""

    id: str = Field(pattern=NOTICE_ID)
    data: NoticeTextRead
