"""One account: its roles and until when, a new role, and a link with which its person signs in."""

from fastapi import Request, Response

from api.accounts.schemas import AccountRead, GrantRead, SignInLinkMade
from api.auth.roles import APPROVERS, OF_AUTHORITY, READERS, Role
from api.authorities.schemas import AuthorityRead
from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, calls, read
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, host_of, query_form
from api.console.people.people import NO_GRANT
from api.console.people.people import PATH as PEOPLE
from api.http.schemas import Page

router = pages()
INSTALLATION = "*"
"""The choice of the installation in the form of a role. It is no slug."""


@router.get("/people/{account}")
@calls("get_account", "list_grants")
async def account(visit: Visiting, account: int) -> Response:
    """Show an account with its roles."""
    return await _page(visit, account, query_form(visit.request))


@router.post("/people/{account}/grants")
@calls("make_grant", "get_account", "list_grants")
async def grant(visit: Visiting, form: OwnForm, account: int) -> Response:
    """Give the account a role."""
    authority, last_day = form.text("authority"), form.text("end")
    body = {
        "account": account,
        "role": form.text("role"),
        "authority": None if authority == INSTALLATION else authority,
        "reason": form.text("reason"),
        **({"end": f"through {last_day}"} if last_day else {}),
    }
    try:
        await visit.act("make_grant", body=body)
    except Refused as error:
        return await _page(visit, account, form.refused(error), 422)
    return visit.done(f"{PEOPLE}/{account}", "granted")


@router.get("/people/{account}/grants/{number}/end")
@calls("get_account", "get_grant")
async def ask_end(visit: Visiting, account: int, number: int) -> Response:
    """Ask why a role ends."""
    return await _end_page(visit, account, number, Form())


@router.post("/people/{account}/grants/{number}/end")
@calls("end_grant", "get_account", "get_grant")
async def end_grant(visit: Visiting, form: OwnForm, account: int, number: int) -> Response:
    """End a role of the account."""
    try:
        await visit.act("end_grant", {"number": number}, {"reason": form.text("reason")})
    except Refused as error:
        return await _end_page(visit, account, number, form.refused(error), 422)
    return visit.done(f"{PEOPLE}/{account}", "ended_grant")


@router.post("/people/{account}/sign-in-link")
@calls("make_link_for_account", "get_account")
async def make_link(request: Request, visit: Visiting, _form: OwnForm, account: int) -> Response:
    """Make a link for the person of the account, and show it once."""
    shown = await visit.read(AccountRead, "get_account", {"account": account})
    made = read(SignInLinkMade, await visit.act("make_link_for_account", {"account": account}))
    return await visit.page("sign_in_link.html.jinja", account=shown, link=f"{origin_of(request)}{made.path}")


def origin_of(request: Request) -> str:
    """Return the origin of the pages, as the browser sees it. Its cookies need TLS, except on `localhost`."""
    return f"{request.url.scheme if host_of(request) == 'localhost' else 'https'}://{request.url.netloc}"


async def _page(visit: Visit, number: int, form: Form, status: int = 200) -> Response:
    shown = await visit.read(AccountRead, "get_account", {"account": number})
    authorities, grants = await own_authorities(visit), NO_GRANT
    if visit.holder.anywhere(READERS):
        grants = await visit.read(Page[GrantRead], "list_grants", query={"account": number, "limit": 200})
    own = number == visit.holder.account
    grants_all = visit.holder.administers and not own
    return await visit.page(
        "account.html.jinja",
        status=status,
        form=form,
        account=shown,
        grants=sorted(grants.items, key=lambda each: (each.state == "ended", each.number)),
        linking=visit.holder.administers and not own and shown.disabled is None,
        ends=lambda authority: visit.holder.has(APPROVERS, authority),
        granting=[] if own else _granting(visit, authorities),
        everywhere=[(INSTALLATION, visit.words.translate("This installation"))] if grants_all else [],
        roles=[str(role) for role in Role if visit.holder.administers or role in OF_AUTHORITY],
        zones=visit.zones,
    )


async def _end_page(visit: Visit, account: int, number: int, form: Form, status: int = 200) -> Response:
    return await visit.page(
        "end_grant.html.jinja",
        status=status,
        form=form,
        account=await visit.read(AccountRead, "get_account", {"account": account}),
        grant=await visit.read(GrantRead, "get_grant", {"number": number}),
    )


def _granting(visit: Visit, authorities: list[AuthorityRead]) -> list[tuple[str, str]]:
    """Return the authorities in which the visitor may grant roles, with their names."""
    return [(each.slug, visit.words.name(each.names)) for each in authorities if visit.holder.has(APPROVERS, each.slug)]
