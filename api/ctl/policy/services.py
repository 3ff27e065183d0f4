"""dnsfilterctl service: services of the catalogue and of authorities."""

from collections.abc import Iterator

from api.ctl.arguments import words_of
from api.ctl.command import Group, Options, Result
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import table
from api.ctl.exit_codes import WrongInput
from api.ctl.policy import service_export as export
from api.ctl.policy.own_services import add_own
from api.ctl.policy.service_lines import service_result
from api.ctl.remote.client import Client, path
from api.services.schemas import ServiceRead, ServiceSummary
from blocklists.categories import Category

CATEGORIES = words_of(Category)


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("service")
    lister = group.add_verb("list", _list, "List services by slug.", "service list", "service list --category ai")
    lister.add_argument(
        "--category", choices=CATEGORIES, metavar="CATEGORY", help=f"only this category: {', '.join(CATEGORIES)}"
    )
    lister.add_slug("--authority", "only own services of this authority")
    lister.add_limit()
    show = group.add_verb(
        "show", _show, "Show a service with all its domain names.", "service show tiktok", "service show ghent:games"
    )
    show.add_service()
    add_own(group)
    export.add(group)


def _list(client: Client, options: Options) -> Result:
    if options.authority is None:
        page = client.list(ServiceSummary, path("services"), options.limit, {"category": options.category})
    elif options.category is None:
        page = client.list(ServiceSummary, path("authorities", options.authority, "services"), options.limit)
    else:
        raise WrongInput("Own services have no category. Give --authority or --category, not both.")
    return listed(page, lambda: _table(page.items), "services")


def _show(client: Client, options: Options) -> Result:
    return service_result(client.get(ServiceRead, path("services", options.service)))


def _table(items: list[ServiceSummary]) -> Iterator[str]:
    rows = [
        (
            item.slug,
            item.name,
            item.category or "own",
            ",".join(map(str, item.tiers)),
            str(item.names),
            f"{item.reviewed or ''}",
        )
        for item in items
    ]
    yield from table(
        ("service", "name", "category", "tiers", "names", "reviewed"), rows, ("reviewed", "names", "category")
    )
