"""Request and response schemas of peers."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.http.patterns import PUBLIC_KEY, URL
from api.http.schemas import Read, Slug, Strict, Timestamp
from api.http.urls import demand_url

_EXAMPLE = "https://dns.example.org/v1/register/harbour"


def _checked_url(text: str) -> str:
    if demand_url(text, _EXAMPLE).scheme != "https":
        raise ValueError(f"a register is fetched with TLS only: write for example {_EXAMPLE}")
    return text


RegisterUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=URL),
    AfterValidator(_checked_url),
    Field(examples=[_EXAMPLE]),
]
PublicKey = Annotated[str, StringConstraints(pattern=PUBLIC_KEY)]


class PeerState(StrEnum):
    """State of a peer at an instant."""

    NEW = "new"
    """No checkpoint of it is held yet."""
    CONTINUES = "continues"
    FAILING = "failing"
    """Its register could not be read several times in a row."""
    BROKEN = "broken"
    """It showed a checkpoint that does not continue the held ones."""
    ENDED = "ended"


class PeerWrite(Strict):
    """Where another installation publishes its checkpoints, and the key that signs them."""

    url: RegisterUrl
    key: PublicKey


class HoldingRead(Read):
    """What is held of another installation: how many checkpoints, and the last one."""

    checkpoints: int
    checkpoint: int | None
    seq: int | None
    hash: str | None
    time: Timestamp | None
    seen: Timestamp | None


class PeerRead(HoldingRead):
    """Another installation whose checkpoints are held here, and how the last fetches went."""

    name: Slug
    url: str
    key: str
    state: PeerState
    next: Timestamp | None
    fetched: Timestamp | None
    good: Timestamp | None
    failures: int
    failure: str
    broken: str
    broken_since: Timestamp | None
    ended: Timestamp | None


class HeldCheckpointRead(Read):
    """A checkpoint of another installation, as it was signed there. `contradicts`: it does not continue the others."""

    checkpoint: int
    installation: str
    seq: int
    hash: str
    time: Timestamp
    key: str
    signature: str
    seen: Timestamp
    contradicts: bool
