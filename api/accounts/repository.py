"""Queries on accounts, grants and tokens."""

from collections.abc import Collection, Sequence

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from api.accounts.state import has_ended
from api.auth.lineage import descendants
from api.auth.roles import Role
from api.auth.state import is_valid
from api.db.models import (
    AccountRow,
    AuditRow,
    AuthenticationFailureRow,
    GrantRow,
    MatterRow,
    NameRow,
    PasskeyRow,
    TokenRow,
)
from api.db.unknown_names import no_number, numbered
from api.errors import Invalid, NotFound, did_you_mean, see_list
from api.http.pagination import Paging, equal, select_page, within
from dnsfilter.translatable import Text

MANY = 5_000
"""Entries of authorities from which on the entries of the account are read instead."""


get = numbered(AccountRow, "account")
"""Return the account with a number. Raise NotFound."""


def demand_account(session: Session, visible: frozenset[str] | None, number: int | None) -> None:
    """Raise `Invalid` if a filter names an unknown account and the caller may see all accounts.

    Other callers must not learn which accounts exist.
    """
    if visible is None and number and session.get(AccountRow, number) is None:
        raise Invalid.at("query.account", no_number("account", number))


def demand_login(session: Session, visible: frozenset[str] | None, login: str | None) -> None:
    """Raise `Invalid` if a filter names an unknown login and the caller may see all accounts.

    Other callers must not learn which logins exist.
    """
    if visible is None and login is not None and by_login(session, login) is None:
        near = did_you_mean(login, session.scalars(select(NameRow.login)))
        raise Invalid.at(
            "query.login",
            Text('No account "{login}".{hint}', login=login, hint=near or see_list("account")),
        )


def by_login(session: Session, login: str) -> AccountRow | None:
    """Return the account with the login, or None."""
    return session.scalar(
        select(AccountRow).join(NameRow, NameRow.account == AccountRow.id).where(NameRow.login == login)
    )


def names(session: Session, accounts: Collection[int]) -> dict[int, NameRow]:
    """Return the names of these accounts, without those that were erased."""
    rows = session.scalars(select(NameRow).where(NameRow.account.in_(accounts)))
    return {row.account: row for row in rows}


def page(
    session: Session,
    visible: frozenset[str] | None,
    login: str | None,
    authority: str | None,
    numbers: Collection[int] | None,
    paging: Paging,
) -> tuple[Sequence[AccountRow], str | None]:
    """Return a page of accounts by number; only those that acted in an authority in `visible`, unless it is None.

    With `numbers`, only these.
    """
    statement = select(AccountRow).where(*equal({AccountRow.authority: authority}))
    if visible is not None:
        statement = statement.where(AccountRow.id.in_(actors(visible)))
    if login is not None:
        statement = statement.join(NameRow, NameRow.account == AccountRow.id).where(NameRow.login == login)
    if numbers is not None:
        statement = statement.where(AccountRow.id.in_(numbers))
    return select_page(session, statement, AccountRow.id, int, *paging)


def actors(authorities: Collection[str]) -> Select[int]:
    """Select the accounts that made an act that concerns one of `authorities`."""
    # Distinct: without statistics, PostgreSQL would read all these entries again for each account.
    theirs = select(AuditRow.account).distinct().join(MatterRow, MatterRow.seq == AuditRow.seq)
    return theirs.where(MatterRow.authority.in_(authorities))


def has_acted(session: Session, account: int, authorities: frozenset[str]) -> bool:
    """Return whether an account made an act that concerns one of `authorities`."""
    concerned = select(MatterRow.seq).where(MatterRow.authority.in_(authorities))
    if len(session.scalars(concerned.limit(MANY)).all()) < MANY:
        # The sum prevents the planner from reading the account's entries: it may have made most of the audit log.
        found = select(AuditRow.seq).where(AuditRow.seq.in_(concerned), AuditRow.account + 0 == account)
    else:
        theirs = exists().where(MatterRow.seq == AuditRow.seq, MatterRow.authority.in_(authorities))
        found = select(AuditRow.seq).where(AuditRow.account == account, theirs)
    return session.scalar(found.limit(1)) is not None


get_grant = numbered(GrantRow, "grant")
"""Return the grant with a number. Raise NotFound."""


