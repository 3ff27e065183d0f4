"""Schemas of nodes and of their reports."""

from ipaddress import IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.captures.schemas import CaptureOrder
from api.http.schemas import InstantText, Line, NodeMessage, Read, ShortLine, Slug, Strict, Timestamp
from api.usage.schemas import UsageBatch
from api.usage.state import LARGEST
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.policy.single_names import NameVerdict
from dnsfilter.wire.names import parse_name

MAX_UNREGISTERED = 256
MAX_JOURNAL = 100
MAX_ZONES = 1000
MAX_SUSPENDED = 201
"""A node keeps 200 local suspensions of single authorities, and one of all."""
MAX_NAMES = 200
"""A node keeps as many names that acts on it refuse or allow."""
RESERVED = frozenset({"enrol", "self"})
"""Names that nodes cannot have, because paths of the API use them."""
_LARGEST = 2**63 - 1
_LENGTHS = {4: 24, 6: 48}
"""Lengths of unregistered prefixes, by IP version: they identify a network, not a device."""
_MOST_QUERIES = 10**15
"""Maximum number of queries of one network. The sum over all nodes fits 64 bits."""


def _checked_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name} cannot be the name of a node: paths of the API use it")
    return name


def _checked_unregistered(text: str) -> str:
    prefix = ip_network(text)
    if prefix.prefixlen != _LENGTHS[prefix.version]:
        raise ValueError(f"not a /{_LENGTHS[prefix.version]}")
    if isinstance(prefix, IPv6Network) and prefix.network_address.scope_id is not None:
        raise ValueError("has a scope id")
    return str(prefix)


def _checked_name_text(text: str) -> str:
    parse_name(text)
    return text


def _checked_suspended(found: list["SuspendedNow"]) -> list["SuspendedNow"]:
    if len({one.authority for one in found}) < len(found):
        raise ValueError("an authority appears twice")
    return found


NodeName = Annotated[Slug, AfterValidator(_checked_name)]
ReportedName = Annotated[str, StringConstraints(min_length=1, max_length=1011), AfterValidator(_checked_name_text)]
"""A name with the escapes of RFC 1035 section 5.1."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[ShortLine, StringConstraints(max_length=64)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
UnregisteredPrefix = Annotated[str, StringConstraints(max_length=43), AfterValidator(_checked_unregistered)]
LocalAct = Literal[
    "suspend", "end_suspension", "use_revision", "unquarantine", "flush_cache", "refuse_name", "allow_name", "end_name"
]
State = Literal["current", "held", "behind", "silent", "waiting", "removed"]
OLDER: frozenset[State] = frozenset({"held", "behind"})
"""The states of nodes that report and apply an older policy: `held` if it was selected locally, else `behind`."""


class NodeWrite(Strict):
    """A node to register: its name and the site that it serves."""

    name: NodeName = Field(examples=["office-1"])
    site: Slug = DEFAULT_SITE


class Enrolling(NodeMessage):
    """The request with which a node enrols."""

    version: Word


class Enrolled(Read):
    """The node's token, shown only once, and the public key that verifies its snapshots."""

    name: Slug
    site: Slug
    token: str
    key: str = Field(description="the Ed25519 public key in hexadecimal, which the node pins")
    installation: str


class SuspendedNow(NodeMessage):
    """A local suspension in force on the node; `authority` is null for all authorities."""

    authority: Slug | None
    until: InstantText


class NameHere(NodeMessage):
    """A name that acts on the node refuse or allow for the clients of an authority."""

    authority: Slug
    name: ReportedName
    exact: bool
    verdict: NameVerdict
    until: InstantText


class Load(NodeMessage):
    """The load of the node."""

    queries_per_second: Amount
    cpu_percent: Amount
    memory_bytes: Count
    cache_entries: Count


class UnregisteredNetwork(NodeMessage):
    """An unregistered prefix that sent queries."""

    prefix: UnregisteredPrefix
    queries: Annotated[int, Field(ge=0, le=_MOST_QUERIES)]
    seen_s_ago: Count


