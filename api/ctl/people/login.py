"""dnsfilterctl login, logout and whoami: the stored token."""

import os
from collections.abc import Iterator

from api.accounts.schemas import HeldRead, SelfRead, TokenRead
from api.ctl.command import Group, Options, Result, Verb
from api.ctl.display.account_names import account_words
from api.ctl.display.local_times import at_words, end_words
from api.ctl.display.safe_text import columns
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.remote.client import Client, path
from api.ctl.remote.token_file import VARIABLE, ask_token, store_token, stored_path


def add(groups: Group) -> None:
    """Add the commands."""
    groups.add_command(
        "login", Verb(_login, needs_token=False, asks_token=True), "login", "login --token-file new-token"
    )
    groups.add_command("logout", Verb(_logout, needs_token=False), "logout")
    groups.add_command("whoami", _whoami, "whoami")


def _login(client: Client, options: Options) -> Result:
    target = stored_path(os.environ, client.url)
    if target is None:
        raise WrongInput("no directory for the token. Set HOME or XDG_CONFIG_HOME to an absolute path.")
    given = ask_token(getattr(options, "token_file", None))
    client.use_token(given.value)
    found = client.get(SelfRead, path("self"))
    store_token(target, given.value)
    notes = [f"warning: {given.warning}"] if given.warning else []
    if os.environ.get(VARIABLE):
        notes.append(f"warning: {VARIABLE} is set, and its file is used instead of the stored token")
    data = {**found.model_dump(mode="json"), "file": str(target)}
    return Result(data, lambda: _stored(client.url, found, str(target)), notes=tuple(notes))


def _stored(url: str, found: SelfRead, target: str) -> Iterator[str]:
    who = account_words(found.account.number, found.account.login)
    yield f"logged in at {url} as {who}; token {validity_words(found.token)}"
    yield f"stored in {target}"


def _logout(client: Client, options: Options) -> Result:
    target = stored_path(os.environ, client.url)
    removed = target is not None and target.exists()
    if target is not None:
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise WrongInput(f"cannot remove {target}: {error.strerror}") from error
    line = f"removed {target}" if removed else f"no token is stored for {client.url}"
    return Result({"removed": str(target) if removed else None}, lambda: [line])


def _whoami(client: Client, options: Options) -> Result:
    found = client.get(SelfRead, path("self"))
    return Result(found, lambda: _lines(found, Names(client)))


def _lines(found: SelfRead, names: Names) -> Iterator[str]:
    account, token = found.account, found.token
    yield from columns(
        [
            ("account", account_words(found.account.number, found.account.login)),
            ("name", account.name or "none"),
            (
                "authority",
                names.labelled(account.authority),
            ),
            ("token", f"{token.number}, {token.label}; {validity_words(token)}"),
            *(("role", _role(held, names)) for held in found.roles),
            *([] if found.roles else [("role", "none")]),
        ]
    )


def validity_words(token: TokenRead) -> str:
    """Return how long a token is valid."""
    if token.revoked is not None:
        return f"revoked {at_words(token.revoked)}"
    return "valid until revoked" if token.expires is None else f"valid {end_words(token.expires, None)}"


def _role(held: HeldRead, names: Names) -> str:
    if held.authority is None:
        return f"{held.role} of the installation"
    return f"{held.role} of {names.labelled(held.authority)}"
