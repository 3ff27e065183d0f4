"""Which ranges have counts of their own: the same rule for nodes and the control plane."""

from enum import StrEnum

from dnsfilter.policy.bounds import MIN_COUNTED_ADDRESSES
from dnsfilter.policy.model import Prefix, Usage


class NotCounted(StrEnum):
    """The reason why a range has no count of all its queries."""

    LEVEL = "level"
    SMALL = "small"


def not_counted(prefix: Prefix, usage: Usage) -> NotCounted | None:
    """Return why the queries of a range are not counted, at its authority's level; None if they are."""
    if usage is Usage.NONE:
        return NotCounted.LEVEL
    return NotCounted.SMALL if prefix.num_addresses < MIN_COUNTED_ADDRESSES else None


def counts_bans(prefix: Prefix, usage: Usage) -> bool:
    """Return whether what bans do is counted for the range itself, not only for its authority."""
    return usage is Usage.RANGE and not_counted(prefix, usage) is None
