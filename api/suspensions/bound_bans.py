"""Other authorities' bans that a suspension sets aside."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import BanRow, BindingRow
from api.publish.policy_rows import ban_value, binding_value
from dnsfilter.policy.intervals import Interval, intersection, union
from dnsfilter.policy.model import Ban, Binding, Ground
from dnsfilter.policy.rows import bound_intervals, on_intervals, quoted_intervals


@dataclass(frozen=True, slots=True)
class BoundBan:
    """A ban of `authority` that applies in another authority through a binding."""

    authority: str
    service: str
    by_law: bool

    @property
    def reference(self) -> str:
        """Return the ban as commands name it."""
        return f"{self.authority}/{self.service}"


def concerned(session: Session, authorities: Collection[str], span: Interval) -> tuple[str, ...]:
    """Return the authorities whose bans a suspension of `authorities` sets aside.

    These are their own, and others' that apply there.
    """
    bound = (ban.authority for ban in bound_bans(session, authorities, span))
    return tuple(dict.fromkeys((*authorities, *bound)))


def bound_bans(session: Session, authorities: Collection[str], span: Interval) -> Sequence[BoundBan]:
    """Return other authorities' bans that apply in `authorities` during `span`, by number, each ground once."""
    statement = (
        select(BanRow, BindingRow)
        .join(BindingRow, BindingRow.ban == BanRow.number)
        .where(BindingRow.authority.in_(authorities))
        .order_by(BanRow.number)
    )
    found: dict[BoundBan, None] = {}
    for ban_row, binding_row in session.execute(statement):
        ban, binding = ban_value(ban_row), binding_value(binding_row)
        if ban is not None and binding is not None and _applies(ban, binding, span):
            found[BoundBan(ban.authority, ban.service, binding.ground is Ground.LAW)] = None
    return tuple(found)


def _applies(ban: Ban, binding: Binding, span: Interval) -> bool:
    """Return whether the ban, a term of it and the binding are in force together at some time of `span`."""
    held = union(each for _, spans in quoted_intervals(ban) for each in spans)
    bound = intersection(held, union(bound_intervals([binding])))
    return bool(intersection(intersection(bound, on_intervals(ban)), (span,)))
