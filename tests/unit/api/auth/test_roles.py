"""Every route answers every kind of caller as docs/reference/permissions.md says."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session
from starlette.responses import Response
from starlette.types import ASGIApp

from api.application import routes
from api.auth.roles import OF_INSTALLATION, Role
from api.auth.tokens import new_token
from api.console.router import page_routes
from api.db.unit_of_work import head
from api.documentation import site
from api.documentation.permissions_page import ALONE_MARK, COLUMNS, CONDITIONS, MARK, PAGES_MARK, renewed
from api.publish.repository import revision
from api.timestamps import timestamp_text
from tests.support.direct_requests import alone, answer_of
from tests.unit.api.auth.world import OWN, SELF, Asked, make_world, requests, suspend
from tests.unit.api.conftest import Plane

pytestmark = pytest.mark.heavy

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "permissions.md"


class Undone(Exception):
    """Raised to roll back a transaction with an act, so that the next request finds the same state."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller with or without a token, and its columns of the table. Without columns, its token is not accepted."""

    name: str
    token: str | None
    columns: tuple[str, ...]
    account: int = 0
    number: int = 0


def test_docs_permissions_md_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    new = renewed(page, routes(), page_routes())
    assert new == page, "docs/reference/permissions.md is not as the rules are: scripts/permissions"


def test_conditions_are_only_of_existing_routes() -> None:
    assert CONDITIONS.keys() <= {route.operation_id for route in routes()}


def test_a_page_without_the_mark_is_not_overwritten() -> None:
    marks = (ALONE_MARK, PAGES_MARK, MARK)
    parts = "".join(f"## Part\n{mark}\nOUTDATED\n\n### OUTDATED\n\n" for mark in marks)
    page = f"# Page\n{parts}## After\n\nkept\n"
    for mark in marks:
        with pytest.raises(ValueError, match="has no line"):
            renewed(page.replace(mark, "# Something else"), routes(), page_routes())
    new = renewed(page, routes(), page_routes())
    assert "OUTDATED" not in new
    assert f"\n\n## Part\n{MARK}\n\n| requests |" in new
    assert new.endswith("\n\n## After\n\nkept\n")


