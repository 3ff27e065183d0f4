"""Sites and ranges as written and as read."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from api.http.prefixes import PrefixText
from api.http.schemas import ProblemRead, Read, ShortLine, Slug, Strict
from dnsfilter.policy.model import Audience, Funding, Prefix, Range

MAX_LISTED = 10_000
"""The most rows of an import within JSON; a file may have more."""


class SiteWrite(Strict):
    """A site."""

    name: ShortLine = ""


class SiteRead(Read):
    """A site."""

    slug: Slug
    name: str
    revision: int


class RangeWrite(Strict):
    """A range, whole. Who paid for the devices and who uses them have no default: somebody has to know."""

    authority: Slug
    funding: Funding
    audience: Audience
    label: ShortLine = ""


class RangePatch(Strict):
    """The fields of a range that change. Its authority does not: remove it and register it anew."""

    funding: Funding | None = None
    audience: Audience | None = None
    label: ShortLine | None = None


class RangeRowWrite(RangeWrite):
    """A range of an import. Without `site` it is at the site of the import."""

    prefix: PrefixText
    site: Slug | None = None


class RangesWrite(Strict):
    """The rows of an import within JSON. A longer table is sent as CSV."""

    rows: Annotated[list[RangeRowWrite], Field(max_length=MAX_LISTED)]


class RangeRead(Read):
    """A prefix registered to an authority at a site."""

    site: Slug
    prefix: str
    authority: Slug
    funding: Funding
    audience: Audience
    label: str
    revision: int


class RangeChangeRead(Read):
    """What is done to one range."""

    act: str
    object: str
    before: dict[str, str] | None
    after: dict[str, str] | None


class ImportRead(Read):
    """What an import has done, or with `dry_run` would do; `more` is how many follow the listed `changes`.

    `withheld` says of a dry run why it would be refused all the same; empty where it would not.
    """

    dry_run: bool
    withheld: str
    registered: int
    changed: int
    removed: int
    unchanged: int
    changes: list[RangeChangeRead]
    more: int
    revision: int


class Stage(StrEnum):
    """What an import is doing, or how it ended."""

    CHECKING = "checking"
    WAITING = "waiting"
    RECORDING = "recording"
    PUBLISHING = "publishing"
    DONE = "done"
    FAILED = "failed"


class ImportProgressRead(Read):
    """How far an import is: `done` of `total` rows of its stage. Both are 0 if it ended before a restart."""

    stage: Stage = Field(
        description="`checking` the rows, `waiting` for its turn to write, `recording` the acts, `publishing` the "
        "snapshot; it ends with `done`, or with `failed` and nothing recorded"
    )
    done: int
    total: int
    problem: ProblemRead | None = Field(
        description="why it failed, with its first 100 faults; if it is done, that it is not in force yet"
    )


class HolderRead(Read):
    """A range that holds another."""

    prefix: str
    authority: Slug
    label: str


class OverlapRead(Read):
    """A range inside another; `within` is null where that is not the caller's to see."""

    site: Slug
    prefix: str
    authority: Slug
    label: str
    within: HolderRead | None


class GapRead(Read):
    """Part of allotted space that no range covers."""

    site: Slug
    prefix: str
    space: str
    authority: Slug


def range_value(site: str, prefix: Prefix, body: RangeWrite) -> Range:
    """As the policy has it."""
    return Range(prefix, body.authority, body.funding, body.audience, body.label, site)
