"""Suspend an authority, or all. Nothing is refused there until the suspension ends, which it does by itself."""

from fastapi import Response

from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, Looking, OwnForm, Visit, Visiting, query_form
from api.http.schemas import Page
from api.suspensions.schemas import SuspensionRead

router = pages()
PATH = "/console/suspend"
ALL = "*"
"""The choice of all authorities in the form. It is no slug."""


@router.get("/suspend")
@calls("list_suspensions")
async def suspend(visit: Visiting) -> Response:
    """Show the suspensions in force and the recent ones, and the form that starts one."""
    return await _page(visit, query_form(visit.request))


@router.get("/suspended")
async def suspended(visit: Looking) -> Response:
    """Show what every page shows of the suspensions in force. Pages fetch it every 30 seconds while there is one."""
    return await visit.suspensions()


@router.post("/suspend")
@calls("start_suspension", "list_suspensions")
async def start(visit: Visiting, form: OwnForm) -> Response:
    """Start a suspension."""
    authority = form.text("authority")
    body = {
        "authority": None if authority == ALL else authority,
        "for": form.text("for") or "30m",
        "reason": form.text("reason"),
    }
    try:
        await visit.act("start_suspension", body=body)
    except Refused as error:
        return await _page(visit, form.refused(error), 422)
    return visit.done(PATH, "suspended")


@router.post("/suspend/{number}/end")
@calls("end_suspension", "list_suspensions")
async def end(visit: Visiting, form: OwnForm, number: int) -> Response:
    """End a suspension: the bans apply again."""
    try:
        await visit.act("end_suspension", {"number": number}, {"reason": form.text("ended_reason")})
    except Refused as error:
        return await _page(visit, form.refused(error), 422)
    return visit.done(PATH, "refusing")


async def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    authorities = await own_authorities(visit)
    recent = await visit.read(Page[SuspensionRead], "list_suspensions", query={"limit": 20})
    return await visit.page(
        "suspend.html.jinja",
        status=status,
        form=form,
        choices=[(each.slug, visit.words.name(each.names)) for each in authorities],
        everywhere=[(ALL, visit.words.translate("All authorities"))] if visit.holder.administers else [],
        durations=[("30m", _minutes(visit, 30)), *((f"{hours}h", _hours(visit, hours)) for hours in (1, 2, 4))],
        recent=recent.items,
    )


def _minutes(visit: Visit, minutes: int) -> str:
    return visit.words.count("{n} minute", "{n} minutes", minutes)


def _hours(visit: Visit, hours: int) -> str:
    return visit.words.count("{n} hour", "{n} hours", hours)
