"""dnsfilterctl capture: have nodes record the queries of a range, for a fault."""

from collections.abc import Iterator

from api.captures.schemas import CaptureRead
from api.ctl.arguments import prefix
from api.ctl.command import (
    Group,
    Options,
    Result,
    given,
    term_body,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = groups.add_group("capture")
    start = group.add_verb(
        "start",
        _start,
        "Record the queries of a range, for at most an hour. Its authority gets a notice.",
        'capture start ghent 10.1.0.0/16 --for 10m --reason "payroll names do not resolve"',
    )
    start.add_slug("authority", "authority of the range")
    start.add_argument("prefix", type=prefix, metavar="PREFIX", help="range, as it is registered")
    start.add_site()
    start.add_argument("--for", dest="for_", required=True, metavar="SPAN", help="duration, at most 1h: 10m, 45m")
    start.add_reason()
    lister = group.add_verb("list", _list, "List captures, newest first.", "capture list --authority ghent")
    lister.add_slug("--authority", "only captures of this authority")
    lister.add_limit()
    end = group.add_verb(
        "end",
        _end,
        "End a capture now. The files stay on the nodes until 24 hours later, unless you delete them.",
        'capture end 7 --reason "found it" --delete',
    )
    end.add_argument("number", type=int, metavar="NUMBER")
    end.add_argument("--delete", action="store_true", help="delete the files too, also of a capture that has ended")
    end.add_reason()


def _start(client: Client, options: Options) -> Result:
    body = {**given(options, "authority", "prefix", "site", "reason"), **term_body(options)}
    made = client.send(CaptureRead, "POST", path("captures"), body)
    return Result(made, lambda: _lines(made, client))


def _end(client: Client, options: Options) -> Result:
    body = {"delete": options.delete, "reason": options.reason}
    ended = client.send(CaptureRead, "POST", path("captures", str(options.number), "end"), body)
    return Result(ended, lambda: _lines(ended, client))


def _list(client: Client, options: Options) -> Result:
    page = client.list(CaptureRead, path("captures"), options.limit, given(options, "authority"))
    return listed(page, lambda: _table(page.items, client), "captures")


def _lines(found: CaptureRead, client: Client) -> Iterator[str]:
    zone = Names(client).time_zone(found.authority)
    yield from columns(
        [
            ("capture", str(found.number)),
            ("range", f"{found.prefix} of {found.authority}, site {found.site}"),
            ("state", found.state.replace("_", " ")),
            ("from", at_words(found.start, zone)),
            ("until", at_words(found.end, zone)),
            ("file", f"captures/{found.number}.jsonl in the node's directory"),
            ("deleted", at_words(found.deleted, zone)),
            ("reason", found.reason),
        ]
    )


def _table(items: list[CaptureRead], client: Client) -> Iterator[str]:
    names, accounts = Names(client), Accounts(client)
    accounts.prepare({item.recorded_by for item in items})
    names.prepare({item.authority for item in items})
    rows = [
        (
            str(item.number),
            item.authority,
            item.site,
            item.prefix,
            item.state.replace("_", " "),
            at_words(item.start, names.time_zone(item.authority)),
            at_words(item.end, names.time_zone(item.authority)),
            at_words(item.deleted, names.time_zone(item.authority)),
            accounts.login(item.recorded_by),
            item.reason,
        )
        for item in items
    ]
    heads = ("no.", "authority", "site", "range", "state", "from", "until", "deleted", "started by", "reason")
    yield from table(heads, rows, ("started by", "site"))
