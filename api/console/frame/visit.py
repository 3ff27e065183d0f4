"""A visit: one request of a page within a session, with what the page needs to read, act and answer."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.accounts.repository import names
from api.accounts.schemas import PasskeyRead
from api.auth.caller import Caller as Holder
from api.auth.passkey_rows import Purpose
from api.auth.sessions import COOKIE, PROOF_S, confirm, may_prolong, prolong
from api.auth.tokens import authenticate, held_token
from api.console.frame.calls import Answer, Caller, Refused, Values, declared_calls, is_read, one_text, read, rule_of
from api.console.frame.error_page import VISIT
from api.console.frame.language import language_of
from api.console.frame.page_route import ProofNeeded, SignInNeeded
from api.console.frame.page_words import Words
from api.console.frame.rendering import render
from api.console.frame.sensitive_acts import is_sensitive
from api.db.models import TokenRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Fault, Forbidden, NotAuthenticated
from api.http.dependencies import Runtime, RuntimeDep, note_day, request_id
from api.http.schemas import Page
from api.suspensions.schemas import SuspensionRead
from dnsfilter.policy.model import Authority
from dnsfilter.translatable import Text

Found = TypeVar("Found")
ON_EVERY_PAGE = frozenset({"get_authority", "list_suspensions", "list_authorities", "list_passkeys"})
"""Operations of the frame: pages show the suspensions in force, let choose an authority, and may ask for a passkey."""
CSRF, PROOF = "csrf", "proof"
MAX_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form as sent, and what is wrong with them."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return a field without spaces around it, or an empty text."""
        return self.fields.get(name, [""])[-1].strip()

    def texts(self, name: str) -> list[str]:
        """Return the values of a field with several."""
        return self.fields.get(name, [])

    def given(self, *names: str) -> dict[str, str]:
        """Return the fields of these names that are not empty."""
        return {name: self.text(name) for name in names if self.text(name)}

    def fault(self, name: str) -> str:
        """Return what is wrong with a field, or an empty text."""
        return one_text([each.message for each in self.faults if self.field_of(each) == name])

    def field_of(self, fault: Fault) -> str:
        """Return the field of a fault: "ranges" for the location "body.ranges.0". Empty for one of the form itself."""
        named = [part for part in fault.location.split(".") if not part.isdigit()]
        return named[-1] if named else ""

    def refused(self, error: Refused, **fields: str) -> "Form":
        """Return the form with the faults of a problem. A problem without them is one fault of the form itself.

        `fields` are names in the form of fields that the API names otherwise.
        """
        faults = error.faults or [Fault("", error.detail)]
        return Form(
            self.fields, [Fault(fields.get(self.field_of(each), each.location), each.message) for each in faults]
        )


def query_form(request: Request) -> Form:
    """Return the fields of a form that is sent by its address, such as a filter."""
    return Form({name: request.query_params.getlist(name) for name in request.query_params})


