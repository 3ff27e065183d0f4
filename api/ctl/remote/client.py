"""The API as commands ask it: answers by their schemas, every failure as a `CtlError`."""

from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from api.ctl.exit_codes import CtlError, Denied, NotInForce, NotTaken, Unreachable, Withheld, WrongInput
from api.ctl.remote.answer_reading import Problem, answer_of
from api.ctl.remote.fault_places import Places, fault_line
from api.http.schemas import Page

READ_S = 60.0
"""Applying a large policy compiles and publishes it before it answers."""
SOON_S = 15.0
"""To say that its database is away may take it ten."""
UNIX = "unix:"
PAGE = 200
"""The most that the API gives at once."""
_ALONE = ("/problems/conflict", "/problems/stale")
"""Problems whose detail needs no title."""

Found = TypeVar("Found", bound=BaseModel)
Other = TypeVar("Other", bound=BaseModel)
Query = Mapping[str, str | int | None]


def path(*parts: str | int) -> str:
    """`/v1/…` with each part quoted as one segment."""
    return "/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def parse_url(text: str) -> str:
    """The API's URL without a trailing slash, or `unix:` and the path of its socket; raises ValueError.

    The message does not repeat what may hold a password.
    """
    if text.startswith(UNIX):
        if not text.startswith(f"{UNIX}/"):
            raise ValueError(f"{text!r} names no socket: write for example unix:/run/dnsfilter-api/api.sock")
        return text
    url = urlsplit(text)
    if url.username is not None or url.password is not None:
        raise ValueError("the API's URL carries no user and no password: the token is read from a file")
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise ValueError(f"{text!r} is no URL of an API: write for example http://127.0.0.1:8080")
    if url.port == 0:
        raise ValueError(f"{text!r} has no usable port")
    return text.rstrip("/")


def _said(problem: Problem) -> str:
    """Return the detail, after the title unless the detail is a sentence or the problem is one of `_ALONE`."""
    alone = problem.detail.endswith((".", "?")) or problem.type in _ALONE
    return problem.detail if problem.detail and alone else ": ".join(filter(None, (problem.title, problem.detail)))


def _refusal(status: int, *lines: str) -> Denied:
    return NotTaken(*lines) if status == 401 else Denied(*lines)


def _params(query: Query | None) -> dict[str, str | int]:
    return {key: value for key, value in (query or {}).items() if value is not None}


