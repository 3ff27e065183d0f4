"""dnsfilterctl coverage: which ranges of an authority ask this resolver."""

from collections.abc import Iterator, Sequence

from api.ctl.command import MAX_LIMIT, Group, Options, Result
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path
from api.http.schemas import Page
from api.usage.release import Figure
from api.usage.schemas import CoverageRead
from api.usage.state import CoverageState
from dnsfilter.policy.counted_ranges import NotCounted

_WHY = {NotCounted.LEVEL: "the authority counts nothing", NotCounted.SMALL: "fewer than 16 addresses"}


def add(groups: Group) -> None:
    """Add the command."""
    coverage = groups.add_command("coverage", _coverage, "coverage ghent", "coverage ghent --state stopped")
    coverage.add_slug("authority")
    coverage.add_argument(
        "--state",
        choices=[str(state) for state in CoverageState],
        metavar="STATE",
        help="all ranges in this state: asking, stopped, never or not_counted; --limit has no effect then",
    )
    coverage.add_limit()


def _coverage(client: Client, options: Options) -> Result:
    # The API judges a page of ranges at a time. To find all in one state, read all pages.
    most = options.limit if options.state is None else MAX_LIMIT
    page = client.list(CoverageRead, path("coverage"), most, {"authority": options.authority})
    if options.state is not None:
        page = Page(items=[item for item in page.items if item.state == options.state], next=page.next)
    return listed(page, lambda: _table(page.items, Names(client).time_zone(options.authority)), "ranges")


def _table(items: Sequence[CoverageRead], time_zone: str | None) -> Iterator[str]:
    rows = [
        (
            item.prefix,
            item.site,
            item.label,
            item.state.replace("_", " ") if item.not_counted is None else f"not counted: {_WHY[item.not_counted]}",
            "" if item.last_asked is None else at_words(item.last_asked, time_zone),
            "" if item.usual_per_hour is item.below is None else Figure(item.usual_per_hour, item.below).text,
        )
        for item in items
    ]
    yield from table(("range", "site", "label", "state", "last asked", "per hour"), rows, ("site", "label"))
