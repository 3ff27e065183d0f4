"""What the routes of nodes depend on: a node by its own token. Accounts' tokens are not taken there."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials
from sqlalchemy.orm import Session

from api.auth.caller import Caller
from api.auth.node_tokens import NodeCaller, authenticate_enrolment, authenticate_node
from api.auth.roles import Rule, Where
from api.auth.tokens import Refused, authenticate, digest
from api.db.models import NodeRow
from api.errors import Forbidden, NotAuthenticated
from api.http.dependencies import NO_TOKEN, TOKEN_NOT_ACCEPTED, BearerDep, Runtime, RuntimeDep, note_failure, part_of
from api.nodes.fleet import Fleet


def enrolled_node(request: Request, held: RuntimeDep, credentials: BearerDep) -> NodeCaller:
    """The node that calls; raises NotAuthenticated, TooMany, and Forbidden for somebody else's token."""
    token = _token(credentials)
    with held.database.reading() as session:
        found = authenticate_node(session, held.token_key, token)
        theirs = _is_another(session, held, token) if isinstance(found, Refused) else False
    if isinstance(found, Refused):
        raise refused(request, held, found, token, known=theirs)
    request.scope["token_known"] = True
    return found


def enrolling_token(request: Request, held: RuntimeDep, credentials: BearerDep) -> str:
    """The token with which a node enrols, as far as it is taken now; raises as `enrolled_node` does."""
    token = _token(credentials)
    with held.database.reading() as session:
        found = authenticate_enrolment(session, held.token_key, token, int(held.clock()))
        theirs = _is_another(session, held, token) if not isinstance(found, NodeRow) else False
    if isinstance(found, Refused):
        raise refused(request, held, found, token, known=theirs)
    return token


def fleet(request: Request) -> Fleet:
    """Return the application's nodes."""
    return part_of(request, "fleet", Fleet)


FleetDep = Annotated[Fleet, Depends(fleet)]
NodeDep = Annotated[NodeCaller, Depends(enrolled_node), Rule(Where.NODE)]
"""The permit of a route for nodes: the node whose token it is."""
EnrollingDep = Annotated[str, Depends(enrolling_token), Rule(Where.ENROLMENT)]
"""The permit to enrol: the token that registering the node has shown."""


def refused(
    request: Request, held: Runtime, found: Refused, token: str, *, known: bool = False
) -> Forbidden | NotAuthenticated:
    """What is to be raised where a token is not taken; a try that is kept, unless the token is `known` elsewhere.

    A node that was removed asks on and on: its token is kept once a day, and its address need not wait for that.
    """
    if known:
        return Forbidden("this is for nodes, which have tokens of their own")
    failures = request.app.state.failures
    note_failure(failures, found, request.scope, held.clock(), machine=digest(held.token_key, token))
    return NotAuthenticated(TOKEN_NOT_ACCEPTED)


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise NotAuthenticated(NO_TOKEN)
    return credentials.credentials


def _is_another(session: Session, held: Runtime, token: str) -> bool:
    """Whether it is a token of an account, or of a node for another purpose."""
    now_s = int(held.clock())
    return (
        isinstance(authenticate(session, held.token_key, token, now_s, ""), Caller)
        or isinstance(authenticate_node(session, held.token_key, token), NodeCaller)
        or isinstance(authenticate_enrolment(session, held.token_key, token, now_s), NodeRow)
    )