@dataclass
class Visit:
    """One request of a page within a session."""

    request: Request
    held: Runtime
    token: str
    holder: Holder
    proven_s: int
    """When the visitor last signed in, or confirmed the session."""
    name: str
    """The name of the visitor's account, or an empty text."""
    form: Form = field(default_factory=Form)
    """The form that was sent."""
    has_more_authorities: bool = False
    """Whether the visitor has more authorities than a form lists."""
    _has_acted: bool = False

    @cached_property
    def language(self) -> str:
        """Return the language of the page."""
        return language_of(self.request)

    @cached_property
    def zones(self) -> Mapping[str, str]:
        """Return the time zone of each authority."""
        return {slug: each.time_zone for slug, each in self._authorities.items()}

    @cached_property
    def _authorities(self) -> Mapping[str, Authority]:
        return {each.slug: each for each in self.held.publishing.committed().authorities}

    def named(self, slug: str) -> str:
        """Return the name of an authority in the page's language, or the slug of one that is unknown."""
        known = self._authorities.get(slug)
        return known.name(self.language) if known else slug

    @cached_property
    def words(self) -> Words:
        """Return the words of the page's language."""
        return Words(self.language)

    @cached_property
    def csrf(self) -> str:
        """Return the token that every form of this session carries."""
        return csrf_token(self.held.token_key, self.token)

    @property
    def _caller(self) -> Caller:
        declared = declared_calls(self.request.scope["endpoint"])
        return Caller(self.request, self.token, None if self._has_acted else self.holder, declared | ON_EVERY_PAGE)

    def may(self, operation: str, authority: str | None) -> bool:
        """Return whether the caller holds a role for an operation in an authority. The operation decides in the end."""
        return self.holder.has(rule_of(self.request, operation).roles, authority)

    async def read(
        self, kind: type[Found], operation: str, path: Values | None = None, query: Values | None = None
    ) -> Found:
        """Return what an operation answers, as a value of the API's schema. Raise Refused."""
        return read(kind, await self._caller.call(operation, path, query))

    async def act(
        self,
        operation: str,
        path: Values | None = None,
        body: object = None,
        query: Values | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Do an act. Raise Refused. An answer that `waits` has become a request to a second person.

        Raise ProofNeeded for a sensitive act if the session was not confirmed just before.
        """
        if is_sensitive(operation, body):
            await self.demand_proof()
        self._has_acted |= not is_read(self.request, operation)
        return await self._caller.call(operation, path, query, body, headers)

    async def demand_proof(self, fault: str = "") -> None:
        """Raise ProofNeeded unless the visitor has signed in, or confirmed the session, within ten minutes."""
        if fault or self.proven_s + PROOF_S <= int(self.held.clock()):
            raise ProofNeeded(lambda: self._asking(fault))

    async def _asking(self, fault: str) -> Response:
        """Return the page that asks to confirm the session. It sends the form that was sent again."""
        known = await self.read(Page[PasskeyRead], "list_passkeys", {"account": self.holder.account})
        fields = [(name, value) for name, values in self.form.fields.items() for value in values if name != CSRF]
        return await self.page("confirm.html.jinja", known=bool(known.items), fields=fields, fault=fault)

    def passed_on(self, operation: str, headers: Values | None = None) -> Response:
        """Return an operation's answer as it is made, for downloads that may be large."""
        return self._caller.passed_on(operation, {name: str(value) for name, value in (headers or {}).items()})

    async def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page in the frame, with the account and the suspensions in force."""
        return render(
            template,
            self.language,
            status=status,
            visit=self,
            **await self.suspended(),
            done=self.request.query_params.get("done", ""),
            **values,
        )

    async def suspensions(self) -> Response:
        """Return the part of every page that shows the suspensions in force."""
        return self.fragment("suspended.html.jinja", **await self.suspended())

    async def suspended(self) -> Values:
        """Return the suspensions in force, and the time, as every page shows them."""
        found = await self.read(Page[SuspensionRead], "list_suspensions", query={"state": "in_force"})
        return {"suspended": found.items, "now_s": int(self.held.clock())}

    def fragment(self, template: str, **values: Any) -> Response:
        """Return a part of a page, for htmx."""
        return render(template, self.language, visit=self, **values)

    def done(self, path: str, what: str) -> Response:
        """Redirect to a page that says what was done: a key of the macro `done` in `components.html.jinja`."""
        return RedirectResponse(f"{path}?done={what}", 303)


def csrf_token(key: bytes, token: str) -> str:
    """Return the token of a session's forms. It reveals nothing about the session's own token."""
    return hmac.digest(key, f"{CSRF} {token}".encode(), sha256).hex()


def _visit(request: Request, held: RuntimeDep) -> Visit:
    """Return the visit of a request with the cookie of a valid session, and prolong it. Raise SignInNeeded."""
    return _opened(request, held, prolongs=True)


def _look(request: Request, held: RuntimeDep) -> Visit:
    """Return the same, without prolonging the session."""
    return _opened(request, held, prolongs=False)


def _opened(request: Request, held: RuntimeDep, *, prolongs: bool) -> Visit:
    now_s, token = int(held.clock()), request.cookies.get(COOKIE, "")
    with held.database.reading() as session:
        found = authenticate(session, held.token_key, token, now_s, request_id(request), in_console=True)
        if not isinstance(found, Holder):
            raise SignInNeeded
        row = session.get_one(TokenRow, found.token)
        renewed = may_prolong(row, session, now_s)
        name = "".join(each.name for each in names(session, [found.account]).values())
    note_day(held, found, now_s)
    if renewed and prolongs:
        prolong(held.database, found.token, now_s)
    visit = Visit(request, held, token, found, row.proven_s or row.created_s, name)
    # The page of an error shows the menu too.
    setattr(request.state, VISIT, visit)
    return visit


def _guest(request: Request, held: RuntimeDep) -> Visit | None:
    """Return the same, or None without a valid session."""
    try:
        return _look(request, held)
    except SignInNeeded:
        return None


Visiting = Annotated[Visit, Depends(_visit)]
"""The visit of a page that needs a session."""
Looking = Annotated[Visit, Depends(_look)]
"""The visit of a part that a page fetches by itself: a page that is left open does not keep its session."""

MaybeVisiting = Annotated[Visit | None, Depends(_guest)]
"""The visit of a page that needs no session, for its menu."""


async def sent_form(request: Request) -> Form:
    """Return the fields of a form."""
    body = await request.body()
    return Form(parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))


SentForm = Annotated[Form, Depends(sent_form)]
"""The form of a page that needs no session."""


async def _own_form(visit: Visiting, form: SentForm) -> Form:
    """Return the form of an act. Raise Forbidden if another site sent it.

    With the signature of a passkey it also confirms the session. Raise ProofNeeded if that is not accepted.
    """
    if not hmac.compare_digest(form.text(CSRF).encode(), visit.csrf.encode()):
        raise Forbidden(Text("The form is from another session. Go back, reload the page, and send it again."))
    visit.form = Form({name: values for name, values in form.fields.items() if name != PROOF})
    if PROOF in form.fields:
        await visit.demand_proof(await run_in_threadpool(_confirm, visit, form.text(PROOF)))
    return visit.form


def _confirm(visit: Visit, proof: str) -> str:
    """Confirm the session with a passkey. Return what is wrong, or an empty text."""
    from api.auth.passkeys import signer

    now_s = int(visit.held.clock())
    try:
        with visit.held.database.writing() as session:
            token, _ = held_token(session, visit.holder.token)
            key, host = visit.held.token_key, host_of(visit.request)
            signer(session, key, Purpose.CONFIRM, token, proof, host, now_s)
            confirm(UnitOfWork(session, visit.holder.actor, now_s), token)
    except NotAuthenticated as error:
        return str(error)
    visit.proven_s = now_s
    return ""


def host_of(request: Request) -> str:
    """Return the host of the pages as the browser sees it, without a port: passkeys belong to it."""
    return request.url.hostname or ""


OwnForm = Annotated[Form, Depends(_own_form)]
"""The form of an act: it carries the token of the session's forms."""