class Client:
    """A control plane at `url`, asked with `token` (None: only what needs none). Use it as a context manager.

    `ca` is a file of certificates that it may be signed by; None: those that the machine trusts. `places` is how faults
    name what is wrong. Raises WrongInput.
    """

    def __init__(self, url: str, token: str | None, ca: str | None = None, places: Places = str) -> None:
        # Loaded here: help and wrong input need no HTTP.
        from api.ctl.remote.connection import Connection

        self.url = url
        self._places = places
        self._connection = Connection(url, url.removeprefix(UNIX) if url.startswith(UNIX) else None, ca)
        if token is not None:
            self.present(token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    @property
    def has_token(self) -> bool:
        """Whether it asks with a token."""
        return self._connection.has_token

    def present(self, token: str) -> None:
        """Ask with this token from now on."""
        self._connection.present(token)

    def get(
        self,
        kind: type[Found],
        where: str,
        query: Query | None = None,
        accepted: Collection[int] = (200,),
        within_s: float = READ_S,
    ) -> Found:
        """The resource as a `kind`; raises CtlError, also where nothing comes for so long."""
        return self._read(kind, self._ask("GET", where, query=query, accepted=accepted, within_s=within_s))

    def find(self, kind: type[Found], where: str) -> Found | None:
        """The resource, or None where there is none; raises CtlError for everything else."""
        status, body = self._ask("GET", where, accepted=(200, 404))
        return None if status == 404 else self._read(kind, (status, body))

    def list(self, kind: type[Found], where: str, limit: int, query: Query | None = None) -> Page[Found]:
        """Up to `limit` items, page after page; `next` tells whether more follow. Raises CtlError."""
        items: list[Found] = []
        cursor: str | None = None
        while True:
            asked = {**(query or {}), "limit": min(PAGE, limit - len(items)), "cursor": cursor}
            page = self.get(Page[kind], where, asked)  # type: ignore[valid-type]
            items += page.items[: limit - len(items)]
            cursor = page.next
            # A page without items would never come to an end.
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
        """What an act answers, as a `kind`; raises CtlError."""
        answer = self._ask(method, where, query=query, json=body, headers=headers, accepted=(200, 201))
        return self._read(kind, answer)

    def ask(
        self, kind: type[Found], waiting: type[Other], method: str, where: str, body: Mapping[str, Any]
    ) -> Found | Other:
        """Act, and return the answer as a `kind`, or as a `waiting` if the act waits for a decision. Raise CtlError."""
        status, data = self._ask(method, where, json=body, accepted=(200, 201, 202))
        return self._read(waiting, (status, data)) if status == 202 else self._read(kind, (status, data))

    def delete(self, where: str) -> None:
        """Remove the resource; raises CtlError."""
        self._ask("DELETE", where, accepted=(204,))

    def text(self, where: str) -> str:
        """A resource that is a text; raises CtlError."""
        _, body = self._ask("GET", where, headers={"Accept": "application/toml"})
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise self._connection.foreign("the answer is not UTF-8") from error

    def pieces(self, where: str, query: Query | None = None) -> Iterator[bytes]:
        """A file of any size, piece by piece; raises CtlError, also where it breaks off."""
        yield from self._connection.pieces(where, _params(query), self._problem)

    def send_text(
        self,
        kind: type[Found],
        where: str,
        text: str,
        media_type: str = "application/toml",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Found:
        """What the API answers to a file, a policy's unless its type is given; raises CtlError."""
        told = {**(headers or {}), "Content-Type": media_type}
        return self._read(kind, self._ask("POST", where, query=query, content=text.encode(), headers=told))

    def _ask(
        self,
        method: str,
        where: str,
        *,
        query: Query | None = None,
        accepted: Collection[int] = (200,),
        within_s: float = READ_S,
        **content: Any,
    ) -> tuple[int, bytes]:
        status, data = self._connection.ask(method, where, _params(query), within_s, **content)
        if status not in accepted:
            raise self._problem(status, data)
        return status, data

    def _read(self, kind: type[Found], answer: tuple[int, bytes]) -> Found:
        try:
            found: Found = answer_of(kind).model_validate_json(answer[1])
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the answer"
            raise self._connection.foreign(f"{place}: {first['msg']}") from error
        return found

    def _problem(self, status: int, body: bytes) -> CtlError:
        try:
            problem = answer_of(Problem).model_validate_json(body)
        except ValidationError:
            if status in (401, 403):
                return _refusal(status, f"{self.url} refuses: HTTP {status}")
            return self._connection.foreign(f"HTTP {status}")
        lines = [_said(problem)]
        if problem.faults:
            # The detail of what the control plane found itself repeats the faults that follow one by one.
            repeated = all(fault.message in problem.detail for fault in problem.faults)
            lines = [problem.title] if repeated else lines
            lines += [self.fault(fault.place, fault.message) for fault in problem.faults]
        if status in (401, 403):
            return _refusal(status, *lines)
        if problem.type == "/problems/not-published":
            return NotInForce(*lines)
        if problem.type == "/problems/withheld":
            return Withheld(*lines)
        if status == 429 or status >= 500:
            return Unreachable(f"{self.url} cannot do it now: {lines[0]}", *lines[1:])
        return WrongInput(*lines)

    def fault(self, place: str, message: str) -> str:
        """One line for a fault, with its place as the command's own."""
        return fault_line(self._places(place), message)
