"""Exemptions: those that wait, are in force or have ended; one exemption, and what can be decided about it."""

from typing import Literal

from fastapi import Response

from api.auth.roles import APPROVERS, OPERATORS
from api.authorities.schemas import AuthorityRead
from api.console.account_words import account_words
from api.console.deciding import decide_on
from api.console.exemptions.week_chart import hours_words, week_chart, week_rows
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.page_words import N_
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.exemptions.schemas import ExemptionRead, ExemptionState
from api.exemptions.state import APPROVED
from api.http.schemas import Page

router = pages()
PATH = "/console/exemptions"
AT_FIRST, AT_ONCE = 20, 50
"""Most exemptions of each state on the first page, and most on the page of one state."""
STATES = {
    ExemptionState.REQUESTED: N_("Waiting for a decision"),
    ExemptionState.IN_FORCE: N_("In force"),
    ExemptionState.PLANNED: N_("Planned"),
    ExemptionState.LAPSED: N_("Ended"),
    ExemptionState.REVOKED: N_("Revoked or withdrawn"),
    ExemptionState.REJECTED: N_("Rejected"),
}
AT_FIRST_SHOWN = (ExemptionState.REQUESTED, ExemptionState.IN_FORCE, ExemptionState.PLANNED)
ACTS = {
    "approve": ("approve_exemption", "exemption-approved"),
    "reject": ("reject_exemption", "rejected"),
    "revoke": ("revoke_exemption", "revoked"),
    "withdraw": ("withdraw_exemption", "withdrawn"),
}
"""The acts on an exemption: the operation, and what the page then says."""


@router.get("/exemptions")
@calls("list_exemptions", "list_accounts")
async def exemptions(visit: Visiting, state: ExemptionState | None = None, cursor: str | None = None) -> Response:
    """List the exemptions that are live, or those of one state."""
    found = {}
    for each in AT_FIRST_SHOWN if state is None else (state,):
        query = {"state": each, "sort": "-number", "limit": AT_FIRST if state is None else AT_ONCE, "cursor": cursor}
        found[each] = await visit.read(Page[ExemptionRead], "list_exemptions", query=query)
    askers = {item.requested_by for page in found.values() for item in page.items}
    return await visit.page(
        "exemptions.html.jinja",
        found=found,
        states=STATES,
        state=state,
        accounts=await account_words(visit, askers),
        hours={item.number: _hours(visit, item) for page in found.values() for item in page.items},
    )


@router.get("/exemptions/{number}")
@calls("get_exemption", "get_authority", "list_accounts")
async def exemption(visit: Visiting, number: int) -> Response:
    """Show one exemption, its week, and what can be decided about it."""
    return await _page(visit, number, Form())


@router.post("/exemptions/{number}/{act}")
@calls(*(operation for operation, _ in ACTS.values()), "get_exemption", "get_authority", "list_accounts")
async def decide(
    visit: Visiting, form: OwnForm, number: int, act: Literal["approve", "reject", "revoke", "withdraw"]
) -> Response:
    """Approve, reject, revoke or withdraw an exemption."""
    operation, said = ACTS[act]
    refused = await decide_on(visit, form, number, act, operation)
    return visit.done(f"{PATH}/{number}", said) if refused is None else await _page(visit, number, refused, 422)


async def _page(visit: Visit, number: int, form: Form, status: int = 200) -> Response:
    found = await visit.read(ExemptionRead, "get_exemption", {"number": number})
    owner = await visit.read(AuthorityRead, "get_authority", {"slug": found.ban.partition("/")[0]})
    accounts = await account_words(visit, {found.requested_by, found.decided_by} - {None})
    own = found.requested_by == visit.holder.account
    decides = visit.holder.has(APPROVERS, owner.slug)
    waits = found.state is ExemptionState.REQUESTED
    return await visit.page(
        "exemption.html.jinja",
        status=status,
        form=form,
        found=found,
        owner=owner,
        states=STATES,
        accounts=accounts,
        hours=_hours(visit, found),
        week=week_chart(visit.words, found.hours, found.time_zone),
        rows=week_rows(visit.words, found.hours, found.time_zone),
        own=own,
        waits=waits,
        may_decide=waits and decides,
        may_withdraw=waits and (own or visit.holder.has(OPERATORS, owner.slug)),
        may_revoke=found.state in APPROVED and decides,
    )


def _hours(visit: Visit, found: ExemptionRead) -> str:
    return hours_words(visit.words, found.hours, found.time_zone)
