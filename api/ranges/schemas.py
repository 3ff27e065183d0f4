"""Request and response schemas of sites and ranges."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from api.http.prefixes import PrefixText
from api.http.schemas import ProblemRead, Read, ShortLine, Slug, Strict
from dnsfilter.policy.model import Audience, Funding, Mode, Prefix, Range

MAX_LISTED = 10_000
"""Most rows of an import in JSON; a CSV file may have more."""


class SiteWrite(Strict):
    """The fields of a site."""

    name: ShortLine = ""


class SiteRead(Read):
    """A site."""

    slug: Slug
    name: str
    revision: int


class RangeWrite(Strict):
    """All fields of a range. `funding` (who paid for the devices) and `audience` (who uses them) have no default."""

    authority: Slug
    funding: Funding
    audience: Audience
    label: ShortLine = ""


class RangeMove(Strict):
    """Another authority for a range. The other fields change only if they are given."""

    authority: Slug
    funding: Funding | None = None
    audience: Audience | None = None
    label: ShortLine | None = None


class RangePatch(Strict):
    """The fields of a range that change. To change its authority, move it."""

    funding: Funding | None = None
    audience: Audience | None = None
    label: ShortLine | None = None


class RangeRowWrite(RangeWrite):
    """A range of an import. Without `site` it belongs to the site of the import."""

    prefix: PrefixText
    site: Slug | None = None


class RangesWrite(Strict):
    """The rows of an import in JSON. Send a longer table as CSV."""

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


class AppliedBanRead(Read):
    """A ban that applies in a range, in a mode other than off. `bound` says that a binding brings it there."""

    ban: str = Field(examples=["ghent/tiktok"])
    mode: Mode
    bound: bool


class ChangedBansRead(Read):
    """Ranges for which the same bans `begin` and `end` to apply with the act. `ranges` are the first 20 of `count`.

    `before` and `after` are the authorities of their clients; null for none.
    """

    ranges: list[str] = Field(examples=[["range/default/192.0.2.0/24"]])
    count: int
    before: Slug | None
    after: Slug | None
    begin: list[AppliedBanRead]
    end: list[AppliedBanRead]


class RangeWritten(RangeRead):
    """A range after an act, or with `dry_run` as it would be.

    `changes` says which bans change for the clients of a new or moved range.
    """

    changes: list[ChangedBansRead]
    dry_run: bool


class RangeChangeRead(Read):
    """A change of one range."""

    act: str
    object: str
    before: dict[str, str] | None
    after: dict[str, str] | None


class ImportRead(Read):
    """What an import did, or would do with `dry_run`. `more` counts the changes that `changes` does not list.

    `withheld` says why a dry run would be refused; it is empty if it would not.
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
    """Stage of an import."""

    CHECKING = "checking"
    WAITING = "waiting"
    RECORDING = "recording"
    PUBLISHING = "publishing"
    DONE = "done"
    FAILED = "failed"


class ImportProgressRead(Read):
    """Progress of an import: `done` of `total` rows of its stage. Both are 0 if it ended before a restart."""

    stage: Stage = Field(
        description="`checking` the rows, `waiting` for its turn to write, `recording` the acts, `publishing` the "
        "snapshot. It ends as `done`, or as `failed` with nothing recorded."
    )
    done: int
    total: int
    problem: ProblemRead | None = Field(
        description="Why the import failed, with its first 100 faults; or, if it is done, that it is not in force yet."
    )


class HolderRead(Read):
    """A range that contains another."""

    prefix: str
    authority: Slug
    label: str


class OverlapRead(Read):
    """A range inside another. `within` is null if the caller may not see the outer range."""

    site: Slug
    prefix: str
    authority: Slug
    label: str
    within: HolderRead | None


class GapRead(Read):
    """A part of allotted space that no range covers."""

    site: Slug
    prefix: str
    space: str
    authority: Slug


def range_value(site: str, prefix: Prefix, body: RangeWrite) -> Range:
    """Return the range as the policy has it."""
    return Range(prefix, body.authority, body.funding, body.audience, body.label, site)
