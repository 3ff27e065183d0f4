"""Answers about the state of the process."""

from api.http.schemas import Read, Timestamp


class HealthRead(Read):
    """The process is alive."""

    status: str


class ReadinessRead(Read):
    """The readiness: acts can be recorded, and the database's revision is published. If not, `reason` says why.

    `suspensions` is the number of suspended authorities; a suspension of all counts as one. `nodes` is the number of
    enrolled nodes, which should report. `nodes_in_force` is the number of those that report the published policy as in
    force. All three are null without the database. `learning_until` is set while a node answers unregistered clients in
    learning mode: the latest end of these.
    """

    ready: bool
    reason: str | None
    database: bool
    revision: int | None
    published: int | None
    suspensions: int | None
    nodes: int | None
    nodes_in_force: int | None
    learning_until: Timestamp | None = None


class VersionRead(Read):
    """The version of this program."""

    version: str
