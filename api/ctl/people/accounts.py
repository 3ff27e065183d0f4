"""dnsfilterctl account: persons and programs that may act."""

from collections.abc import Iterator

from api.accounts.schemas import AccountRead
from api.ctl.command import Group, Options, Parser, Result, Run, given
from api.ctl.display.account_names import Accounts, account, login, own_token_notes
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("account")
    lister = group.add_verb("list", _list, "List accounts by number.", "account list --authority ghent")
    lister.add_slug("--authority", "only accounts of this authority")
    lister.add_limit()
    _add_account(group, "show", _show, "Show an account.", "account show ict-ghent")
    adder = group.add_verb(
        "add",
        _add,
        "Add an account for a person, or with --service for a program. It can do nothing until granted a role.",
        'account add ict-ghent --name "the ICT desk of Ghent" --authority ghent',
        'account add inventory --service --name "the inventory\'s export"',
    )
    adder.add_argument("login", type=login, metavar="LOGIN", help="name of the account in commands")
    adder.add_argument("--name", required=True, metavar="TEXT", help="display name; can be erased")
    adder.add_slug("--authority", "authority that it works for")
    adder.add_argument("--service", action="store_true", help="the account is for a program, not a person")
    _add_account(
        group,
        "disable",
        _disable,
        "Disable an account. Rejects its tokens, and revokes tokens that it made for other accounts.",
        "account disable ict-ghent",
    )
    _add_account(
        group, "enable", _enable, "Enable an account. Its own tokens are valid again.", "account enable ict-ghent"
    )
    _add_account(
        group,
        "erase",
        _erase,
        "Erase login and name of an account for good. Also disables it, and revokes its tokens and those made with "
        "them. Its acts stay in the audit log, under its number.",
        "account erase 7",
    )


def _add_account(group: Group, name: str, run: Run, summary: str, example: str) -> Parser:
    parser = group.add_verb(name, run, summary, example)
    parser.add_argument("account", type=account, metavar="ACCOUNT", help="its number or login")
    return parser


def _list(client: Client, options: Options) -> Result:
    page = client.list(AccountRead, path("accounts"), options.limit, given(options, "authority"))
    return listed(page, lambda: table(_HEADER, [_row(item) for item in page.items], ("name", "kind")), "accounts")


def _show(client: Client, options: Options) -> Result:
    return _shown(client, client.get(AccountRead, path("accounts", _number(client, options))))


def _add(client: Client, options: Options) -> Result:
    body = {"kind": "service" if options.service else "user", **given(options, "login", "name", "authority")}
    return _shown(client, client.send(AccountRead, "POST", path("accounts"), body))


def _disable(client: Client, options: Options) -> Result:
    found = client.send(AccountRead, "POST", path("accounts", _number(client, options), "disable"))
    notes = own_token_notes(client)
    if notes:
        # The caller's token is revoked or in doubt: ask the API nothing more.
        return Result(found, lambda: [f"disabled account {found.number}"], notes=notes)
    return _shown(client, found)


def _enable(client: Client, options: Options) -> Result:
    return _shown(client, client.send(AccountRead, "POST", path("accounts", _number(client, options), "enable")))


def _erase(client: Client, options: Options) -> Result:
    number = _number(client, options)
    client.delete(path("accounts", number, "name"))
    line = f"erased login and name of account {number}; it is disabled"
    return Result({"erased": number}, lambda: [line], notes=own_token_notes(client))


def _number(client: Client, options: Options) -> int:
    return Accounts(client).number(options.account)


_HEADER = ("no.", "login", "name", "kind", "authority", "state")


def _row(item: AccountRead) -> tuple[str, ...]:
    return str(item.number), item.login or "erased", item.name or "", item.kind, item.authority or "", _state(item)


def _state(item: AccountRead) -> str:
    return "enabled" if item.disabled is None else f"disabled {at_words(item.disabled)}"


def _shown(client: Client, found: AccountRead) -> Result:
    return Result(found, lambda: _lines(found, Names(client)))


def _lines(found: AccountRead, names: Names) -> Iterator[str]:
    authority = names.labelled(found.authority)
    yield from columns(
        [
            ("account", str(found.number)),
            ("login", found.login or "erased"),
            ("name", found.name or "erased"),
            ("kind", found.kind),
            ("authority", authority),
            ("recorded", at_words(found.recorded)),
            ("state", _state(found)),
        ]
    )
