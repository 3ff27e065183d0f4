"""Nodes as registered and shown, and the reports that they send."""

from ipaddress import IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.http.schemas import InstantText, Line, Read, ShortLine, Slug, Strict, Timestamp
from dnsfilter.policy.model import DEFAULT_SITE

MAX_UNREGISTERED = 256
MAX_JOURNAL = 100
MAX_SUSPENDED = 201
"""A node keeps 200 suspensions of its own, of one authority each, and one of all."""
RESERVED = frozenset({"enrol", "self"})
"""No names of nodes: they stand in paths for something else."""
_LARGEST = 2**63 - 1
_LARGEST_NUMBER = 2**53 - 1
"""Of those that every program reads exactly in JSON (RFC 8259 section 6): it is sent back to the node."""
_LENGTHS = {4: 24, 6: 48}
"""Prefixes of clients that are in no range have this length: they name a network, not a device."""
_MOST_QUERIES = 10**15
"""Of one network; those of all nodes together are still a whole number of 64 bits."""


def _checked_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"no node is called {name}: the API's paths have another use for it")
    return name


def _checked_unregistered(text: str) -> str:
    prefix = ip_network(text)
    if prefix.prefixlen != _LENGTHS[prefix.version]:
        raise ValueError(f"no /{_LENGTHS[prefix.version]}")
    if isinstance(prefix, IPv6Network) and prefix.network_address.scope_id is not None:
        raise ValueError("has a scope id")
    return str(prefix)


def _checked_suspended(found: list["SuspendedNow"]) -> list["SuspendedNow"]:
    if len({one.authority for one in found}) < len(found):
        raise ValueError("an authority is there twice")
    return found


NodeName = Annotated[Slug, AfterValidator(_checked_name)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[ShortLine, StringConstraints(max_length=64)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
UnregisteredPrefix = Annotated[str, StringConstraints(max_length=43), AfterValidator(_checked_unregistered)]
LocalAct = Literal["suspend", "end_suspension", "use_revision", "unquarantine"]
State = Literal["current", "held", "behind", "silent", "waiting", "removed"]
OLDER: frozenset[State] = frozenset({"held", "behind"})
"""Those that report and decide by an older policy, because somebody chose that on the node or for another reason."""


class Told(BaseModel):
    """What a node says: a field that is not known is passed over, as that of a node that was upgraded first."""

    model_config = ConfigDict(extra="ignore")


class NodeWrite(Strict):
    """A node to register: its name, and the site that it serves."""

    name: NodeName = Field(examples=["office-1"])
    site: Slug = DEFAULT_SITE


class Enrolling(Told):
    """What a node says when it enrols."""

    version: Word


class Enrolled(Read):
    """What a node keeps: its token, which is shown this once, and the public key that signs its snapshots."""

    name: Slug
    site: Slug
    token: str
    key: str = Field(description="Ed25519, in hexadecimal; to be pinned")
    installation: str


class SuspendedNow(Told):
    """A suspension that holds on the node; without an authority for all."""

    authority: Slug | None
    until: InstantText


class Load(Told):
    """How busy the node is."""

    queries_per_second: Amount
    cpu_percent: Amount
    memory_bytes: Count
    cache_entries: Count


class UnregisteredNetwork(Told):
    """A prefix in no range, from which queries came."""

    prefix: UnregisteredPrefix
    queries: Annotated[int, Field(ge=0, le=_MOST_QUERIES)]
    seen_s_ago: Count


class JournalEntry(Told):
    """Something that was done on the node itself, by the local user `uid`."""

    number: Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)]
    time: InstantText
    uid: Annotated[int, Field(ge=0, le=2**32 - 1)]
    act: LocalAct
    authority: Slug | None
    until: InstantText | None
    revision: Count | None
    reason: Annotated[Line, StringConstraints(max_length=1000)]


class ReportWrite(Told):
    """What a node says of itself, every ten seconds and after each change. `trouble` is empty where there is none.

    `held_up_to` is there where the revision was chosen on the node by hand, until one above that comes.
    """

    revision: Count | None
    manifest: Sha256 | None
    age_s: Count | None
    version: Word
    engine: Word
    workers: Annotated[int, Field(ge=0, le=4096)]
    clock: InstantText
    uptime_s: Count
    trouble: Annotated[Line, StringConstraints(max_length=1000)] = ""
    held_up_to: Count | None = None
    suspended: Annotated[
        list[SuspendedNow],
        Field(max_length=MAX_SUSPENDED),
        AfterValidator(_checked_suspended),
        Field(default_factory=list),
    ]
    load: Load
    unregistered: Annotated[list[UnregisteredNetwork], Field(max_length=MAX_UNREGISTERED), Field(default_factory=list)]
    journal: Annotated[list[JournalEntry], Field(max_length=MAX_JOURNAL), Field(default_factory=list)]


class Reported(Read):
    """The highest number of the node's journal that is on record here."""

    journal: int


class LoadRead(Read):
    """How busy a node was when it reported."""

    queries_per_second: float
    cpu_percent: float
    memory_bytes: int
    cache_entries: int


class NodeSuspensionRead(Read):
    """A suspension that holds on a node; without an authority for all."""

    authority: Slug | None
    until: Timestamp


class NodeRead(Read):
    """A node, and what it reported last. `waiting` is one that has not yet enrolled or reported."""

    name: Slug
    site: Slug
    state: State
    registered: Timestamp
    enrolled: Timestamp | None
    removed: Timestamp | None
    enrolment_until: Timestamp | None = Field(description="until when a token to enrol with is taken, if there is one")
    seen: Timestamp | None
    revision: int | None = Field(description="what it decides by")
    published: int | None = Field(description="what it should decide by")
    behind_by: int | None = Field(description="revisions; null where it reports one that was never published")
    behind_for_s: int | None = Field(description="since when there is something newer than it has; null where not")
    age_s: int | None
    version: str | None
    engine: str | None
    workers: int | None
    uptime_s: int | None
    load: LoadRead | None
    trouble: str = Field(description="why the newest snapshot is not in use; empty where nothing hinders it")
    held_up_to: int | None = Field(
        description="where its revision was chosen by hand on the node: it takes one above this, and none below"
    )
    suspended: list[NodeSuspensionRead]
    clock_off_s: int | None = Field(description="how far its clock was ahead of the control plane's")


class NodeMade(NodeRead):
    """A node with the token to enrol with, which is shown this once and taken once."""

    enrolment_token: str
    key: str = Field(description="that of snapshots, Ed25519 in hexadecimal: what `dnsfilter enrol --key` is to pin")


class SnapshotKeyRead(Read):
    """The public key under which snapshots are signed, and the installation's identity."""

    key: str = Field(description="Ed25519, in hexadecimal")
    installation: str


class UnregisteredRead(Read):
    """A prefix in no range of a site, from which nodes there had queries lately."""

    site: Slug
    prefix: str
    queries: int
    seen: Timestamp
    nodes: list[Slug]
