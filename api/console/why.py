"""Why?: what a client gets for a name, now or at a time, with every ban considered, and what to do about it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse

from api.auth.roles import OPERATORS
from api.console.decision_words import considered, sentences, zone_of
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form
from api.explain.schemas import DecisionRead
from api.http.schemas import Page
from api.suspensions.schemas import LocalSuspensionRead
from api.trace.schemas import TraceRead
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.instants import local_time
from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.policy.single_names import NameVerdict

router = pages()
PATH = "/console/why"


@dataclass(frozen=True, slots=True)
class Found:
    """The decision about a question; for a past time also what led to it, for now also local suspensions."""

    decision: DecisionRead
    trace: TraceRead | None
    local: list[LocalSuspensionRead]


@router.get("/why")
@calls("get_decision", "get_trace", "list_local_suspensions")
async def why(visit: Visiting) -> Response:
    """Show the form, and the answer to the question in the address."""
    return await _page(visit, query_form(visit.request))


@router.post("/why/allow")
@calls("put_name", "get_decision", "get_trace", "list_local_suspensions")
async def allow(visit: Visiting, form: OwnForm) -> Response:
    """Allow one name for the authority of the client."""
    body = {
        "verdict": NameVerdict.ALLOW,
        "exact": bool(form.text("exact")),
        "reason": form.text("reason"),
        **form.given("until"),
    }
    try:
        answer = await visit.act("put_name", {"slug": form.text("authority"), "name": form.text("name")}, body)
    except Refused as error:
        return await _page(visit, form.refused(error), 422)
    done = {"client": form.text("client"), "name": form.text("name"), "done": "waiting" if answer.waits else "changed"}
    return RedirectResponse(f"{PATH}?{urlencode({**done, **form.given('site')})}", 303)


async def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    found = None
    if form.text("client") or form.text("name"):
        try:
            found = await _found(visit, form)
        except Refused as error:
            form, status = form.refused(error), error.status
    if found is None:
        return await visit.page("why.html.jinja", status=status, form=form, found=None, at=form.text("at"))
    decision, zone = found.decision, zone_of(found.decision)
    at = f"{local_time(parse_instant(decision.at), zone):%Y-%m-%dT%H:%M}" if form.text("at") else ""
    return await visit.page(
        "why.html.jinja",
        status=status,
        form=form,
        found=found,
        decision=decision,
        zone=zone,
        at=at,
        spoken=sentences(visit.words, decision),
        considered=considered(visit.words, decision),
        may_allow=_may_allow(visit, found),
    )


async def _found(visit: Visit, form: Form) -> Found:
    """Return the answer to a question. For a past time, the policy of then decides."""
    asked = {"client": form.text("client"), "name": form.text("name"), "site": form.text("site") or DEFAULT_SITE}
    at = form.text("at") or None
    decision = await visit.read(DecisionRead, "get_decision", query={**asked, "at": at})
    if at is not None and parse_instant(decision.at) < int(visit.held.clock()):
        trace = await visit.read(TraceRead, "get_trace", query={**asked, "at": decision.at})
        return Found(trace.decision, trace, [])
    if at is not None or decision.authority is None:
        return Found(decision, None, [])
    query = {"authority": decision.authority, "site": decision.site, "limit": 20}
    local = await visit.read(Page[LocalSuspensionRead], "list_local_suspensions", query=query)
    return Found(decision, None, local.items)


def _may_allow(visit: Visit, found: Found) -> bool:
    """Return whether allowing the name would help, and the caller holds a role for it."""
    winner, authority = found.decision.winner, found.decision.authority
    if winner is None or winner.bound or found.trace is not None or authority is None:
        return False
    return found.decision.verdict == "refuse" and visit.holder.has(OPERATORS, authority)
