"""dnsfilterctl usage: what was counted for an authority's clients, without their addresses."""

from collections.abc import Iterator
from typing import get_args

from api.ctl.arguments import prefix
from api.ctl.command import Group, Options, Parser, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.remote.client import Client, path
from api.http.schemas import Page
from api.usage.release import Figure
from api.usage.schemas import By, BypassDayRead, ClientRead, UsageErased, UsageRead


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("usage")
    show = group.add_verb(
        "show",
        _show,
        "Show how many queries bans refused, monitored or exempted, on days that are over. Numbers from 1 to 4 are <5.",
        "usage show ghent --service tiktok --from 2026-09-01 --to 2026-09-30",
        "usage show ghent --by range",
        "usage show ghent --csv",
    )
    _add_period(show)
    show.add_service("--service", "only this service")
    show.add_argument(
        "--by",
        choices=get_args(By),
        default="day",
        metavar="SPLIT",
        help="day, hour or range (default: day); ranges have their own counts only at the level range",
    )
    show.add_argument("--csv", action="store_true", help="write all rows as CSV")
    show.add_limit()
    bypass = group.add_verb(
        "bypass",
        _bypass,
        "Show attempts to bypass the resolver, by day and kind, on days that are over. Numbers from 1 to 4 are <5.",
        "usage bypass ghent --from 2026-09-01",
    )
    _add_period(bypass)
    clients = group.add_verb(
        "clients",
        _clients,
        "Show refused queries that were noted at the level client, for approvers. The audit log records each reading.",
        "usage clients ghent --from 2026-09-01",
        "usage clients ghent --service tiktok --csv",
    )
    _add_period(clients)
    clients.add_service("--service", "only this service")
    clients.add_argument("--csv", action="store_true", help="write all rows as CSV")
    clients.add_limit()
    erase = group.add_verb(
        "erase",
        _erase,
        "Erase what was counted in a period or for a range. The audit log records how much, and why.",
        'usage erase ghent --from 2026-09-01 --to 2026-09-30 --reason "counted by mistake"',
        'usage erase ghent --range 10.1.0.0/24 --reason "the range belongs to Mechelen"',
    )
    _add_period(erase, "first day (default: all before the last day)", "last day (default: all after the first day)")
    erase.add_argument("--range", type=prefix, metavar="PREFIX", help="only what was counted for this range")
    erase.add_site()
    erase.add_reason()


def _add_period(
    parser: Parser,
    first: str = "first day, in the authority's time zone (default: 30 days)",
    last: str = "last day (default: the newest)",
) -> None:
    parser.add_slug("authority")
    parser.add_argument("--from", dest="from_", metavar="DATE", help=first)
    parser.add_argument("--to", metavar="DATE", help=last)


def _query(options: Options) -> dict[str, str | int | None]:
    return {"authority": options.authority, "from": options.from_, "to": options.to}


def _csv(client: Client, where: str, query: dict[str, str | int | None]) -> Result:
    text = b"".join(client.pieces(where, {**query, "format": "csv"})).decode()
    return Result(None, text.splitlines, raw=text)


def _show(client: Client, options: Options) -> Result:
    query = {**_query(options), "service": options.service, "by": options.by}
    if options.csv:
        return _csv(client, path("usage"), query)
    page = client.list(UsageRead, path("usage"), options.limit, query)
    return listed(page, lambda: _table(page.items, Names(client).time_zone(options.authority)), "counts")


def _clients(client: Client, options: Options) -> Result:
    query, where = {**_query(options), "service": options.service}, path("usage", "clients")
    if options.csv:
        return _csv(client, where, query)
    page = client.list(ClientRead, where, options.limit, query)
    return listed(page, lambda: _client_table(page.items, Names(client).time_zone(options.authority)), "refusals")


def _client_table(items: list[ClientRead], time_zone: str | None) -> Iterator[str]:
    rows = [
        (
            at_words(item.minute, time_zone),
            item.client,
            item.service,
            item.ban_authority,
            item.ground,
            str(item.queries),
        )
        for item in items
    ]
    yield from table(("time", "client", "service", "ban of", "ground", "queries"), rows)


def _bypass(client: Client, options: Options) -> Result:
    page = client.get(Page[BypassDayRead], path("usage", "bypass"), _query(options))
    rows = [(item.day, item.kind.replace("_", " "), Figure(item.queries, item.below).text) for item in page.items]
    return listed(page, lambda: table(("day", "kind", "queries"), rows), "attempts")


def _erase(client: Client, options: Options) -> Result:
    if options.from_ is None and options.to is None and options.range is None:
        raise WrongInput("Give --from, --to or --range: otherwise all usage would be erased.")
    body = {"authority": options.authority, **given(options, "reason", "to")}
    if options.from_ is not None:
        body["from"] = options.from_
    if options.range is not None:
        body["range"] = {"prefix": options.range, **given(options, "site")}
    found = client.send(UsageErased, "POST", path("usage", "erase"), body)
    what = (
        f"{found.days} counts of days, {found.hours} of hours, {found.bypass} of attempts to bypass the resolver, "
        f"{found.pending} of pending names, {found.coverage} of days of coverage, {found.clients} of clients"
    )
    return Result(found, lambda: [f"erased usage of {options.authority}: {what}"])


def _table(items: list[UsageRead], time_zone: str | None) -> Iterator[str]:
    rows = [
        (
            item.day or ("" if item.hour is None else at_words(item.hour, time_zone)),
            item.prefix or "",
            item.site or "",
            item.label or "",
            item.service,
            item.ban_authority,
            item.ground,
            item.result,
            Figure(item.queries, item.below, item.at_least, item.at_most).text,
        )
        for item in items
    ]
    titles = ("time", "range", "site", "label", "service", "ban of", "ground", "result", "queries")
    yield from table(titles, rows, ("site", "label"))
