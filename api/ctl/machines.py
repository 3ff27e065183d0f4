"""The API's answers about nodes, as this client reads them."""

from api.ctl.answers import Answer, Moment, Number


class Suspended(Answer):
    """A suspension that holds on a node; without an authority for all."""

    authority: str | None
    until: Moment


class Load(Answer):
    """How busy a node was."""

    queries_per_second: float | int
    cpu_percent: float | int
    memory_octets: Number
    cache_entries: Number


class Node(Answer):
    """A node, and what it reported last."""

    name: str
    site: str
    state: str
    registered: Moment
    enrolled: Moment | None
    removed: Moment | None
    enrolment_until: Moment | None
    seen: Moment | None
    revision: Number | None
    published: Number | None
    behind_by: Number | None
    behind_for_s: Number | None
    age_s: Number | None
    version: str | None
    engine: str | None
    workers: Number | None
    uptime_s: Number | None
    load: Load | None
    trouble: str
    held_up_to: Number | None
    suspended: list[Suspended]
    clock_off_s: int | None


class NodeMade(Node):
    """A node with the token to enrol with, and the key that it is to pin."""

    enrolment_token: str
    key: str


class SnapshotKey(Answer):
    """The public key under which snapshots are signed."""

    key: str
    installation: str


class Unregistered(Answer):
    """A prefix in no range, from which nodes of a site had queries."""

    site: str
    prefix: str
    queries: Number
    seen: Moment
    nodes: list[str]
