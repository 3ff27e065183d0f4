"""dnsfilterctl failures: requests whose token was rejected."""

from collections.abc import Iterator

from api.accounts.schemas import AuthenticationFailureRead
from api.ctl.command import Group, Options, Result
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import table
from api.ctl.remote.client import Client, path


def add(groups: Group) -> None:
    """Add the command of the group."""
    group = groups.add_group("failures")
    group.add_verb(
        "list",
        _list,
        "List authentication failures of the last 90 days, newest first. No other data holds client addresses.",
        "failures list --limit 20",
    ).add_limit()


def _list(client: Client, options: Options) -> Result:
    page = client.list(AuthenticationFailureRead, path("authentication-failures"), options.limit)
    return listed(page, lambda: _table(page.items, Accounts(client)), "authentication failures")


def _table(items: list[AuthenticationFailureRead], accounts: Accounts) -> Iterator[str]:
    accounts.prepare({item.account for item in items})
    rows = [
        (
            at_words(item.time),
            item.address,
            item.reason,
            "" if item.token is None else str(item.token),
            "" if item.account is None else accounts.words(item.account),
            item.request,
        )
        for item in items
    ]
    yield from table(("time", "address", "reason", "token", "of", "request"), rows, ("request", "token"))
