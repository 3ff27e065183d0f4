"""Carry out a request as it was sent, in the transaction of its approval: the same route, path, query and body."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import solve_dependencies
from fastapi.exceptions import RequestValidationError
from starlette.types import Message

from api.auth.caller import Caller, roles_at
from api.auth.judged_acts import JSON
from api.auth.permit import Permit
from api.db.models import AccountRow, RequestRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Forbidden
from api.http.dependencies import Runtime, part_of, permit, runtime, sent_body, unit_of_work
from api.http.routes import Route
from dnsfilter.translatable import Text


def carry_out(row: RequestRow, unit: UnitOfWork, request: Request) -> None:
    """Do what the request asks for. `request` is the one that approves it.

    Its account must still hold the role that it needs. Raise `Conflict` if not, and the errors of the route.
    """
    route = next(each for each in request.app.routes if getattr(each, "operation_id", None) == row.operation)
    assert isinstance(route, Route)
    try:
        values: dict[Callable[..., Any], object] = {
            permit: _permit(row, unit, route),
            runtime: part_of(request, "runtime", Runtime),
            unit_of_work: unit,
            sent_body: row.body.encode(),
        }
        # FastAPI resolves the other parameters as it did first. It needs an event loop, and this thread has none.
        asyncio.run(_called(route, _sent_again(row, route, request), values))
    except Forbidden as error:
        raise Conflict(
            Text(
                "account {account} may no longer do this: {why}. Reject request {number}",
                account=row.requested_by,
                why=str(error),
                number=row.number,
            )
        ) from error


def _permit(row: RequestRow, unit: UnitOfWork, route: Route) -> Permit:
    """Return the permit of the account that asked, with the roles that it holds now."""
    account = unit.session.get_one(AccountRow, row.requested_by)
    held, ended = roles_at(unit.session, account.id, unit.now_s)
    found = Permit(Caller(unit.actor, held if account.disabled_s is None else frozenset(), ended), route.rule)
    found.enter(row.path)
    return found


def _sent_again(row: RequestRow, route: Route, request: Request) -> Request:
    scope = {
        **request.scope,
        "path_params": dict(row.path),
        "query_string": row.query.encode(),
        "headers": [],
        "route": route,
        "media_type": row.media_type,
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": row.body.encode(), "more_body": False}

    return Request(scope, receive)


async def _called(route: Route, request: Request, values: dict[Callable[..., Any], object]) -> None:
    def given(value: object) -> Callable[[], Any]:
        async def found() -> object:
            return value

        return found

    overriding = SimpleNamespace(dependency_overrides={call: given(value) for call, value in values.items()})
    is_json = route.body_field is not None and request.scope["media_type"] == JSON
    async with AsyncExitStack() as stack:
        request.scope["fastapi_inner_astack"] = request.scope["fastapi_function_astack"] = stack
        solved = await solve_dependencies(
            request=request,
            dependant=route.dependant,
            body=json.loads(await request.body() or b"null") if is_json else None,
            dependency_overrides_provider=overriding,
            async_exit_stack=stack,
            embed_body_fields=False,
        )
        if solved.errors:
            raise RequestValidationError(solved.errors)
        route.endpoint(**solved.values)