@pytest.mark.parametrize("each_caller", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_route_answers_every_caller_as_documented(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, each_caller: bool
) -> None:
    """Every route meets every role. Callers of one column take turns at the routes, unless `each_caller`."""
    monkeypatch.setattr(site, "_paths", lambda: {"index.html": PAGE})
    table = _table()
    world = make_world(plane)
    callers = _callers(plane)
    groups = [[caller] for caller in callers] if each_caller else _alike(callers)
    asked = requests(world, suspend(plane), timestamp_text(int(plane.clock.now)))
    assert asked.keys() == table.keys(), "add a request for each route to tests/unit/api/auth/world.py"
    _undo(plane, monkeypatch)
    with alone():
        wrong = asyncio.run(_walk(plane, groups, asked, table))
    assert not wrong, "\n".join(wrong)


async def _walk(
    plane: Plane, groups: list[list[Caller]], asked: dict[str, list[Asked]], table: dict[str, dict[str, str]]
) -> list[str]:
    wrong = []
    before = _record(plane)
    # Every request comes from another address: one address may not fail this often.
    addresses = (f"127.1.{number // 250 % 250}.{number % 250}" for number in count())
    for turn, (route, cases) in enumerate(asked.items()):
        for caller in (group[turn % len(group)] for group in groups):
            # A token that is not accepted is refused before it matters whom the request concerns.
            for case in cases if caller.columns else cases[:1]:
                status = (await _send(plane.app, next(addresses), caller, route, case)).status_code
                cells = [word for column in caller.columns for word in table[route][column].split(", ")]
                allowed = any(_allows(cell, case) for cell in cells)
                expected = allowed or table[route]["no token"] == "yes"
                refusal = 403 if caller.columns else 401
                answered = status == 404 if case.unknown else 200 <= status < 400
                if status != refusal if not expected else not answered:
                    what = ", ".join(sorted(case.matter)) or "nobody in particular"
                    wrong.append(f"{caller.name}: {route} {case.path} (matter of {what}) gave {status}")
                plane.clock.now += 0.1  # Otherwise, these would be too many failures.
        if _record(plane) != before:
            return [*wrong, f"{route} left a trace"]
    return wrong


async def _send(app: ASGIApp, address: str, caller: Caller, route: str, case: Asked) -> httpx.Response:
    headers = {"Content-Type": case.type if case.content is not None else "application/json"}
    if caller.token is not None:
        headers["Authorization"] = f"Bearer {caller.token}"
    path = case.path.replace("{self}", str(caller.account)).replace("{token}", str(caller.number))
    body: dict[str, Any] = {"json": case.json} if case.json is not None else {"content": case.content or b""}
    method = route.partition(" ")[0]
    request = httpx.Request(method, f"http://testserver{path}", headers=headers, **body)
    return await answer_of(app, request, address)


def _allows(cell: str, case: Asked) -> bool:
    match cell:
        case "yes" | "part":
            return True
        case "own":
            return OWN in case.matter
        case "self":
            return SELF in case.matter
        case "–":
            return False
        case _:
            raise ValueError(f"the table has no word {cell!r}")


def _table() -> dict[str, dict[str, str]]:
    """Return what the page says: for each request, the cell of each column in the row of its group."""
    page = PAGE.read_text("utf-8")
    groups = dict(re.findall(r"^\| \[([^]]+)\]\(#[a-z-]+\) \| (.*) \|$", page, re.MULTILINE))
    found = {}
    for section in page.split("\n### ")[1:]:
        cells = groups[section.partition("\n")[0]].split(" | ")
        for request in re.findall(r"^- `([A-Z]+ /[^`]*)`: ", section, re.MULTILINE):
            found[request] = dict(zip(COLUMNS, cells, strict=True))
    return found


def _callers(plane: Plane) -> list[Caller]:
    """Return a caller for each role, and callers whose tokens are not accepted."""
    found = [Caller("nobody", None, ()), Caller("an unknown token", new_token(bytes(32)).text, ())]
    for role in Role:
        where = None if role in OF_INSTALLATION else OWN
        found.append(_caller(plane, role, (role, where)))
    found.append(_caller(plane, "no role"))
    lapsed = _caller(plane, "an expired mandate")
    for short in ("operator", "approver"):
        body = {"account": lapsed.account, "role": short, "authority": OWN, "for": "1 day", "reason": "for a test"}
        plane.done("POST", "/v1/grants", body)
    ended = _caller(plane, "ended roles", ("operator", OWN), ("administrator", None))
    for item in plane.done("GET", f"/v1/grants?account={ended.account}")["items"]:
        plane.done("POST", f"/v1/grants/{item['number']}/end", {"reason": "for a test"})
    found += [_as(lapsed, "no role"), _as(ended, "no role")]
    everything = (("administrator", None), ("operator", OWN))
    disabled, revoked = (
        _caller(plane, "a disabled account", *everything),
        _caller(plane, "a revoked token", *everything),
    )
    plane.done("POST", f"/v1/accounts/{disabled.account}/disable")
    plane.done("DELETE", f"/v1/accounts/{revoked.account}/tokens/{revoked.number}")
    expired = _caller(plane, "an expired token", *everything)
    made = plane.done("POST", f"/v1/accounts/{expired.account}/tokens", {"label": "short", "for": "1 day"})
    found += [_as(disabled), _as(revoked), Caller(expired.name, made["token"], ())]
    plane.clock.now += 2 * 86_400
    for caller in found:
        plane.call(
            "GET", "/v1/self", token=caller.token
        )  # Store the day of the token's use, so that later requests do not.
    return found


def _alike(callers: list[Caller]) -> list[list[Caller]]:
    """Return the callers by the columns that say what they may do."""
    found: dict[tuple[str, ...], list[Caller]] = {}
    for caller in callers:
        found.setdefault(caller.columns, []).append(caller)
    return list(found.values())


def _caller(plane: Plane, name: str, *roles: tuple[str, str | None]) -> Caller:
    account, token = plane.account(f"with-{name.replace(' ', '-')}", *roles)
    number = plane.done("GET", f"/v1/accounts/{account}/tokens")["items"][0]["number"]
    return Caller(name, token, (name,), account, number)


def _as(caller: Caller, *columns: str) -> Caller:
    return Caller(caller.name, caller.token, columns, caller.account, caller.number)


def _undo(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = plane.database.writing

    @contextmanager
    def undone() -> Iterator[Session]:
        with writing() as session:
            before = head(session)
            yield session
            session.flush()
            if head(session) != before:
                raise Undone

    monkeypatch.setattr(plane.database, "writing", undone)
    plane.app.add_exception_handler(Undone, lambda _request, _error: Response(status_code=200))
    plane.app.middleware_stack = None


def _record(plane: Plane) -> tuple[int, tuple[int, str]]:
    """Return the revision, and the last entry of the audit log."""
    with plane.database.reading() as session:
        return revision(session), head(session)
