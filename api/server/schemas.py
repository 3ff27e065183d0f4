"""What the process says of itself."""

from api.http.schemas import Read


class HealthRead(Read):
    """The process answers."""

    status: str


class ReadinessRead(Read):
    """Whether acts can be recorded, and the database's revision is published; if not, `reason` says why.

    `suspensions`: for how many authorities, all of them being one, nothing is refused; null without the database.
    `nodes`: how many have enrolled and should report; `nodes_in_force`: how many of them report that they decide by
    what is published. Both are null without the database.
    """

    ready: bool
    reason: str | None
    database: bool
    revision: int | None
    published: int | None
    suspensions: int | None
    nodes: int | None
    nodes_in_force: int | None


class VersionRead(Read):
    """The version of this program."""

    version: str
