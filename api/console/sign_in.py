"""Sign in by a link, sign out, and choose a language."""

from typing import Annotated

from fastapi import Path, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.sessions import COOKIE, LONGEST_S, begin, end
from api.auth.tokens import NewToken
from api.console.frame.language import COOKIE as LANGUAGE_COOKIE
from api.console.frame.language import language_of
from api.console.frame.page_route import pages
from api.console.frame.rendering import render
from api.console.frame.visit import OwnForm, Visiting
from api.db.models import TokenRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Forbidden, NotAuthenticated
from api.http.dependencies import Runtime, RuntimeDep, request_id
from api.locale.translations import LOCALES
from dnsfilter.translatable import Text

router = pages()
YEAR_S = 365 * 86_400
Code = Annotated[str, Path(max_length=100)]


@router.get("/sign-in")
def sign_in(request: Request, held: RuntimeDep) -> Response:
    """Show how to sign in."""
    return sign_in_page(request, held)


@router.get("/sign-in/{code}")
def confirm(request: Request, held: RuntimeDep, code: Code) -> Response:
    """Show the button that uses a link. Programs that check links in mail do not press it."""
    return sign_in_page(request, held, code=code)


@router.post("/sign-in/{code}")
def use_link(request: Request, held: RuntimeDep, code: Code) -> Response:
    """Begin the session of a link."""
    demand_own_page(request)
    try:
        with held.database.writing() as session:
            made = begin(session, held.token_key, code, int(held.clock()), request_id(request))
    except NotAuthenticated as error:
        return sign_in_page(request, held, status=401, fault=str(error))
    return in_session(made)


def sign_in_page(
    request: Request, held: Runtime, *, status: int = 200, code: str | None = None, fault: str = "", login: str = ""
) -> Response:
    """Return the page that signs in: with the button of a link, or with the ways to sign in and what went wrong."""
    provider = held.settings.identity_provider
    return render(
        "sign_in.html.jinja",
        language_of(request),
        status=status,
        code=code,
        fault=fault,
        login=login,
        # With its host: the cookie of the attempt is for the host to which the provider sends the browser back.
        oidc=None if provider is None else f"{provider.console_url}/console/sign-in/oidc",
    )


def demand_own_page(request: Request) -> None:
    """Raise Forbidden if another site sent the form: it could sign somebody in as another person.

    Browsers say where a form is from (Fetch Metadata), also where no session can vouch for it.
    """
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Forbidden(Text("Another site sent this form. Open the page for signing in yourself."))


def in_session(made: NewToken) -> Response:
    """Redirect to the first page, with the cookie of a new session."""
    answer = RedirectResponse("/console", 303)
    answer.set_cookie(COOKIE, made.text, max_age=LONGEST_S, secure=True, httponly=True, samesite="lax")
    return answer


@router.post("/sign-out")
def sign_out(visit: Visiting, _form: OwnForm) -> Response:
    """End the session, and delete its cookie."""
    with visit.held.database.writing() as session:
        end(UnitOfWork(session, visit.holder.actor, int(visit.held.clock())), TokenRow.id == visit.holder.token)
    answer = RedirectResponse("/console/sign-in", 303)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/language/{language}")
def choose_language(language: str, back: str = "/console") -> Response:
    """Remember the language of the pages, and go back to the page of the choice."""
    own = back.startswith(("/console", "/register")) and "//" not in back and "\\" not in back
    answer = RedirectResponse(back if own else "/console", 303)
    if language in LOCALES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, secure=True, httponly=True, samesite="lax")
    return answer
