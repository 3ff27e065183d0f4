"""Requests that wait for something new: `Prefer: wait` (RFC 7240)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from fastapi import Request, Response

from api.auth.permit import Permit
from api.http.dependencies import Runtime
from api.http.preferences import applied


@contextmanager
def waiting(request: Request, response: Response, held: Runtime, permit: Permit, wait_s: int | None) -> Iterator[None]:
    """Hold a slot for waiting requests in the block, if the request prefers to wait.

    Such a request does not count against the limits of requests. The answer says how long it could wait.
    Raise TooManyAtOnce and Overloaded.
    """
    with ExitStack() as stack:
        if wait_s:
            stack.enter_context(held.waits.held(permit.caller.account))
            stack.enter_context(request.scope["rest"]())
        yield
    if wait_s is not None:
        response.headers.update(applied(wait_s))
