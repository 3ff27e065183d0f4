"""Queries on bindings."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.bindings.state import is_bound
from api.db.models import AuditRow, BanRow, BindingRow
from api.db.unknown_names import numbered
from api.http.pagination import Paging, equal, select_page, within

_RECORDING, _ACCEPTING = ("binding.bind", "binding.propose"), "binding.accept"


get = numbered(BindingRow, "binding")
"""Return the binding with a number. Raise NotFound."""


def of(session: Session, ban: int, authority: str) -> Sequence[BindingRow]:
    """Return all bindings of a ban to an authority, including ended ones."""
    statement = select(BindingRow).where(BindingRow.ban == ban, BindingRow.authority == authority)
    return session.scalars(statement.order_by(BindingRow.number)).all()


def accounts_of(session: Session, numbers: Sequence[int]) -> dict[int, tuple[int | None, int | None]]:
    """Map each binding to the accounts that recorded or proposed it, and that accepted it, as in the audit log."""
    objects = {f"binding/{number}": number for number in numbers}
    acts = select(AuditRow.object, AuditRow.act, AuditRow.account).where(
        AuditRow.object.in_(objects), AuditRow.act.in_((*_RECORDING, _ACCEPTING))
    )
    found: dict[int, tuple[int | None, int | None]] = dict.fromkeys(numbers, (None, None))
    for name, act, account in session.execute(acts):
        recorded_by, accepted_by = found[objects[name]]
        found[objects[name]] = (recorded_by, account) if act == _ACCEPTING else (account, accepted_by)
    return found


def binders(session: Session, now_s: int) -> dict[str, tuple[str, ...]]:
    """Map each bound authority to the authorities whose bans are bound to it.

    Count laws and accepted agreements that have not ended.
    """
    statement = (
        select(BindingRow.authority, BanRow.authority)
        .join(BanRow, BanRow.number == BindingRow.ban)
        .where(is_bound(now_s))
        .distinct()
    )
    found: dict[str, tuple[str, ...]] = {}
    for bound, binder in session.execute(statement):
        found[bound] = (*found.get(bound, ()), binder)
    return found


def page(
    session: Session, authority: str | None, ban: int | None, mine: frozenset[str] | None, paging: Paging
) -> tuple[Sequence[BindingRow], str | None]:
    """Return a page of bindings by number; only those of the authorities `mine`, unless it is None."""
    wanted = equal({BindingRow.authority: authority, BindingRow.ban: ban}) + within(BindingRow.authority, mine)
    statement = select(BindingRow).where(*wanted)
    return select_page(session, statement, BindingRow.number, int, *paging)
