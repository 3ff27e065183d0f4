"""Dependencies of routes for nodes: authentication by a node's token. Tokens of accounts are refused there."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials
from sqlalchemy.orm import Session

from api.auth.caller import Caller
from api.auth.node_tokens import NodeCaller, authenticate_enrolment, authenticate_node
from api.auth.roles import RoleScope, Rule
from api.auth.tokens import Refused, authenticate, digest
from api.db.models import NodeRow
from api.errors import Forbidden, NotAuthenticated
from api.http.dependencies import NO_TOKEN, TOKEN_NOT_ACCEPTED, BearerDep, Runtime, RuntimeDep, note_failure, part_of
from api.nodes.fleet import Fleet


def enrolled_node(request: Request, held: RuntimeDep, credentials: BearerDep) -> NodeCaller:
    """Return the calling node. Raise NotAuthenticated or TooMany, and Forbidden for a token of another kind."""
    token = _token(credentials)
    with held.database.reading() as session:
        found = authenticate_node(session, held.token_key, token)
        known = _is_known_elsewhere(session, held, token) if isinstance(found, Refused) else False
    if isinstance(found, Refused):
        raise refused(request, held, found, token, known=known)
    request.scope["token_known"] = True
    return found


def enrolling_token(request: Request, held: RuntimeDep, credentials: BearerDep) -> str:
    """Return a valid enrolment token. Raise the same errors as `enrolled_node`."""
    token = _token(credentials)
    with held.database.reading() as session:
        found = authenticate_enrolment(session, held.token_key, token, int(held.clock()))
        known = _is_known_elsewhere(session, held, token) if not isinstance(found, NodeRow) else False
    if isinstance(found, Refused):
        raise refused(request, held, found, token, known=known)
    return token


async def fleet(request: Request) -> Fleet:
    """Return the application's nodes."""
    return part_of(request, "fleet", Fleet)


FleetDep = Annotated[Fleet, Depends(fleet)]
NodeDep = Annotated[NodeCaller, Depends(enrolled_node), Rule(RoleScope.NODE)]
"""The permit of a route for nodes: the node that the token belongs to."""
EnrollingDep = Annotated[str, Depends(enrolling_token), Rule(RoleScope.ENROLMENT)]
"""The permit to enrol: the token that was shown when the node was registered."""


def refused(
    request: Request, held: Runtime, found: Refused, token: str, *, known: bool = False
) -> Forbidden | NotAuthenticated:
    """Return the error for a refused token. Record an authentication failure unless the token is `known` elsewhere.

    A removed node keeps asking: its token is recorded once a day, and its address is not slowed down.
    """
    if known:
        return Forbidden("this route is for nodes, which have their own tokens")
    failures = request.app.state.failures
    note_failure(failures, found, request.scope, held.clock(), machine=digest(held.token_key, token))
    return NotAuthenticated(TOKEN_NOT_ACCEPTED)


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise NotAuthenticated(NO_TOKEN)
    return credentials.credentials


def _is_known_elsewhere(session: Session, held: Runtime, token: str) -> bool:
    """Return whether the token belongs to an account, or to a node for another purpose."""
    now_s = int(held.clock())
    return (
        isinstance(authenticate(session, held.token_key, token, now_s, ""), Caller)
        or isinstance(authenticate_node(session, held.token_key, token), NodeCaller)
        or isinstance(authenticate_enrolment(session, held.token_key, token, now_s), NodeRow)
    )
