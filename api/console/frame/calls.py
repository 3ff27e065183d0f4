"""Call operations of the API within the process: the same route, permit, transaction and audit entry as by HTTP."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import TypeAdapter
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from api.auth.caller import Caller as Holder
from api.auth.judged_acts import JSON
from api.auth.roles import Rule
from api.errors import Fault, NotFound
from api.http.dependencies import IN_CONSOLE, KNOWN_CALLER
from api.http.problems import TEXTS, Texts
from api.http.routes import Route
from dnsfilter.translatable import Text, joined

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Values = Mapping[str, object]
_CALLS = "console_calls"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an operation: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON, or None if it is empty."""
        return json.loads(self.body) if self.body else None

    @property
    def waits(self) -> bool:
        """Return whether the act waits for a second person."""
        return self.status == 202


@dataclass(frozen=True, slots=True)
class File:
    """A body that is the text of a file, for operations that read one."""

    media_type: str
    text: str


class Refused(Exception):
    """An operation that was refused: its problem (RFC 9457)."""

    def __init__(self, answer: Answer, texts: Texts) -> None:
        super().__init__(texts.detail)
        self.answer = answer
        self.status = answer.status
        self.detail = said_by_api(texts.detail)
        self.faults = faults_by_api(texts.faults)


class English(str):
    """A text of the API without a template: no catalogue translates it. Pages mark it as English."""


def said_by_api(text: str) -> str:
    """Return a text of the API: one that a page can translate, or else one that it marks as English."""
    return text if isinstance(text, Text) else English(text)


def one_text(texts: Sequence[str]) -> str:
    """Return texts as one, so that the page shows it in its language only if it can show all of them so."""
    if any(isinstance(text, English) for text in texts):
        return English("; ".join(texts))
    return joined(texts)


def faults_by_api(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults of the API, with such texts."""
    return [Fault(each.location, said_by_api(each.message)) for each in faults]


def calls(*operations: str) -> Callable[[Endpoint], Endpoint]:
    """Name the operations that a page may call. `docs/reference/permissions.md` lists them."""

    def declared(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _CALLS, frozenset(operations))
        return endpoint

    return declared


def declared_calls(endpoint: Callable[..., Any]) -> frozenset[str]:
    """Return the operations that a page declares."""
    found: frozenset[str] = getattr(endpoint, _CALLS, frozenset())
    return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls operations with a session's token, within one request of a page.

    `holder` is the authenticated caller, for reads. An act authenticates the token again, and so do reads after it.
    """

    request: Request
    token: str
    holder: Holder | None
    allowed: frozenset[str]
    headers: Mapping[str, str] = field(default_factory=dict)

    async def call(
        self,
        operation: str,
        path: Values | None = None,
        query: Values | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer of an operation. Raise Refused for a problem.

        Raise ValueError for an operation that the page does not declare. Values of None are left out of the query.
        `body` is a value to send as JSON, or a `File`.
        """
        file = body if isinstance(body, File) else File(JSON, "" if body is None else json.dumps(body))
        sent = file.text.encode()
        given = self._headers(sent, file.media_type, headers or {})
        route, scope = self._prepared(operation, path, query, file.media_type, given)
        answer = await _answer(route, scope, sent)
        if answer.status >= 400:
            raise Refused(answer, scope.get(TEXTS, Texts("", ())))
        return answer

    def passed_on(self, operation: str, headers: Mapping[str, str]) -> Response:
        """Return an answer that is sent as the operation makes it, part by part, with other `headers` added."""
        return _PassedOn(*self._prepared(operation, None, None, JSON, self._headers(b"", JSON, {})), headers)

    def _prepared(
        self,
        operation: str,
        path: Values | None,
        query: Values | None,
        media_type: str,
        headers: list[tuple[bytes, bytes]],
    ) -> tuple[Route, Scope]:
        if operation not in self.allowed:
            raise ValueError(f"the page does not declare that it calls {operation}")
        route = _route(self.request, operation)
        scope = _scope(self.request.scope, route, path or {}, query or {}, headers) | {"media_type": media_type}
        return route, scope | {KNOWN_CALLER: self.holder if scope["method"] == "GET" else None}

    def _headers(self, sent: bytes, media_type: str, others: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        named = {"authorization": f"Bearer {self.token}", "content-length": str(len(sent)), **self.headers}
        named |= {name.lower(): value for name, value in others.items()}
        if sent:
            named["content-type"] = media_type
        return [(name.encode(), value.encode("latin-1")) for name, value in named.items()]


class _PassedOn(Response):
    """The answer of an operation, sent as it is made. It may be larger than memory."""

    def __init__(self, route: Route, scope: Scope, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._route, self._scope = route, scope

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the operation's answer. The request's body was read already."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *self.raw_headers]}
            await send(message)

        await self._route.handle(self._scope, receive, sent)


Found = TypeVar("Found")


def read(kind: type[Found], answer: Answer) -> Found:
    """Return the body of an answer as a value of the API's schema."""
    found: Found = _adapter(kind).validate_json(answer.body)  # type: ignore[arg-type] # mypy: no class is hashable
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def is_read(request: Request, operation: str) -> bool:
    """Return whether an operation only reads."""
    return "GET" in (_route(request, operation).methods or ())


def rule_of(request: Request, operation: str) -> Rule:
    """Return which roles an operation needs, and where."""
    return _route(request, operation).rule


def _route(request: Request, operation: str) -> Route:
    found: Route = request.app.state.operations[operation]
    return found


def _scope(
    outer: Scope, route: Route, path: Values, query: Values, headers: list[tuple[bytes, bytes]]
) -> dict[str, Any]:
    """Return the scope of a request for a route, from the scope of the page's request: same client, id and slot."""
    if not all(str(value) and "/" not in str(value) for value in path.values()):
        raise NotFound(Text("There is nothing at this address. Go back, and choose from the page."))
    url = str(route.url_path_for(route.name, **path))
    given = [(name, _text(value)) for name, value in query.items() if value is not None]
    scope: dict[str, Any] = {
        **outer,
        "method": next(iter(route.methods or ())),
        "path": url,
        "raw_path": url.encode(),
        "query_string": urlencode(given).encode(),
        "headers": headers,
        "body_sha256": "",
        "state": {},
        "path_params": {},
        IN_CONSOLE: True,
    }
    match, found = route.matches(scope)
    if match is not Match.FULL:
        raise ValueError(f"{url} is not a path of {route.operation_id}")
    return {**scope, **found}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _answer(route: Route, scope: Scope, body: bytes) -> Answer:
    sent = list[Message]()
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await route.handle(scope, receive, send)
    start, *rest = sent
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start.get("headers", ())}
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in rest))
