"""People: one's own passkeys, sessions and tokens, the accounts, and who holds which role until when."""

from fastapi import Response

from api.accounts.schemas import AccountRead, GrantRead, PasskeyRead, SelfRead, TokenRead
from api.auth.roles import READERS
from api.console.authority_choice import own_authorities
from api.console.frame.calls import calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting
from api.http.schemas import Page

router = pages()
PATH = "/console/people"
NONE: Page[AccountRead] = Page(items=[], next=None)
NO_GRANT: Page[GrantRead] = Page(items=[], next=None)


@router.get("/people")
@calls("get_self", "list_accounts", "list_grants", "list_tokens")
async def people(visit: Visiting, after: str = "", roles_after: str = "", authority: str = "") -> Response:
    """Show one's own sessions, tokens and passkeys, and a page of the accounts and roles that one may see."""
    return await people_page(visit, Form(), after=after, roles_after=roles_after, authority=authority)


@router.post("/people/tokens/{number}/end")
@calls("revoke_token")
async def end_token(visit: Visiting, _form: OwnForm, number: int) -> Response:
    """End one of one's own sessions or tokens, with what was made with it."""
    await visit.act("revoke_token", {"account": visit.holder.account, "number": number})
    return visit.done(PATH, "ended_token")


async def people_page(
    visit: Visit, form: Form, status: int = 200, *, after: str = "", roles_after: str = "", authority: str = ""
) -> Response:
    """Return the page, with the form that adds a passkey as it was sent."""
    accounts, grants = NONE, NO_GRANT
    if visit.holder.anywhere(READERS):
        shown = {"authority": authority or None, "limit": 100}
        accounts = await visit.read(Page[AccountRead], "list_accounts", query={**shown, "cursor": after or None})
        grants = await visit.read(Page[GrantRead], "list_grants", query={**shown, "cursor": roles_after or None})
    authorities = await own_authorities(visit)
    return await visit.page(
        "people.html.jinja",
        status=status,
        form=form,
        own=await own_tokens(visit),
        passkeys=(await visit.read(Page[PasskeyRead], "list_passkeys", {"account": visit.holder.account})).items,
        accounts=accounts,
        grants=grants,
        names={each.number: each.name for each in accounts.items},
        authority=authority,
        authorities=[(each.slug, visit.words.name(each.names)) for each in authorities],
        zones=visit.zones,
        me=await visit.read(SelfRead, "get_self"),
    )


async def own_tokens(visit: Visiting) -> list[TokenRead]:
    """Return one's own valid sessions and tokens, newest first."""
    path, query = {"account": visit.holder.account}, {"valid": True, "limit": 200}
    return (await visit.read(Page[TokenRead], "list_tokens", path, query)).items[::-1]
