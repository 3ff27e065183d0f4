"""Write services as a list in any format, and say what the format cannot say."""

from collections.abc import Iterable
from dataclasses import dataclass

from blocklists.formats.items import Item
from blocklists.formats.known import Format, written
from blocklists.name_list import merge
from dnsfilter.policy.model import DEFAULT_TIERS, Tier


@dataclass(frozen=True, slots=True)
class Export:
    """A list as text, and remarks for whoever reads it."""

    lines: list[str]
    notes: list[str]


def export_list(known: str, title: str, tiers: Iterable[Tier], serial: int) -> Export:
    """Write the names of the tiers that a ban takes by default. `serial` numbers a response policy zone."""
    taken = [tier for tier in tiers if tier.number in DEFAULT_TIERS]
    names = merge(
        Item(0, name, exact)
        for tier in taken
        for exact, part in ((False, tier.domains), (True, tier.hosts))
        for name in part
    )
    left_out: list[Item] = []
    remark = f"{title}: {len(names)} names, written by dnsfilter"
    lines = list(written(known, names.items(), remark, serial, left_out))
    notes = []
    if left_out:
        notes.append(f"exact names left out, since {known} cannot say them: {len(left_out)}")
    if known == Format.HOSTS and names.domains:
        notes.append(f"names whose subdomains a hosts file does not cover: {len(names.domains)}")
    return Export(lines, notes)
