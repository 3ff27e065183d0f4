"""dnsfilterctl service: the catalogue of services."""

from collections.abc import Iterator

from api.ctl.arguments import words_of
from api.ctl.command import Group, Options, Result
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import columns, table
from api.ctl.policy import service_export as export
from api.ctl.remote.client import Client, path
from api.services.schemas import ServiceRead, ServiceSummary, TierRead
from blocklists.categories import Category

CATEGORIES = words_of(Category)


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("service")
    lister = group.add_verb("list", _list, "List services by slug.", "service list", "service list --category ai")
    lister.add_argument(
        "--category", choices=CATEGORIES, metavar="CATEGORY", help=f"only this category: {', '.join(CATEGORIES)}"
    )
    lister.add_limit()
    show = group.add_verb("show", _show, "Show a service with all its domain names.", "service show tiktok")
    show.add_slug("service")
    export.add(group)


def _list(client: Client, options: Options) -> Result:
    page = client.list(ServiceSummary, path("services"), options.limit, {"category": options.category})
    return listed(page, lambda: _table(page.items), "services")


def _show(client: Client, options: Options) -> Result:
    found = client.get(ServiceRead, path("services", options.service))
    return Result(found, lambda: _lines(found))


def _table(items: list[ServiceSummary]) -> Iterator[str]:
    rows = [
        (item.slug, item.name, item.category, ",".join(map(str, item.tiers)), str(item.names), f"{item.reviewed}")
        for item in items
    ]
    yield from table(
        ("service", "name", "category", "tiers", "names", "reviewed"), rows, ("reviewed", "names", "category")
    )


def _lines(found: ServiceRead) -> Iterator[str]:
    yield from columns(
        [
            ("service", f"{found.slug}  {found.name}"),
            ("category", found.category),
            ("reviewed", f"{found.reviewed}"),
            *(("source", f"{source.id}  {source.what}") for source in found.sources),
        ]
    )
    for tier in found.tiers:
        yield ""
        yield f"tier {tier.number}: {tier.title}"
        yield from columns(_names(tier), indent="  ")


def _names(tier: TierRead) -> list[tuple[str, str]]:
    below = [(name, "and all below it") for name in tier.domains]
    return below + [(name, "this name only") for name in tier.hosts]