class JournalEntry(NodeMessage):
    """A local act on the node by the operating system's user `uid`."""

    number: Annotated[int, Field(ge=1, le=LARGEST)]
    time: InstantText
    uid: Annotated[int, Field(ge=0, le=2**32 - 1)]
    act: LocalAct
    authority: Slug | None
    until: InstantText | None
    revision: Count | None
    reason: Annotated[Line, StringConstraints(max_length=1000)]
    name: ReportedName | None = None
    exact: bool = False


class ReportWrite(NodeMessage):
    """A node's report, sent every ten seconds and after each change. `trouble` is empty if there is no problem.

    `held_up_to` is set while a revision is selected locally: the node waits for a revision above it.
    `learning_until` is set while the node answers unregistered clients in learning mode.
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
    learning_until: InstantText | None = None
    zones: Annotated[list[ReportedName], Field(max_length=MAX_ZONES), Field(default_factory=list)]
    control_plane: Literal[""] | ReportedName = ""
    suspended: Annotated[
        list[SuspendedNow],
        Field(max_length=MAX_SUSPENDED),
        AfterValidator(_checked_suspended),
        Field(default_factory=list),
    ]
    names: Annotated[list[NameHere], Field(max_length=MAX_NAMES), Field(default_factory=list)]
    load: Load
    unregistered: Annotated[list[UnregisteredNetwork], Field(max_length=MAX_UNREGISTERED), Field(default_factory=list)]
    journal: Annotated[list[JournalEntry], Field(max_length=MAX_JOURNAL), Field(default_factory=list)]
    usage: UsageBatch | None = None


class Reported(Read):
    """The highest number of the node's journal that is recorded.

    `usage` is the sequence of the last batch that is stored of the report's stream; null if there was none. A batch is
    stored soon after its report. `captures` are those of the node's site whose files it may have. It deletes others.
    """

    journal: int
    usage: int | None = None
    captures: list[CaptureOrder]


class LoadRead(Read):
    """The load of a node in its last report."""

    queries_per_second: float
    cpu_percent: float
    memory_bytes: int
    cache_entries: int


class NodeSuspensionRead(Read):
    """A local suspension in force on a node; `authority` is null for all authorities."""

    authority: Slug | None
    until: Timestamp


class NodeNameRead(Read):
    """A name that acts on a node refuse or allow for the clients of an authority; with all below it unless `exact`."""

    authority: Slug
    name: str
    exact: bool
    verdict: NameVerdict
    until: Timestamp


class NodeRead(Read):
    """A node with its last report. `waiting`: it has not yet enrolled or reported."""

    name: Slug
    site: Slug
    state: State
    recorded: Timestamp
    enrolled: Timestamp | None
    removed: Timestamp | None
    enrolment_until: Timestamp | None = Field(description="when the enrolment token expires, if there is one")
    seen: Timestamp | None
    revision: int | None = Field(description="the revision that the node applies")
    published: int | None = Field(description="the published revision, which the node should apply")
    behind_by: int | None = Field(description="missing revisions; null if the reported one was never published")
    behind_for_s: int | None = Field(description="seconds since a newer snapshot exists; null if there is none")
    age_s: int | None
    version: str | None
    engine: str | None
    workers: int | None
    uptime_s: int | None
    load: LoadRead | None
    trouble: str = Field(description="why the node does not use the newest snapshot; empty if nothing prevents it")
    held_up_to: int | None = Field(
        description="set while a revision is selected locally: the node waits for a revision above this one"
    )
    learning_until: Timestamp | None = Field(
        description="end of learning mode, in which the node answers unregistered clients; null if it is off"
    )
    suspended: list[NodeSuspensionRead]
    names: list[NodeNameRead]
    clock_off_s: int | None = Field(description="seconds by which its clock was ahead of the control plane")


class NodeMade(NodeRead):
    """A node with its enrolment token, which is shown only once and valid once."""

    enrolment_token: str
    key: str = Field(description="the Ed25519 public key of snapshots in hexadecimal, for `dnsfilter enrol --key`")


class SnapshotKeyRead(Read):
    """The public key that verifies snapshots, and the identity of the installation."""

    key: str = Field(description="the Ed25519 public key, in hexadecimal")
    installation: str


class UnregisteredRead(Read):
    """An unregistered prefix of a site that sent queries in the last 24 hours."""

    site: Slug
    prefix: str
    queries: int
    seen: Timestamp
    nodes: list[Slug]
