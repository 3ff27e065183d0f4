"""Convert rows of sites and ranges to API answers."""

from collections.abc import Iterable
from ipaddress import ip_network

from api.db.models import RangeRow, SiteRow
from api.publish.changed_bans import AppliedBan, ChangedBans
from api.ranges.schemas import (
    AppliedBanRead,
    ChangedBansRead,
    RangeMove,
    RangePatch,
    RangeRead,
    RangeWrite,
    SiteRead,
    range_value,
)
from dnsfilter.policy.model import Audience, Funding, Range

MAX_LISTED_RANGES = 20
"""The most ranges that are listed with one change of bans."""


def read_site(row: SiteRow) -> SiteRead:
    """Return a site as the API shows it."""
    return SiteRead(slug=row.slug, name=row.name, revision=row.revision)


def read_range(row: RangeRow) -> RangeRead:
    """Return a range as the API shows it."""
    return RangeRead(
        site=row.site,
        prefix=row.prefix,
        authority=row.authority,
        funding=Funding(row.funding),
        audience=Audience(row.audience),
        label=row.label,
        revision=row.revision,
    )


def changed_range(row: RangeRow, body: RangeMove | RangePatch) -> Range:
    """Return a range as the policy has it, with the given fields changed."""
    known = read_range(row).model_dump(include=set(RangeWrite.model_fields))
    wanted = RangeWrite.model_validate({**known, **body.model_dump(exclude_none=True)})
    return range_value(row.site, ip_network(row.prefix), wanted)


def read_changes(found: Iterable[ChangedBans]) -> list[ChangedBansRead]:
    """Return which bans change in ranges as the API shows it."""
    return [
        ChangedBansRead(
            ranges=[f"range/{site}/{prefix}" for site, prefix in each.ranges[:MAX_LISTED_RANGES]],
            count=len(each.ranges),
            before=each.before,
            after=each.after,
            begin=_applied(each.begin),
            end=_applied(each.end),
        )
        for each in found
    ]


def _applied(bans: Iterable[AppliedBan]) -> list[AppliedBanRead]:
    return [
        AppliedBanRead(ban=f"{each.authority}/{each.service}", mode=each.mode, bound=each.bound)
        for each in sorted(bans)
    ]