def same_grants(session: Session, account: int, role: str, authority: str | None, now_s: int) -> Sequence[GrantRow]:
    """Return the grants of that role that have not ended at `now_s`."""
    held = GrantRow.authority.is_(None) if authority is None else GrantRow.authority == authority
    statement = select(GrantRow).where(GrantRow.account == account, GrantRow.role == role, held)
    return [row for row in session.scalars(statement) if not has_ended(row, now_s)]


def held_grants(session: Session, role: Role, authority: str | None, now_s: int) -> Sequence[GrantRow]:
    """Return the grants of that role in force, without those of disabled accounts."""
    held = GrantRow.authority.is_(None) if authority is None else GrantRow.authority == authority
    statement = select(GrantRow).join(AccountRow, AccountRow.id == GrantRow.account)
    enabled = statement.where(GrantRow.role == str(role), held, AccountRow.disabled_s.is_(None))
    return [row for row in session.scalars(enabled) if row.period.holds(now_s)]


def grant_page(
    session: Session,
    visible: frozenset[str] | None,
    account: int | None,
    authority: str | None,
    paging: Paging,
) -> tuple[Sequence[GrantRow], str | None]:
    """Return a page of grants by number; only those in `visible`, unless it is None."""
    wanted = equal({GrantRow.account: account, GrantRow.authority: authority})
    statement = select(GrantRow).where(*within(GrantRow.authority, visible), *wanted)
    return select_page(session, statement, GrantRow.number, int, *paging)


def get_token(session: Session, account: int, number: int) -> TokenRow:
    """Return the account's token; raise `NotFound` if there is none."""
    row = session.get(TokenRow, number)
    if row is None or row.account != account:
        raise NotFound(
            Text(
                "Account {account} has no token {number}.{hint}",
                account=account,
                number=number,
                hint=see_list("token"),
            )
        )
    return row


def get_passkey(session: Session, account: int, number: int) -> PasskeyRow:
    """Return the account's passkey; raise `NotFound` if there is none."""
    row = session.get(PasskeyRow, number)
    if row is None or row.account != account:
        raise NotFound(
            Text("Account {account} has no passkey {number}: it may have been removed.", account=account, number=number)
        )
    return row


def failed_page(
    session: Session, since_s: int, paging: Paging
) -> tuple[Sequence[AuthenticationFailureRow], str | None]:
    """Return a page of authentication failures after `since_s`, newest first."""
    statement = select(AuthenticationFailureRow).where(AuthenticationFailureRow.time_s > since_s)
    return select_page(session, statement, AuthenticationFailureRow.id, int, *paging, newest_first=True)


def owners(session: Session, tokens: Collection[int]) -> dict[int, int]:
    """Return the account of each of these tokens."""
    rows = session.execute(select(TokenRow.id, TokenRow.account).where(TokenRow.id.in_(tokens)))
    return {row.id: row.account for row in rows}


def live_tokens(session: Session, account: int, now_s: int) -> int:
    """Return the number of the account's tokens that are neither revoked nor expired."""
    statement = select(func.count(TokenRow.id)).where(TokenRow.account == account, is_valid(now_s))
    return session.scalar(statement) or 0


def made_since(session: Session, account: int, since_s: int) -> int:
    """Return the number of the account's tokens that were made after `since_s`."""
    statement = select(func.count(TokenRow.id)).where(TokenRow.account == account, TokenRow.created_s > since_s)
    return session.scalar(statement) or 0


def descends(session: Session, number: int, ancestor: int) -> bool:
    """Return whether the token `number` is `ancestor`, or was made with it, directly or through other tokens."""
    found = descendants(TokenRow.id == ancestor)
    return session.scalar(select(found.c.id).where(found.c.id == number)) is not None


def token_page(
    session: Session, account: int, ancestor: int | None, valid_s: int | None, paging: Paging
) -> tuple[Sequence[TokenRow], str | None]:
    """Return a page of an account's tokens by number.

    Only those that descend from `ancestor`, unless it is None, and that are valid at `valid_s`, unless it is None.
    """
    statement = select(TokenRow).where(TokenRow.account == account)
    if valid_s is not None:
        statement = statement.where(is_valid(valid_s))
    if ancestor is not None:
        statement = statement.where(TokenRow.id.in_(select(descendants(TokenRow.id == ancestor).c.id)))
    return select_page(session, statement, TokenRow.id, int, *paging)
