"""Ask the API: return answers by their schemas, and raise every failure as a `CtlError`.

An act that waits for an approver raises `WaitsForApproval`.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from api.bans.requests.schemas import RequestRead
from api.ctl.exit_codes import CtlError, Denied, NotInForce, TokenRejected, Unreachable, Withheld, WrongInput
from api.ctl.remote.answer_reading import Problem, answer_of
from api.ctl.remote.fault_locations import LocationTranslator, fault_line
from api.http.schemas import Page

READ_S = 60.0
"""Read timeout in seconds. The API compiles and publishes a large policy before it answers."""
SOON_S = 15.0
"""Read timeout in seconds for short answers. Reporting that the database is unreachable may take ten."""
UNIX = "unix:"
PIECE = 1 << 16
"""Bytes of a file that are sent at once."""
PAGE = 200
"""Maximum number of items in a page of the API."""
_ALONE = ("/problems/conflict", "/problems/stale")
"""Types of problems whose detail needs no title."""

Found = TypeVar("Found", bound=BaseModel)
Query = Mapping[str, str | int | None]


class WaitsForApproval(Exception):
    """Raised if an act waits for an approver: it has become a request."""

    def __init__(self, found: RequestRead) -> None:
        super().__init__(f"request {found.number} waits for an approver of {found.authority}")
        self.found = found


def path(*parts: str | int) -> str:
    """Return `/v1/…` with each part quoted as one segment."""
    return "/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def where_of(ban: str, *parts: str) -> str:
    """Return the path of the ban `AUTHORITY/SERVICE`, or of a part of it."""
    authority, _, service = ban.partition("/")
    return path("authorities", authority, "bans", service, *parts)


def parse_url(text: str) -> str:
    """Return the API's URL without a trailing slash, or `unix:` and the path of its socket. Raise ValueError.

    The message does not repeat a URL that may hold a password.
    """
    if text.startswith(UNIX):
        if not text.startswith(f"{UNIX}/"):
            raise ValueError(f"{text!r} is not a socket. Write for example unix:/run/dnsfilter-api/api.sock")
        return text
    url = urlsplit(text)
    has_blank = any(character <= " " or character == "\x7f" for character in text)
    if url.username is not None or url.password is not None:
        raise ValueError("the URL of the API must not contain a user or a password. Put the token into a file")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or has_blank:
        raise ValueError(f"{text!r} is not a URL of an API. Write for example http://127.0.0.1:8080")
    if url.port == 0:
        raise ValueError(f"{text!r} has no usable port. Write for example http://127.0.0.1:8080")
    return text.rstrip("/")


def _problem_text(problem: Problem) -> str:
    """Return the detail, after the title unless the detail is a sentence or the problem is one of `_ALONE`."""
    alone = problem.detail.endswith((".", "?")) or problem.type in _ALONE
    return problem.detail if problem.detail and alone else ": ".join(filter(None, (problem.title, problem.detail)))


def _refusal(status: int, *lines: str) -> Denied:
    return TokenRejected(*lines) if status == 401 else Denied(*lines)


def _params(query: Query | None) -> dict[str, str | int]:
    return {key: value for key, value in (query or {}).items() if value is not None}


def _pieces(data: bytes, sent_bytes: Callable[[int, int], object]) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        sent_bytes(start, len(data))
        yield data[start : start + PIECE]
    sent_bytes(len(data), len(data))


class Client:
    """A client of the control plane at `url`, as a context manager, for one thread.

    Without `token` it can only ask what needs none. `ca` is a file of CA certificates to trust; None: those that the
    machine trusts. `translate` translates the locations of faults. Raise WrongInput if `ca` is unusable.
    """

    def __init__(self, url: str, token: str | None, ca: str | None = None, translate: LocationTranslator = str) -> None:
        # Imported here, because help and wrong input need no HTTP.
        from api.ctl.remote.connection import Connection

        self.url = url
        self._translate = translate
        self._connection = Connection(url, url.removeprefix(UNIX) if url.startswith(UNIX) else None, ca)
        if token is not None:
            self.use_token(token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def with_translator(self, translate: LocationTranslator) -> Self:
        """Return this client with a translator of locations that applies before its own."""
        own, made = self._translate, copy(self)
        made._translate = lambda location: own(translate(location))
        return made

    def another(self) -> Self:
        """Return a client with a connection of its own, for another thread."""
        made = copy(self)
        made._connection = self._connection.another()
        return made

    @property
    def has_token(self) -> bool:
        """Return True if requests carry a token."""
        return self._connection.has_token

    def use_token(self, token: str) -> None:
        """Send this token with every later request."""
        self._connection.use_token(token)

    def get(
        self,
        kind: type[Found],
        where: str,
        query: Query | None = None,
        accepted: Collection[int] = (200,),
        within_s: float = READ_S,
        headers: Mapping[str, str] | None = None,
    ) -> Found:
        """Return the resource as a `kind`. Raise CtlError, also after `within_s` seconds without an answer."""
        answer = self._ask("GET", where, query=query, accepted=accepted, within_s=within_s, headers=headers)
        return self._read(kind, answer)

    def find(self, kind: type[Found], where: str) -> Found | None:
        """Return the resource, or None if it does not exist. Raise CtlError for other failures."""
        status, body = self._ask("GET", where, accepted=(200, 404))
        return None if status == 404 else self._read(kind, (status, body))

    def list(self, kind: type[Found], where: str, limit: int, query: Query | None = None) -> Page[Found]:
        """Return up to `limit` items, from as many pages as needed. `next` is null at the end. Raise CtlError."""
        items: list[Found] = []
        cursor: str | None = None
        while True:
            asked = {**(query or {}), "limit": min(PAGE, limit - len(items)), "cursor": cursor}
            page = self.get(Page[kind], where, asked)  # type: ignore[valid-type]
            items += page.items[: limit - len(items)]
            cursor = page.next
            # Stop at a page without items, to end in any case.
            if cursor is None or len(items) >= limit or not page.items:
                return Page(items=items, next=cursor)

    def send(
        self,
        kind: type[Found],
        method: str,
        where: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Query | None = None,
    ) -> Found:
        """Act, and return the answer as a `kind`. Raise CtlError."""
        sent = dict(headers or {})
        content: bytes | None = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        answer = self._ask(method, where, query=query, body=content, headers=sent, accepted=(200, 201))
        return self._read(kind, answer)

    def delete(self, where: str, query: Query | None = None) -> None:
        """Remove the resource. Raise CtlError."""
        self._ask("DELETE", where, query=query, accepted=(204,))

    def text(self, where: str) -> str:
        """Return a resource that is a text. Raise CtlError."""
        _, body = self._ask("GET", where, headers={"Accept": "application/toml"})
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise self._connection.unexpected_answer("the answer is not UTF-8") from error

    def pieces(self, where: str, query: Query | None = None) -> Iterator[bytes]:
        """Yield a file of any size, piece by piece. Raise CtlError, also if it breaks off."""
        yield from self._connection.pieces(where, _params(query), self._problem)

    def send_text(
        self,
        kind: type[Found],
        where: str,
        text: str,
        media_type: str = "application/toml",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        within_s: float = READ_S,
        sent_bytes: Callable[[int, int], object] | None = None,
    ) -> Found:
        """Send a file, by default a policy file, and return the answer as a `kind`. Raise CtlError.

        Call `sent_bytes` with the number of bytes sent so far, and of all.
        """
        data = text.encode()
        sent = {**(headers or {}), "Content-Type": media_type, "Content-Length": str(len(data))}
        body = data if sent_bytes is None else _pieces(data, sent_bytes)
        return self._read(kind, self._ask(method, where, query=query, body=body, headers=sent, within_s=within_s))

    def _ask(
        self,
        method: str,
        where: str,
        *,
        query: Query | None = None,
        accepted: Collection[int] = (200,),
        within_s: float = READ_S,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> tuple[int, bytes]:
        status, data = self._connection.ask(method, where, _params(query), within_s, headers, body)
        if status == 202:
            raise WaitsForApproval(self._read(RequestRead, (status, data)))
        if status not in accepted:
            raise self._problem(status, data)
        return status, data

    def _read(self, kind: type[Found], answer: tuple[int, bytes]) -> Found:
        try:
            found: Found = answer_of(kind).model_validate_json(answer[1])
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            location = ".".join(map(str, first["loc"])) or "the answer"
            raise self._connection.unexpected_answer(f"{location}: {first['msg']}") from error
        return found

    def _problem(self, status: int, body: bytes) -> CtlError:
        try:
            problem = answer_of(Problem).model_validate_json(body)
        except ValidationError:
            if status in (401, 403):
                return _refusal(status, f"{self.url} refuses the request: HTTP {status}")
            return self._connection.unexpected_answer(f"HTTP {status}")
        lines = [_problem_text(problem)]
        if problem.faults:
            # The detail may repeat the faults, which are listed one by one.
            repeated = all(fault.message in problem.detail for fault in problem.faults)
            lines = [problem.title] if repeated else lines
            lines += [self.fault(fault.location, fault.message) for fault in problem.faults]
        if status in (401, 403):
            return _refusal(status, *lines)
        if problem.type == "/problems/not-published":
            return NotInForce(*lines)
        if problem.type == "/problems/withheld":
            return Withheld(*lines)
        if status == 429 or status >= 500:
            return Unreachable(f"{self.url} cannot answer now: {lines[0]}", *lines[1:])
        return WrongInput(*lines)

    def fault(self, location: str, message: str) -> str:
        """Return a line for a fault, with its location as an option or argument of the command."""
        return fault_line(self._translate(location), message)
