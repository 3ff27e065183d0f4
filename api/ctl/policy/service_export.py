"""dnsfilterctl service export: services as a list for another program."""

import time

from api.ctl.command import Group, Options, Result
from api.ctl.remote.client import Client, path
from api.services.schemas import ServiceRead

FORMATS = ("domains", "hosts", "adblock", "rpz", "unbound")


def add(group: Group) -> None:
    """Add the command to the group of services."""
    export = group.add_verb(
        "export",
        _export,
        "Print services as a list for another program: the names that a ban takes by default, of tiers 1 and 2.",
        "service export tiktok --format rpz",
        "service export tiktok capcut --format unbound",
    )
    export.add_argument("services", nargs="+", metavar="SERVICE", help="slugs of the services")
    export.add_argument("--format", choices=FORMATS, required=True, help="the format of the list")


def _export(client: Client, options: Options) -> Result:
    # Only this command reads and writes lists of names.
    from blocklists.list_export import export_list
    from dnsfilter.policy.model import Tier
    from dnsfilter.wire.names import parse_name

    found = [client.get(ServiceRead, path("services", slug)) for slug in dict.fromkeys(options.services)]
    tiers = [
        Tier(tier.number, frozenset(map(parse_name, tier.domains)), frozenset(map(parse_name, tier.hosts)))
        for service in found
        for tier in service.tiers
    ]
    title = ", ".join(service.name for service in found)
    made = export_list(options.format, title, tiers, int(time.time()))
    text = "".join(f"{line}\n" for line in made.lines)
    data = {"services": [service.slug for service in found], "format": options.format, "list": text}
    return Result(data, lambda: made.lines, notes=tuple(made.notes), raw=text)
