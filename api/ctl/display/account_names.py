"""Accounts by number or login, and what they are called, as far as the caller may read it."""

import argparse
import re
from collections.abc import Collection

from api.accounts.schemas import AccountRead, SelfRead
from api.auth.permissions import Role
from api.ctl.command import words_of
from api.ctl.exit_codes import CtlError, Denied, NotTaken, WrongInput
from api.ctl.remote.client import Client, path
from api.http.schemas import LOGIN

ROLES = words_of(Role)
TOKEN_PREFIX = "dnsf_"
LISTED = 6
"""From so many unknown accounts on, the whole list is asked for instead of each."""
MAX_LISTED = 5_000
_LOGIN = re.compile(LOGIN)


def account(text: str) -> str:
    """An argument that names an account, by number or login; a token that is given by mistake is sent nowhere."""
    if not _LOGIN.fullmatch(text) or text.startswith(TOKEN_PREFIX):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a login nor an account's number")
    return text


def login(text: str) -> str:
    """An argument that is a new login: not a number alone, which would be read as an account's."""
    if not _LOGIN.fullmatch(text) or text.isdigit() or text.startswith(TOKEN_PREFIX):
        raise argparse.ArgumentTypeError(f"{text!r} is no login: lower-case letters, digits, dots and hyphens")
    return text


def called(number: int, login: str | None) -> str:
    """An account as a phrase: "ict-ghent (account 5)"; without a login, "account 5"."""
    return f"{login} (account {number})" if login else f"account {number}"


def own_token_notes(client: Client) -> tuple[str, ...]:
    """What is to be said after an act that may have revoked the token that it was made with."""
    try:
        client.get(SelfRead, path("self"))
    except NotTaken:
        return ("done; the token that you use was made with one of those, and is revoked too: ask for another",)
    except CtlError as error:
        said = "done; it is not known whether the token that you use was revoked too: type dnsfilterctl whoami to see"
        return said, *error.lines
    return ()


class Accounts:
    """The accounts of one control plane; each is asked for once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[int, AccountRead | None] = {}
        self._oneself: SelfRead | None = None
        self._asked = False

    def number(self, named: str | None) -> int:
        """The account that `named` is the number or the login of; without it, the caller's own.

        Raises WrongInput where there is none, and CtlError.
        """
        if named is not None and named.isdigit():
            return _bounded(named)
        oneself = self._client.get(SelfRead, path("self"))
        if named in (None, oneself.account.login):
            return oneself.account.number
        try:
            found = self._client.list(AccountRead, path("accounts"), 1, {"login": named})
        except Denied as error:
            raise Denied(*error.lines, "without a role no login is looked up: give the account's number") from error
        if not found.items:
            raise WrongInput(f"no account you may read has the login {named}: see `account list`, or give a number")
        return found.items[0].number

    def prepare(self, numbers: Collection[int | None]) -> None:
        """Learn many at once; raises CtlError."""
        unknown = {number for number in numbers if number} - self._known.keys()
        if len(unknown) >= LISTED and self._reads():
            found = self._client.list(AccountRead, path("accounts"), MAX_LISTED)
            # Of those that a complete list leaves out, nothing may be read.
            self._known |= dict.fromkeys(unknown) if found.next is None else {}
            self._known |= {item.number: item for item in found.items}

    def login(self, number: int | None) -> str:
        """The login of an account; empty where the caller may not read it, or it was erased."""
        found = self._find(number) if number else None
        return (found.login or "") if found is not None else ""

    def words(self, number: int) -> str:
        """An account as a phrase, with its login as far as the caller may read it."""
        if not number:
            return "the installation"
        return called(number, self.login(number))

    def _find(self, number: int) -> AccountRead | None:
        reads = self._reads()
        if reads and number not in self._known:
            try:
                self._known[number] = self._client.find(AccountRead, path("accounts", number))
            except Denied:
                self._known[number] = None
        return self._known.get(number)

    def _reads(self) -> bool:
        """Whether the caller may read what some others are called; learns what it is called itself."""
        if not self._asked:
            self._asked = True
            self._oneself = self._client.find(SelfRead, path("self"))
            if self._oneself is not None:
                self._known[self._oneself.account.number] = self._oneself.account
        return self._oneself is not None and bool(self._oneself.roles)


def _bounded(text: str) -> int:
    if len(text) > 9 or int(text) == 0:
        raise WrongInput(f"{text} is no account's number: `account list` shows them")
    return int(text)
