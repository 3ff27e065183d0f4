"""dnsfilterctl feed: where the names of own services come from."""

import time
from collections.abc import Iterator

from api.ctl.arguments import own_service
from api.ctl.command import Group, Options, Parser, Result, given
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns
from api.ctl.exit_codes import DONE, FOUND
from api.ctl.remote.client import Client, path
from api.feeds.schemas import MAX_HOURS, FeedRead
from blocklists.formats.known import Format

WAIT_S, LOOK_S = 150.0, 2.0
"""A fetch takes at most two minutes, and begins within seconds."""


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = groups.add_group("feed")
    setter = group.add_verb(
        "set",
        _set,
        "Let the names of an own service come from a list. It is fetched at once, and then again and again.",
        "feed set ghent:games https://lists.example.org/games.txt",
        "feed set ghent:games lists/games.txt --format hosts --every-hours 6",
    )
    _add_service(setter)
    setter.add_argument(
        "source", metavar="SOURCE", help="https:// address, or path of a file below the control plane's --feed-dir"
    )
    setter.add_argument(
        "--format", choices=list(Format), metavar="FORMAT", help=f"{', '.join(Format)} (default: detected)"
    )
    meaning = setter.add_mutually_exclusive_group()
    meaning.add_argument(
        "--exact", action="store_true", default=None, help="a name means only itself (default: as the format says)"
    )
    meaning.add_argument(
        "--below", dest="exact", action="store_false", default=None, help="a name means itself and all names below it"
    )
    setter.add_argument(
        "--every-hours", type=int, metavar="N", help=f"fetch again after N hours, at most {MAX_HOURS} (default: 24)"
    )
    _add_service(group.add_verb("show", _show, "Show a feed, and how its last fetches went.", "feed show ghent:games"))
    fetcher = group.add_verb(
        "fetch",
        _fetch,
        "Fetch a feed now, and wait for the result. Exit code 1 if the fetch fails.",
        "feed fetch ghent:games",
    )
    _add_service(fetcher)
    remover = group.add_verb(
        "remove", _remove, "Remove a feed. The names that it brought stay.", "feed remove ghent:games"
    )
    _add_service(remover)


def _add_service(parser: Parser) -> None:
    parser.add_argument("service", type=own_service, metavar="SERVICE", help="an own service, such as ghent:games")


def _path(options: Options, *more: str) -> str:
    authority, _, service = options.service.partition(":")
    return path("authorities", authority, "services", service, "feed", *more)


def _set(client: Client, options: Options) -> Result:
    body = given(options, "source", "format", "exact", "every_hours")
    return _result(client.send(FeedRead, "PUT", _path(options), body))


def _show(client: Client, options: Options) -> Result:
    return _result(client.get(FeedRead, _path(options)))


def _fetch(client: Client, options: Options) -> Result:
    asked = client.send(FeedRead, "POST", _path(options, "fetch"))
    found, until_s = asked, time.monotonic() + WAIT_S
    while (found.fetched, found.failures) == (asked.fetched, asked.failures) and time.monotonic() < until_s:
        time.sleep(LOOK_S)
        found = client.get(FeedRead, _path(options))
    return _result(found, FOUND if found.failures else DONE)


def _remove(client: Client, options: Options) -> Result:
    client.delete(_path(options))
    return Result({"removed": options.service}, lambda: [f"removed the feed of {options.service}"])


def _result(found: FeedRead, code: int = DONE) -> Result:
    return Result(found, lambda: _lines(found), code)


def _lines(found: FeedRead) -> Iterator[str]:
    meaning = {None: "as the format says", True: "only themselves", False: "themselves and all names below"}
    rows = [
        ("service", found.service),
        ("source", found.source),
        ("format", found.format or "detected"),
        ("names mean", meaning[found.exact]),
        ("every", f"{found.every_hours} hours"),
        ("last fetch", at_words(found.fetched) if found.fetched else "none yet"),
        ("last good", at_words(found.good) if found.good else "none yet"),
        ("next fetch", at_words(found.next)),
        ("list", f"{found.names} names, {found.skipped} lines skipped"),
    ]
    if found.update is not None:
        rows.append(("last update", f"{found.update}: dnsfilterctl update show {found.update}"))
    if found.failures:
        rows.append(("problem", f"{found.failures} failures: {found.message}"))
    yield from columns(rows)
