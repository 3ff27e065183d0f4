"""The public register of an authority: whether anybody may read its bans, and how browsers know it."""

from typing import Annotated

from fastapi import Path, Response

from api.authorities.schemas import AuthorityRead
from api.console.authority_choice import chosen_authority, own_authorities
from api.console.frame.calls import Refused, calls
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, Visit, Visiting, query_form

router = pages()
PATH = "/console/public-register"
YES = "yes"
Slug = Annotated[str, Path(max_length=64)]


@router.get("/public-register")
@calls()
async def choose(visit: Visiting) -> Response:
    """Let choose an authority, or show the register of the only one."""
    own, asked = await own_authorities(visit), query_form(visit.request).text("authority")
    chosen = await chosen_authority(visit, asked, own) if asked or len(own) == 1 else None
    return await _page(visit, Form(), chosen, own)


@router.get("/public-register/{slug}")
@calls()
async def show(visit: Visiting, slug: Slug) -> Response:
    """Show whether an authority has a register, with the form that changes it."""
    return await _page(visit, Form(), await _authority(visit, slug))


@router.post("/public-register/{slug}")
@calls("patch_authority")
async def change(visit: Visiting, form: OwnForm, slug: Slug) -> Response:
    """Switch the register on or off, and set the identifier under which browsers know it."""
    body = {
        "public_register": form.text("public_register") == YES,
        "filtering_database": form.text("filtering_database"),
    }
    try:
        await visit.act("patch_authority", {"slug": slug}, body)
    except Refused as error:
        return await _page(visit, form.refused(error), await _authority(visit, slug), status=422)
    return visit.done(f"{PATH}/{slug}", "changed")


async def _authority(visit: Visit, slug: str) -> AuthorityRead:
    return await visit.read(AuthorityRead, "get_authority", {"slug": slug})


async def _page(
    visit: Visit, form: Form, chosen: AuthorityRead | None, own: list[AuthorityRead] | None = None, status: int = 200
) -> Response:
    return await visit.page(
        "public_register.html.jinja",
        status=status,
        form=form,
        chosen=chosen,
        authorities=[(each.slug, visit.words.name(each.names)) for each in own or []],
        changes=visit.may("patch_authority", None),
    )
