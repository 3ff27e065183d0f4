"""Passkeys: sign in with one, add one, remove one, and what a browser needs to make or use one.

What verifies them is imported by the first request that needs it: its library takes 6 MB.
"""

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth.passkey_rows import Purpose
from api.auth.sessions import begin_with_passkey
from api.auth.tokens import held_token
from api.console.frame.calls import calls, faults_by_api, said_by_api
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, OwnForm, SentForm, Visiting, host_of
from api.console.people.people import PATH, people_page
from api.console.sign_in import demand_own_page, in_session, sign_in_page
from api.db.unit_of_work import UnitOfWork
from api.errors import ApiError, Fault, Invalid, NotAuthenticated
from api.http.dependencies import RuntimeDep, request_id

router = pages()
JSON = "application/json"


@router.get("/passkeys/options/sign-in")
def sign_in_options(request: Request, held: RuntimeDep) -> Response:
    """Return what a browser needs to sign in with any passkey of these pages."""
    from api.auth.passkeys import signing_options

    with held.database.reading() as session:
        made = signing_options(session, held.token_key, Purpose.SIGN_IN, None, host_of(request), int(held.clock()))
    return Response(made, media_type=JSON)


@router.get("/passkeys/options/{purpose}")
def options(visit: Visiting, purpose: Purpose) -> Response:
    """Return what a browser needs to add a passkey, or to confirm the session with one."""
    from api.auth.passkeys import registration_options, signing_options

    now_s, key, host = int(visit.held.clock()), visit.held.token_key, host_of(visit.request)
    with visit.held.database.reading() as session:
        token, _ = held_token(session, visit.holder.token)
        if purpose is Purpose.REGISTER:
            made = registration_options(session, key, token, host, now_s)
        else:
            made = signing_options(session, key, Purpose.CONFIRM, token, host, now_s)
    return Response(made, media_type=JSON)


@router.post("/passkeys/sign-in")
def sign_in(request: Request, held: RuntimeDep, form: SentForm) -> Response:
    """Begin the session of a passkey."""
    from api.auth.passkeys import signer

    demand_own_page(request)
    now_s, key = int(held.clock()), held.token_key
    try:
        with held.database.writing() as session:
            used = signer(session, key, Purpose.SIGN_IN, None, form.text("proof"), host_of(request), now_s)
            made = begin_with_passkey(session, key, used, now_s, request_id(request))
    except NotAuthenticated as error:
        return sign_in_page(request, held, status=401, fault=str(error))
    return in_session(made)


@router.post("/people/passkeys")
@calls("get_self", "list_accounts", "list_grants", "list_tokens")
async def add(visit: Visiting, form: OwnForm) -> Response:
    """Add a passkey to one's own account."""
    await visit.demand_proof()
    try:
        await run_in_threadpool(_add, visit, form)
    except Invalid as error:
        return await people_page(visit, Form(form.fields, faults_by_api(error.faults)), 422)
    except ApiError as error:
        return await people_page(visit, Form(form.fields, [Fault("", said_by_api(str(error)))]), 422)
    return visit.done(PATH, "passkey_added")


@router.post("/people/passkeys/{number}/remove")
@calls("remove_passkey")
async def remove(visit: Visiting, _form: OwnForm, number: int) -> Response:
    """Remove one of one's own passkeys, and end its sessions."""
    await visit.act("remove_passkey", {"account": visit.holder.account, "number": number})
    return visit.done(PATH, "passkey_removed")


def _add(visit: Visiting, form: Form) -> None:
    from api.auth.passkeys import register

    with visit.held.database.writing() as session:
        unit = UnitOfWork(session, visit.holder.actor, int(visit.held.clock()))
        token, _ = held_token(session, visit.holder.token)
        register(unit, visit.held.token_key, token, form.text("label"), form.text("credential"), host_of(visit.request))
