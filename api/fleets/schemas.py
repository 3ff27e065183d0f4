"""Request and response schemas of fleets."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.http.patterns import PRINTABLE
from api.http.schemas import Read, Slug, Strict, Timestamp
from dnsfilter.policy.model import DEFAULT_SITE, Audience, Funding

OVERLAP_DAYS, MAX_OVERLAP_DAYS = 14, 90
"""Days for which the names of before stay valid after a rotation."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE, strip_whitespace=True)]


class FleetWrite(Strict):
    """A fleet: devices outside the office. `label` is what people call it, and never a person."""

    label: Label
    funding: Funding
    audience: Audience
    site: Slug = DEFAULT_SITE


class FleetRotation(Strict):
    """For how many days the names of before stay valid. 0 ends them at once, for a lost phone."""

    overlap_days: Annotated[int, Field(ge=0, le=MAX_OVERLAP_DAYS)] = OVERLAP_DAYS


class FleetNameRead(Read):
    """A name of a fleet over `[start, end)`. `token` is null for callers who are no operator of the authority."""

    number: int
    token: str | None = Field(examples=["ghent-partly-staff-7f3kq2xa"])
    start: Timestamp
    end: Timestamp | None
    in_force: bool


class FleetRead(Read):
    """A fleet of an authority, with its names. Exemptions, captures and reports name it by its `prefix`."""

    number: int
    authority: Slug
    site: Slug
    label: str
    funding: Funding
    audience: Audience
    prefix: str = Field(examples=["100::61b6:4b72:0:0/96"])
    names: list[FleetNameRead]
    revision: int
