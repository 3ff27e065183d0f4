"""Request and response schemas of feeds."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.feeds.failures import Failure
from api.http.patterns import FEED_SOURCE
from api.http.schemas import Read, Strict, Timestamp
from api.http.urls import demand_url
from blocklists.formats.known import Format

HTTPS = "https://"
MIN_HOURS, MAX_HOURS = 1, 30 * 24
_EXAMPLE = "https://lists.example.org/games.txt"


def _checked_source(text: str) -> str:
    if "://" in text:
        if not text.startswith(HTTPS):
            raise ValueError(f"a feed is fetched with TLS only: write for example {_EXAMPLE}")
        demand_url(text, _EXAMPLE)
        return text
    if PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts:
        raise ValueError("write the path of a file below the directory of feeds, for example lists/games.txt")
    return text


Source = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=FEED_SOURCE),
    AfterValidator(_checked_source),
    Field(examples=[_EXAMPLE]),
]


class FeedWrite(Strict):
    """Where the names of an own service come from. Without `format`, it is detected; see `FeedRead` for `exact`."""

    source: Source
    format: Format | None = None
    exact: bool | None = None
    every_hours: Annotated[int, Field(ge=MIN_HOURS, le=MAX_HOURS)] = 24


class FeedRead(Read):
    """The feed of an own service, and how its last fetches went."""

    service: str = Field(examples=["ghent:games"])
    source: str
    format: Format | None
    exact: bool | None
    every_hours: int
    next: Timestamp
    fetched: Timestamp | None
    good: Timestamp | None
    names: int
    skipped: int
    failures: int
    failure: Failure | None
    message: str
    update: int | None
