"""/v1/nodes/enrol and /v1/nodes/self: routes for nodes with their own tokens."""

from contextlib import AbstractContextManager, ExitStack
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api.audit.service import identity
from api.auth.node_tokens import NodeCaller, authenticate_enrolment
from api.auth.tokens import Refused
from api.captures.reading import read_order
from api.captures.repository import existing
from api.db.models import NodeRow
from api.db.unit_of_work import INSTALLATION_ACCOUNT, Access, Actor, UnitOfWork
from api.errors import Invalid, NotAuthenticated, NotFound, NotPublished
from api.http.dependencies import TOKEN_NOT_ACCEPTED, Runtime, RuntimeDep, request_id
from api.http.downloads import file_download
from api.http.entity_tags import MAX_TAGS
from api.http.problems import NOT_FOUND, NOT_PUBLISHED, OVERLOADED, TOO_MANY_AT_ONCE, documented
from api.http.routes import Route
from api.nodes import service
from api.nodes.enrolment_file import remove_used
from api.nodes.node_permits import EnrollingDep, FleetDep, NodeDep, refused
from api.nodes.schemas import Enrolled, Enrolling, JournalEntry, Reported, ReportWrite, Sha256
from api.publish.announcements import NodeLostAccess
from api.timestamps import stored_instant
from dnsfilter.policy.bounds import MAX_LOCAL_NAME_S, MAX_SUSPENSION_S
from dnsfilter.policy.model import DAY_S

MAX_WAIT_S = 30
CLOCK_SLACK_S = 300
"""Seconds by which a node's clock may be ahead of this one."""
_FILE = "application/octet-stream"
_FILE_CONTENT = {_FILE: {"schema": {"type": "string", "format": "binary"}}}

router = APIRouter(route_class=Route, prefix="/v1/nodes", tags=["nodes"])


@router.post("/enrol", summary="Enrol as a node", status_code=201)
def enrol_node(body: Enrolling, token: EnrollingDep, request: Request, held: RuntimeDep, fleet: FleetDep) -> Enrolled:
    """Exchange an enrolment token for the node's own token and the public key that verifies snapshots.

    The enrolment token and any previous token of the node become invalid.
    """
    with held.database.writing() as session:
        unit = UnitOfWork(session, _actor(request), int(held.clock()))
        found = authenticate_enrolment(session, held.token_key, token, unit.now_s)
        if isinstance(found, NodeRow):
            fresh = service.enrol(unit, held.token_key, found, body.version)
            installation = identity(session)
    # An authentication failure is recorded in its own transaction.
    if isinstance(found, Refused):
        raise refused(request, held, found, token)
    fleet.forget(found.number)
    remove_used(found.name, held.settings.enrolment_token_path)
    return Enrolled(
        name=found.name, site=found.site, token=fresh.text, key=fleet.publisher.public_key, installation=installation
    )


@router.get(
    "/self/snapshot",
    summary="Get the newest snapshot's manifest",
    response_class=Response,
    responses={
        **documented(NOT_PUBLISHED),
        200: {
            "description": "the signed manifest, byte for byte as signed",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        304: {"description": "the snapshot of the tag in If-None-Match is the newest"},
    },
)
async def get_own_snapshot(
    request: Request,
    node: NodeDep,
    fleet: FleetDep,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT_S, description="seconds to wait for a newer snapshot")] = 0,
    if_none_match: Annotated[
        str, Header(max_length=MAX_TAGS, description="the tag of the snapshot that the node has")
    ] = "",
) -> Response:
    """Get the manifest as soon as it differs from the node's one, or after `wait`. Its tag is its SHA-256.

    A node can wait only once: another request ends the earlier wait.
    """
    tags = {part.strip().removeprefix("W/").strip('"') for part in if_none_match.split(",")}
    newest = fleet.announcements.newest
    known = newest.digest if newest is not None and newest.digest in tags else None
    # A waiting request does not count against the limits of requests.
    resting: AbstractContextManager[None] = request.scope["rest"]()
    try:
        with resting:
            newest = await fleet.announcements.next(known, wait, node.number)
    except NodeLostAccess:
        raise NotAuthenticated(TOKEN_NOT_ACCEPTED) from None
    if newest is None:
        raise NotPublished("no snapshot is published yet")
    headers = {"ETag": f'"{newest.digest}"'}
    if newest.digest in tags:
        return Response(status_code=304, headers=headers)
    return Response(newest.manifest, headers=headers, media_type="application/json")


