"""dnsfilterctl audit: who did what."""

from collections.abc import Iterator

from api.ctl.acts import account_words, change_lines
from api.ctl.answers import Entry
from api.ctl.client import Client, path
from api.ctl.commands import Group, Options, Result, add_group, add_limit, add_verb
from api.ctl.listing import listed
from api.ctl.moments import at_words


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = add_group(groups, "audit", "the record of acts")
    lister = add_verb(
        group, "list", _list, "list acts, newest first, with what they changed", "audit list --object ban/ghent/tiktok"
    )
    lister.add_argument("--act", metavar="ACT", help="those of one kind, for example ban.adopt")
    lister.add_argument("--object", metavar="OBJECT", help="those on one object, for example ban/ghent/tiktok")
    add_limit(lister)


def _list(client: Client, options: Options) -> Result:
    query = {"act": options.act, "object": options.object}
    page = client.list(Entry, path("audit"), options.limit, query)
    return listed(page, lambda: _lines(page.items), "acts")


def _lines(items: list[Entry]) -> Iterator[str]:
    for item in items:
        when = at_words(item.time, "UTC")
        who = account_words(item.account)
        yield f"{item.seq}  {when}  {who}  {item.act}  {item.object}  revision {item.revision}"
        if item.before is not None and item.after is not None:
            yield from change_lines(item.before, item.after)
