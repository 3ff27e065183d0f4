"""The two addresses of a sign-in by OpenID Connect: where it begins, and where the provider sends the browser back."""

import logging
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select

from api.accounts.schemas import AccountKind
from api.auth.sessions import begin_verified
from api.auth.tokens import NewToken
from api.console.frame.page_route import pages
from api.console.oidc.provider import Provider
from api.console.oidc.sign_in_attempt import ATTEMPT_S, COOKIE, attempt_of, new_attempt
from api.console.oidc.sign_in_failures import BEGIN_AGAIN, DENIED, NO_ACCOUNT, SignInFailed
from api.console.sign_in import in_session, sign_in_page
from api.db.models import AccountRow, NameRow
from api.db.unit_of_work import Access, Actor, UnitOfWork
from api.errors import NotFound
from api.http.dependencies import Runtime, RuntimeDep, request_id
from dnsfilter.telemetry.logs import emit
from dnsfilter.translatable import Text

log = logging.getLogger("dnsfilter.api")
router = pages()


def _provider(request: Request) -> Provider:
    """Return the provider. Raise NotFound if the settings name none."""
    found = request.app.state.identity_provider
    if not isinstance(found, Provider):
        raise NotFound(Text("Signing in with an organisation is switched off. Use a link that signs you in."))
    return found


ProviderDep = Annotated[Provider, Depends(_provider)]


@router.get("/sign-in/oidc")
def start(request: Request, held: RuntimeDep, provider: ProviderDep) -> Response:
    """Send the browser to the provider, with a cookie that remembers the attempt."""
    attempt = new_attempt(held.token_key, int(held.clock()))
    try:
        url = provider.authorization_url(attempt)
    except SignInFailed as failure:
        return _failed(request, held, failure)
    answer = RedirectResponse(url, 303)
    # Lax: the provider sends the browser back from its own site.
    answer.set_cookie(COOKIE, attempt.cookie, max_age=ATTEMPT_S, secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/sign-in/oidc/callback")
def callback(request: Request, held: RuntimeDep, provider: ProviderDep) -> Response:
    """Begin the session of the account that the provider vouches for. The attempt ends, also if it fails."""
    try:
        answer = in_session(_session(request, held, provider))
    except SignInFailed as failure:
        answer = _failed(request, held, failure)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def _session(request: Request, held: Runtime, provider: Provider) -> NewToken:
    given, now_s = request.query_params, int(held.clock())
    attempt = attempt_of(held.token_key, request.cookies.get(COOKIE, ""), given.get("state", ""), now_s)
    if attempt is None:
        raise SignInFailed(BEGIN_AGAIN, "no attempt of this browser has this state")
    if "code" not in given:
        raise SignInFailed(DENIED, "the provider sent no code")
    login = provider.login(attempt, given["code"], given.get("iss"), now_s)
    with held.database.writing() as session:
        named = select(AccountRow).join(NameRow, NameRow.account == AccountRow.id).where(NameRow.login == login)
        account = session.scalar(named)
        # An account of a program has no person who could sign in.
        if account is None or account.disabled_s is not None or account.kind != AccountKind.USER:
            raise SignInFailed(NO_ACCOUNT, "no enabled account of a person has the login", login)
        unit = UnitOfWork(session, Actor(account.id, Access.OIDC, request_id(request)), int(held.clock()))
        return begin_verified(unit, held.token_key)


def _failed(request: Request, held: Runtime, failure: SignInFailed) -> Response:
    emit(log, logging.WARNING, "a sign-in by OpenID Connect failed", reason=failure.reason)
    return sign_in_page(request, held, status=401, fault=failure.advice, login=failure.login)
