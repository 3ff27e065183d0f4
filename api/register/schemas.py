"""Schemas of the public register."""

from pydantic import Field

from api.bans.schemas import State
from api.http.formal_decisions import FormalDecisionRead
from api.http.schemas import Day, Read, ServiceSlug, Slug, Timestamp
from api.peers.schemas import HoldingRead
from dnsfilter.policy.model import Kind, Mode, Reply


class RegisterEntryRead(Read):
    """An authority that publishes a register."""

    authority: Slug
    kind: Kind
    names: dict[str, str]


class PublishedDecisionRead(FormalDecisionRead):
    """The formal decision behind a ban or a term."""


class PublishedTermRead(Read):
    """A term that has not ended. `through` is the last complete day."""

    start: Timestamp
    end: Timestamp | None
    through: Day | None
    review_by: Timestamp | None
    decision: PublishedDecisionRead


class PublishedExemptionsRead(Read):
    """How many exemptions from a ban are in force, and until when the last of them is. No name, no range."""

    count: int
    until: Timestamp | None


class PublishedBanRead(Read):
    """A ban with a term in force."""

    service: ServiceSlug
    service_name: str
    state: State
    mode: Mode
    reply: Reply
    provisional: bool
    decision: PublishedDecisionRead
    terms: list[PublishedTermRead]
    exemptions: PublishedExemptionsRead


class PublishedCheckpointRead(Read):
    """The last signed statement that the entry `seq` of the audit log has `hash`. Keep it to check the log later."""

    checkpoint: int = Field(examples=[12])
    installation: str
    seq: int = Field(examples=[345])
    hash: str
    time: Timestamp
    key: str = Field(description="the Ed25519 public key, in hexadecimal")
    signature: str


class PublishedHoldingRead(HoldingRead):
    """What this installation holds of another one's audit log. `continues`: no checkpoint contradicts another."""

    name: Slug
    url: str
    continues: bool


class RegisterRead(RegisterEntryRead):
    """The register of an authority at `as_of`: its bans in force and the last checkpoint of the audit log.

    `holds` has the other installations whose checkpoints are held here.
    """

    languages: list[str]
    time_zone: str
    contact: str
    as_of: Timestamp
    bans: list[PublishedBanRead]
    checkpoint: PublishedCheckpointRead | None
    holds: list[PublishedHoldingRead]
