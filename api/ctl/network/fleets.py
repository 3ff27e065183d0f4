"""dnsfilterctl fleet: devices outside the office, and the names by which they ask."""

from collections.abc import Iterator

from api.ctl.arguments import AUDIENCE, FUNDING, integer
from api.ctl.command import Group, Options, Parser, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.network.fleet_profile import add_profile
from api.ctl.network.named_fleets import fleet_of
from api.ctl.remote.client import Client, path
from api.fleets.schemas import MAX_OVERLAP_DAYS, OVERLAP_DAYS, FleetNameRead, FleetRead


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = groups.add_group("fleet")
    lister = group.add_verb("list", _list, "List the fleets of an authority.", "fleet list ghent")
    lister.add_slug("authority")
    lister.add_limit()
    _add_add(group)
    _named(group.add_verb("show", _show, "Show a fleet and its names.", 'fleet show ghent "phones of staff"'))
    _add_rotate(group)
    _named(
        group.add_verb(
            "end",
            _end,
            "End all names of a fleet now. Its devices get no more answers.",
            'fleet end ghent "phones of staff"',
        )
    )
    add_profile(group)


def _add_add(group: Group) -> None:
    adder = group.add_verb(
        "add",
        _add,
        "Add a fleet with its first name. It stands for devices, never for a person.",
        'fleet add ghent "phones of staff" --funding partly_public --audience staff',
    )
    adder.add_slug("authority")
    adder.add_argument("label", metavar="LABEL", help="what people call the fleet")
    for option, words, text in (
        ("--funding", FUNDING, "who paid for the devices"),
        ("--audience", AUDIENCE, "who uses the devices"),
    ):
        adder.add_argument(option, choices=words, required=True, metavar="WORD", help=f"{text}: {', '.join(words)}")
    adder.add_site()


def _add_rotate(group: Group) -> None:
    rotate = group.add_verb(
        "rotate",
        _rotate,
        "Give a fleet a new name. The names of before stay valid for some days, or end now for a lost phone.",
        'fleet rotate ghent "phones of staff"',
        'fleet rotate ghent "phones of staff" --lost',
    )
    _named(rotate)
    choice = rotate.add_mutually_exclusive_group()
    choice.add_argument(
        "--overlap",
        type=integer(0, MAX_OVERLAP_DAYS),
        default=OVERLAP_DAYS,
        metavar="DAYS",
        help=f"days for which the names of before stay valid (default: {OVERLAP_DAYS})",
    )
    choice.add_argument("--lost", action="store_true", help="a device is lost: end the names of before now")


def _named(parser: Parser) -> None:
    parser.add_slug("authority")
    parser.add_argument("fleet", metavar="FLEET", help="label or number of the fleet")


def _list(client: Client, options: Options) -> Result:
    page = client.list(FleetRead, path("authorities", options.authority, "fleets"), options.limit)
    return listed(page, lambda: _table(page.items), "fleets")


def _add(client: Client, options: Options) -> Result:
    body = given(options, "label", "funding", "audience", "site")
    return _result(client, client.send(FleetRead, "POST", path("authorities", options.authority, "fleets"), body))


def _show(client: Client, options: Options) -> Result:
    return _result(client, fleet_of(client, options.authority, options.fleet))


def _rotate(client: Client, options: Options) -> Result:
    return _act(client, options, "rotate", {"overlap_days": 0 if options.lost else options.overlap})


def _end(client: Client, options: Options) -> Result:
    return _act(client, options, "end", None)


def _act(client: Client, options: Options, verb: str, body: dict[str, int] | None) -> Result:
    found = fleet_of(client, options.authority, options.fleet)
    where = path("authorities", options.authority, "fleets", str(found.number), verb)
    return _result(client, client.send(FleetRead, "POST", where, body))


def _result(client: Client, found: FleetRead) -> Result:
    return Result(found, lambda: _lines(found, Names(client)))


def _lines(found: FleetRead, names: Names) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    yield from columns(
        [
            ("fleet", f"{found.label} (number {found.number})"),
            ("authority", names.labelled(found.authority)),
            ("site", found.site),
            ("funding", found.funding),
            ("audience", found.audience),
            ("range", found.prefix),
            *(("name", _name(name, zone)) for name in found.names),
        ]
    )
    if not any(name.in_force for name in found.names):
        yield "no name is valid: devices of this fleet get no answers"


def _name(name: FleetNameRead, zone: str | None) -> str:
    token = name.token or "hidden: only operators of the authority see it"
    until = "" if name.end is None else f", {'until' if name.in_force else 'ended'} {at_words(name.end, zone)}"
    return f"{token}, since {at_words(name.start, zone)}{until}"


def _table(items: list[FleetRead]) -> Iterator[str]:
    rows = [
        (
            str(item.number),
            item.label,
            item.funding,
            item.audience,
            item.site,
            str(sum(name.in_force for name in item.names)),
        )
        for item in items
    ]
    yield from table(("no.", "label", "funding", "audience", "site", "valid names"), rows, ("label",))
