"""dnsfilterctl token: the tokens of accounts."""

from collections.abc import Iterator
from pathlib import Path

from api.accounts.schemas import TokenMade, TokenRead, TokensRevoked
from api.ctl.arguments import number
from api.ctl.command import Group, Options, Parser, Result, add_end, term_body
from api.ctl.display.account_names import ROLES, TOKEN_PREFIX, Accounts, account
from api.ctl.display.listing import listed
from api.ctl.display.safe_text import columns, table
from api.ctl.input_files import SECRET, write_atomically
from api.ctl.people.login import validity_words
from api.ctl.remote.client import Client, path

_ONCE = "The token is shown only now. Store it, for example with `dnsfilterctl login`."


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("token")
    lister = group.add_verb(
        "list",
        _list,
        "List the tokens of an account. Includes tokens that have ended or were revoked.",
        "token list",
        "token list --account ict-ghent",
    )
    _add_account(lister)
    lister.add_limit()
    maker = group.add_verb(
        "make",
        _make,
        "Make a token. It is shown only once, or written to a file that only you can read.",
        'token make --label workstation --for "90 days" --out new-token',
        'token make --account inventory --label export --for "1 year" --role reader --authority ghent --out token',
    )
    _add_account(maker)
    maker.add_argument("--label", required=True, metavar="TEXT", help="where the token is used, to recognise it")
    maker.add_argument(
        "--role",
        dest="roles",
        action="append",
        choices=ROLES,
        metavar="ROLE",
        help=f"limit the token to this role of the account; may be repeated: {', '.join(ROLES)}",
    )
    maker.add_slug(
        "--authority",
        "limit the token to roles in this authority; may be repeated",
        dest="authorities",
        action="append",
    )
    maker.add_argument(
        "--outlives-maker",
        action="store_true",
        help="allow an end after that of your own token; administrators only, kept in the audit log",
    )
    maker.add_argument("--out", type=Path, metavar="FILE", help="write the token to this file instead of printing it")
    add_end(
        maker.add_argument_group("end", "At most a year from now, and not after the end of your own token."),
        required=True,
    )
    revoker = group.add_verb(
        "revoke",
        _revoke,
        "Revoke a token. Takes effect on the next request.",
        "token revoke 3",
        "token revoke 4 --account inventory",
    )
    revoker.add_argument("number", type=number, metavar="NUMBER")
    _add_account(revoker)


def _add_account(parser: Parser) -> None:
    parser.add_argument(
        "--account", type=account, metavar="ACCOUNT", help="number or login of the account (default: your own)"
    )


def _list(client: Client, options: Options) -> Result:
    page = client.list(TokenRead, _where(client, options), options.limit)
    return listed(
        page,
        lambda: table(_HEADER, [_row(item) for item in page.items], ("begins with", "last used", "narrowed to")),
        "tokens",
    )


def _make(client: Client, options: Options) -> Result:
    where = _where(client, options)
    body = {"label": options.label, "roles": options.roles or [], "authorities": options.authorities or []}
    body |= term_body(options) | ({"outlives_maker": True} if options.outlives_maker else {})
    if options.out is None:
        made = client.send(TokenMade, "POST", where, body)
        lines = [*_lines(made), made.token]
        return Result(made, lambda: lines, notes=(_ONCE,), raw=f"{made.token}\n")
    # Open the file first, so that no token is made that cannot be written.
    with write_atomically(options.out, SECRET) as file:
        made = client.send(TokenMade, "POST", where, body)
        file.write(f"{made.token}\n".encode())
    data = {**made.model_dump(mode="json", exclude={"token"}), "file": str(options.out)}
    return Result(data, lambda: [*_lines(made), f"written to {options.out}"])


def _revoke(client: Client, options: Options) -> Result:
    owner = Accounts(client).number(options.account)
    found = client.send(TokensRevoked, "DELETE", path("accounts", owner, "tokens", options.number))
    done = {"revoked": options.number, "account": owner, **found.model_dump(mode="json")}
    return Result(done, lambda: _revoked(options.number, owner, found.tokens))


def _revoked(number: int, owner: int, tokens: list[TokenRead]) -> Iterator[str]:
    yield f"revoked token {number} of account {owner}"
    for made in tokens:
        if made.number != number:
            yield f"also revoked token {made.number} of account {made.account}, {made.label}"


def _where(client: Client, options: Options) -> str:
    return path("accounts", Accounts(client).number(options.account), "tokens")


_HEADER = ("no.", "label", "begins with", "narrowed to", "last used", "validity")


def _row(item: TokenRead) -> tuple[str, ...]:
    return (
        str(item.number),
        item.label,
        f"{TOKEN_PREFIX}{item.public}_",
        ", ".join([*item.roles, *item.authorities]),
        item.last_used or "never",
        validity_words(item),
    )


def _lines(made: TokenRead) -> Iterator[str]:
    yield from columns(
        [
            ("token", f"{made.number} of account {made.account}, {made.label}"),
            ("roles", ", ".join(made.roles) or "all of the account"),
            ("authorities", ", ".join(made.authorities) or "all of the account"),
            ("validity", validity_words(made)),
        ]
    )
