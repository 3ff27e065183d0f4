"""Find accounts by number or login, and their logins, as far as the caller may read them."""

import argparse
import re
from collections.abc import Collection

from api.accounts.schemas import AccountRead, SelfRead
from api.auth.roles import Role
from api.ctl.arguments import words_of
from api.ctl.exit_codes import CtlError, Denied, TokenRejected, WrongInput
from api.ctl.remote.client import Client, path
from api.http.patterns import LOGIN

ROLES = words_of(Role)
TOKEN_PREFIX = "dnsf_"
LISTED = 6
"""From this number of unknown accounts on, request the list instead of each account."""
MAX_LISTED = 5_000
_LOGIN = re.compile(LOGIN)


def account(text: str) -> str:
    """Parse an argument that names an account, by number or login. Reject a token that is given by mistake."""
    if not _LOGIN.fullmatch(text) or text.startswith(TOKEN_PREFIX):
        raise argparse.ArgumentTypeError(f"{text!r} is not a login or the number of an account")
    return text


def login(text: str) -> str:
    """Parse a new login. Reject digits only, because they would be read as the number of an account."""
    if not _LOGIN.fullmatch(text) or text.isdigit() or text.startswith(TOKEN_PREFIX):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a login. Use lower-case letters, digits, dots and hyphens, not digits only"
        )
    return text


def account_words(number: int, login: str | None) -> str:
    """Return an account as a phrase: "ict-ghent (account 5)", or "account 5" without a login."""
    return f"{login} (account {number})" if login else f"account {number}"


def own_token_notes(client: Client) -> tuple[str, ...]:
    """Return notes after an act that may have revoked the caller's own token."""
    try:
        client.get(SelfRead, path("self"))
    except TokenRejected:
        return ("done. This also revoked your own token, which was made with a revoked one. Ask for a new token.",)
    except CtlError as error:
        note = "done. Your own token may be revoked too. Type `dnsfilterctl whoami` to check."
        return note, *error.lines
    return ()


class Accounts:
    """The accounts of one control plane; each is requested once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[int, AccountRead | None] = {}
        self._oneself: SelfRead | None = None
        self._asked = False

    def number(self, named: str | None) -> int:
        """Return the number of the account that `named` gives by number or login; without it, the caller's own.

        Raise WrongInput if there is none, and CtlError if the API fails.
        """
        if named is not None and named.isdigit():
            return _bounded(named)
        oneself = self._client.get(SelfRead, path("self"))
        if named in (None, oneself.account.login):
            return oneself.account.number
        try:
            found = self._client.list(AccountRead, path("accounts"), 1, {"login": named})
        except Denied as error:
            raise Denied(*error.lines, "looking up a login needs a role. Give the number of the account.") from error
        if not found.items:
            raise WrongInput(
                f'no account "{named}" that you may read. Type `dnsfilterctl account list`, or give a number.'
            )
        return found.items[0].number

    def prepare(self, numbers: Collection[int | None]) -> None:
        """Look up many accounts with one request. Raise CtlError."""
        unknown = {number for number in numbers if number} - self._known.keys()
        if len(unknown) >= LISTED and self._reads():
            found = self._client.list(AccountRead, path("accounts"), MAX_LISTED)
            # The caller may not read accounts that a complete list leaves out.
            self._known |= dict.fromkeys(unknown) if found.next is None else {}
            self._known |= {item.number: item for item in found.items}

    def login(self, number: int | None) -> str:
        """Return the login of an account; empty if the caller may not read it, or it was erased."""
        found = self._find(number) if number else None
        return (found.login or "") if found is not None else ""

    def words(self, number: int) -> str:
        """Return an account as a phrase, with its login if the caller may read it."""
        if not number:
            return "the installation"
        return account_words(number, self.login(number))

    def _find(self, number: int) -> AccountRead | None:
        reads = self._reads()
        if reads and number not in self._known:
            try:
                self._known[number] = self._client.find(AccountRead, path("accounts", number))
            except Denied:
                self._known[number] = None
        return self._known.get(number)

    def _reads(self) -> bool:
        """Return True if the caller may read logins of others. Remember the caller's own account."""
        if not self._asked:
            self._asked = True
            self._oneself = self._client.find(SelfRead, path("self"))
            if self._oneself is not None:
                self._known[self._oneself.account.number] = self._oneself.account
        return self._oneself is not None and bool(self._oneself.roles)


def _bounded(text: str) -> int:
    if len(text) > 9 or int(text) == 0:
        raise WrongInput(
            f"{text} is not the number of an account. Type `dnsfilterctl account list` to see the numbers."
        )
    return int(text)