@router.get(
    "/self/files/{sha256}",
    summary="Get a snapshot's file",
    response_class=Response,
    responses={
        **documented(NOT_FOUND, TOO_MANY_AT_ONCE, OVERLOADED),
        200: {"description": "the content of the file", "content": _FILE_CONTENT},
        226: {"description": "what changed since the file in `since`", "content": _FILE_CONTENT},
    },
)
def get_own_file(
    sha256: Annotated[Sha256, Path()],
    node: NodeDep,
    fleet: FleetDep,
    since: Annotated[Sha256 | None, Query(description="SHA-256 of the names file that the node has")] = None,
) -> Response:
    """Get a file by its SHA-256, if a manifest that is still kept names it.

    With `since`, get what changed since that file, if it is little: the answer is 226, in a format for nodes only.
    """
    with ExitStack() as held:
        held.enter_context(fleet.downloads.held(node.number))
        changes = None if since is None else fleet.changed_files.between(since, sha256)
        if changes is not None:
            return Response(changes, HTTPStatus.IM_USED, media_type=_FILE)
        file = fleet.publisher.store.open_named(sha256)
        if file is None:
            raise NotFound(f"no snapshot has a file {sha256}")
        held.enter_context(file)
        return file_download(file, held.pop_all(), _FILE)


@router.post("/self/report", summary="Report the state of a node")
def report_node(body: ReportWrite, request: Request, node: NodeDep, held: RuntimeDep, fleet: FleetDep) -> Reported:
    """Report a node's snapshot, state, local acts and usage. The answer has the captures of its site.

    Each local act is recorded once in the audit log, and each batch of usage is counted once.
    """
    now_s = int(held.clock())
    _check_suspended(body, now_s)
    _check_names(body, now_s)
    entries = sorted(body.journal, key=lambda entry: entry.number)
    admitted = fleet.admitted(node.number, len(entries))
    journal = _record(request, held, node, entries[:admitted]) if admitted else node.journal
    if admitted < len(entries):
        journal = min(journal, entries[admitted].number - 1)
    clock_off_s = stored_instant(body.clock) - now_s
    fleet.reports.take(node.number, node.site, body, clock_off_s)
    stored = None if body.usage is None else fleet.usage.take(node.number, node.site, body.usage, clock_off_s)
    with held.database.reading() as session:
        captures = [read_order(row, now_s) for row in existing(session, now_s, node.site)]
    return Reported(journal=journal, usage=stored, captures=captures)


def _check_suspended(body: ReportWrite, now_s: int) -> None:
    """Raise Invalid if a suspension is longer than any node allows."""
    for index, one in enumerate(body.suspended):
        if stored_instant(one.until) > now_s + MAX_SUSPENSION_S + CLOCK_SLACK_S:
            raise Invalid.at(
                f"body.suspended.{index}.until", f"a suspension lasts at most {MAX_SUSPENSION_S // 3600} hours"
            )


def _check_names(body: ReportWrite, now_s: int) -> None:
    """Raise Invalid if a name is refused or allowed for longer than any node allows."""
    for index, one in enumerate(body.names):
        if stored_instant(one.until) > now_s + MAX_LOCAL_NAME_S + CLOCK_SLACK_S:
            raise Invalid.at(f"body.names.{index}.until", f"a name is set for at most {MAX_LOCAL_NAME_S // DAY_S} days")


def _record(request: Request, held: Runtime, node: NodeCaller, entries: list[JournalEntry]) -> int:
    with held.database.writing() as session:
        unit = UnitOfWork(session, _actor(request), int(held.clock()))
        row = session.get(NodeRow, node.number)
        taken = row is not None and row.removed_s is None and row.public == node.public
        highest = service.take_journal(unit, row, entries) if row is not None and taken else None
    if highest is None:
        # The node has just been removed. Its next request is recorded as an authentication failure.
        raise NotAuthenticated(TOKEN_NOT_ACCEPTED)
    return highest


def _actor(request: Request) -> Actor:
    return Actor(INSTALLATION_ACCOUNT, Access.NODE, request_id(request))
