"""What the process says of itself."""

from api.schemas import Read


class HealthRead(Read):
    """The process answers."""

    status: str


class ReadinessRead(Read):
    """Whether the database is reachable and its revision is published."""

    ready: bool
    database: bool
    revision: int | None
    published: int | None


class VersionRead(Read):
    """The version of this program."""

    version: str
