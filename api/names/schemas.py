"""Request and response schemas of single names."""

from pydantic import Field

from api.bans.schemas import State
from api.http.schemas import Day, EndText, Read, Reason, Slug, SpanText, Strict, Timestamp, TimestampText
from dnsfilter.policy.model import Ground, Mode
from dnsfilter.policy.single_names import NameVerdict


class NameWrite(Strict):
    """Refuse or allow a name from now on, with all names below it unless `exact`.

    Give an end (`end`, `until` as a last day, or `for`) or a date of review, at most a year ahead. Without both, the
    review is due in six months.
    """

    verdict: NameVerdict
    exact: bool = Field(default=False, description="Only the name itself, without the names below it.")
    reason: Reason
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    review_by: TimestampText | None = None


class StillRefusedRead(Read):
    """A ban of another authority that still refuses the name, or names below it: it binds by `ground`."""

    ban: str = Field(examples=["federal/tiktok"])
    ground: Ground
    binding: int


class ShownName(Read):
    """An allowed name as the audit log stores it: without what depends on the time. A refused one is a ban there."""

    number: int
    authority: Slug
    name: str = Field(examples=["cdn.example.net"])
    verdict: NameVerdict
    exact: bool
    start: Timestamp
    end: Timestamp | None
    review_by: Timestamp | None
    reason: str
    ended: Timestamp | None
    ended_reason: str


class NameRead(ShownName):
    """A name that an authority refuses or allows by itself.

    A refused name is the ban `number`, with a `mode`. `still_refused_by` and `notes` say what an allowed name does not
    change; the `notes` of a refused name say where it is still answered. Both are null in lists.
    """

    through: Day | None
    recorded: Timestamp
    recorded_by: int | None
    mode: Mode | None
    state: State
    still_refused_by: list[StillRefusedRead] | None = None
    notes: list[str] | None = None
    revision: int
