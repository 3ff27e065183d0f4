"""Requests: acts after which less is refused, which wait for a second person."""

from collections.abc import Iterator
from typing import Literal

from fastapi import Response

from api.auth.roles import APPROVERS, OPERATORS
from api.authorities.schemas import AuthorityRead
from api.bans.requests.schemas import LiftRead, RequestRead, RequestState
from api.console.account_words import account_words
from api.console.audit import differences
from api.console.deciding import decide_on
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.page_words import N_, Words
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.http.schemas import Page
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Mode

router = pages()
PATH = "/console/requests"
LISTED = 50
STATES = {
    RequestState.REQUESTED: N_("Waiting for a decision"),
    RequestState.APPROVED: N_("Approved"),
    RequestState.REJECTED: N_("Rejected"),
    RequestState.WITHDRAWN: N_("Withdrawn"),
    RequestState.LAPSED: N_("Ended without a decision"),
}
ACTS = {
    "approve": ("approve_request", "request-approved"),
    "reject": ("reject_request", "rejected"),
    "withdraw": ("withdraw_request", "withdrawn"),
}
"""The acts on a request: the operation, and what the page then says."""
WISHES = {
    Mode.OFF: N_("Switch the ban {ban} off"),
    Mode.MONITOR: N_("Only monitor for the ban {ban}, and refuse nothing"),
}


@router.get("/requests")
@calls("list_requests", "list_accounts")
async def requests(
    visit: Visiting, state: RequestState = RequestState.REQUESTED, cursor: str | None = None
) -> Response:
    """List the requests of one state, by default those that wait."""
    query = {"state": state, "limit": LISTED, "cursor": cursor}
    found = await visit.read(Page[RequestRead], "list_requests", query=query)
    return await visit.page(
        "requests.html.jinja",
        found=found,
        states=STATES,
        state=state,
        wishes={
            each.number: list(_wishes(visit.words, each, visit.zones.get(each.authority, DEFAULT_ZONE)))
            for each in found.items
        },
        accounts=await account_words(visit, {each.requested_by for each in found.items}),
    )


@router.get("/requests/{number}")
@calls("get_request", "get_authority", "list_accounts")
async def request(visit: Visiting, number: int) -> Response:
    """Show one request: what would change, and what can be decided about it."""
    return await _page(visit, number, Form())


@router.post("/requests/{number}/{act}")
@calls(*(operation for operation, _ in ACTS.values()), "get_request", "get_authority", "list_accounts")
async def decide(
    visit: Visiting, form: OwnForm, number: int, act: Literal["approve", "reject", "withdraw"]
) -> Response:
    """Approve, reject or withdraw a request."""
    operation, said = ACTS[act]
    refused = await decide_on(visit, form, number, act, operation)
    return visit.done(f"{PATH}/{number}", said) if refused is None else await _page(visit, number, refused, 422)


async def _page(visit: Visit, number: int, form: Form, status: int = 200) -> Response:
    found = await visit.read(RequestRead, "get_request", {"number": number})
    owner = await visit.read(AuthorityRead, "get_authority", {"slug": found.authority})
    own, waits = found.requested_by == visit.holder.account, found.state is RequestState.REQUESTED
    return await visit.page(
        "request.html.jinja",
        status=status,
        form=form,
        found=found,
        owner=owner,
        states=STATES,
        accounts=await account_words(visit, {found.requested_by, found.decided_by}),
        wishes=list(_wishes(visit.words, found, owner.time_zone)),
        lifts=[(_subject(visit.words, each), each) for each in found.lifts],
        changes=[(each, differences(each.before, each.after)) for each in found.acts],
        own=own,
        waits=waits,
        may_decide=waits and visit.holder.has(APPROVERS, found.authority),
        may_withdraw=waits and (own or visit.holder.has(OPERATORS, found.authority)),
    )


def _wishes(w: Words, found: RequestRead, zone: str) -> Iterator[str]:
    """Yield what the request would do, each act once."""
    service = (found.ban or "").partition("/")[2]
    if service and found.mode is Mode.OFF and found.until is not None:
        until = w.at(found.until, zone)
        yield w.translate("Switch the ban {ban} off until {time}", ban=service, time=until)
    elif service and found.mode in WISHES:
        yield w.translate(WISHES[found.mode], ban=service)
    else:
        for act, subject in dict.fromkeys((each.act, each.object) for each in found.acts):
            yield w.translate("{act}: {object}", act=w.act(act), object=subject)


def _subject(w: Words, lift: LiftRead) -> str:
    """Return the names that would be answered."""
    if lift.name and lift.service:
        return w.translate("{name}, of {service}", name=lift.name, service=lift.service)
    return lift.name or lift.service
