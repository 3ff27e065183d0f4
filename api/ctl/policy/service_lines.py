"""A service as dnsfilterctl prints it."""

from collections.abc import Iterator

from api.ctl.command import Result
from api.ctl.display.safe_text import columns
from api.services.schemas import ServiceRead, TierRead


def service_result(found: ServiceRead, notes: tuple[str, ...] = ()) -> Result:
    """Return the result of a command about one service."""
    return Result(found, lambda: _lines(found), notes=notes)


def _lines(found: ServiceRead) -> Iterator[str]:
    yield from columns(
        [
            ("service", f"{found.slug}  {found.name}"),
            *_origin(found),
            *(("source", f"{source.id}  {source.what}") for source in found.sources),
        ]
    )
    for tier in found.tiers:
        yield ""
        yield f"tier {tier.number}: {tier.title}" if tier.title else f"tier {tier.number}"
        yield from columns(_names(tier), indent="  ")


def _origin(found: ServiceRead) -> list[tuple[str, str]]:
    if found.authority is None:
        return [("category", found.category), ("reviewed", f"{found.reviewed}")]
    return [("of", found.authority), ("source", found.source or "none"), ("note", found.note or "none")]


def _names(tier: TierRead) -> list[tuple[str, str]]:
    below = [(name, "and all below it") for name in tier.domains]
    return below + [(name, "this name only") for name in tier.hosts]
