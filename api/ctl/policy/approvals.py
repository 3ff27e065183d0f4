"""Shared by exemptions and requests: one account asks, and an approver decides."""

from collections.abc import Collection
from typing import Any, TypeAlias

from api.bans.requests.schemas import RequestRead
from api.ctl.command import Group
from api.ctl.display.account_names import Accounts
from api.ctl.display.local_times import at_words
from api.ctl.display.shown_names import Names
from api.ctl.numbered import Numbered
from api.exemptions.schemas import ExemptionRead

Asked: TypeAlias = ExemptionRead | RequestRead


def add_deciding(group: Group, noun: str, kind: Numbered[Any]) -> None:
    """Add the commands to approve, reject and withdraw."""
    approve = group.add_numbered("approve", kind.act("approve", "note"), "Approve a request.", f"{noun} approve 1")
    approve.add_argument("--note", metavar="TEXT", help="note of the approver")
    for act, summary, why in (
        ("reject", "Reject a request.", "no end in sight"),
        ("withdraw", "Withdraw a request that is still open.", "found another way"),
    ):
        group.add_numbered(act, kind.act(act, "reason"), summary, f'{noun} {act} 1 --reason "{why}"').add_reason()


def prepare(items: Collection[Asked], names: Names, accounts: Accounts) -> None:
    """Look up the names that a table needs. Raise CtlError."""
    bans = [item.ban.partition("/") for item in items if item.ban is not None]
    names.prepare({ban[0] for ban in bans}, {ban[2] for ban in bans})
    accounts.prepare({item.requested_by for item in items})


def outcome_rows(found: Asked, zone: str | None, accounts: Accounts) -> list[tuple[str, str]]:
    """Return who asked, the outcome, and who decided."""
    last = ("revoked", found.revoked) if isinstance(found, ExemptionRead) else ("withdrawn", found.withdrawn)
    acts = (("approved", found.approved), ("rejected", found.rejected), last)
    rows = [("requested", f"{at_words(found.requested, zone)} by {accounts.words(found.requested_by)}")]
    rows += [(act, at_words(at, zone)) for act, at in acts if at is not None]
    if found.decided_by is not None:
        who = accounts.words(found.decided_by)
        rows.append(("decided by", f"{who}: {found.note}" if found.note else who))
    return rows
