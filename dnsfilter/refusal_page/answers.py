"""What the server answers a client: the same decision as the resolver's, as HTTP/1.1. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.extended_error import refusal_parts
from dnsfilter.policy.model import Address, Instant
from dnsfilter.refusal_page.http_request import METHODS, BadRequest, Request, parse_request
from dnsfilter.refusal_page.page_text import CONTENT_SECURITY_POLICY, Page, Refused, other_page, refusal_page
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.names import name_text

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


@dataclass(frozen=True, slots=True)
class Deciding:
    """What decides: a snapshot, or None if there is none yet, and the instant."""

    snapshot: Snapshot | None
    at: Instant


def answer(head: bytes, client: Address, deciding: Deciding) -> bytes:
    """Return the answer to a request."""
    try:
        request = parse_request(head)
    except BadRequest as error:
        return error_answer(error.status, deciding.at)
    if deciding.snapshot is None:
        return error_answer(HTTPStatus.SERVICE_UNAVAILABLE, deciding.at)
    page = _page(request, client, deciding.snapshot, deciding.at)
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Language", page.language)]
    if page.contact and page.status is HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
        headers.append(("Link", f'<mailto:{page.contact}>; rel="blocked-by"'))
    return _message(page.status, headers, page.content, deciding.at, with_content=request.method != "HEAD")


def error_answer(status: HTTPStatus, at: Instant) -> bytes:
    """Return the answer to a request that gets no page."""
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", ", ".join(METHODS)))
    return _message(status, headers, f"{status.phrase}\n".encode(), at)


def _page(request: Request, client: Address, snapshot: Snapshot, at: Instant) -> Page:
    found = None if request.name is None else snapshot.find(client.packed)
    if found is None or request.name is None:
        return other_page(request.languages)
    judged = snapshot.judge(found, snapshot.match(request.name), at, (request.name,))
    if judged.verdict is not Verdict.REFUSE or judged.ban is None:
        return other_page(request.languages)
    ban = judged.ban
    refused = Refused(name_text(request.name), ban.authority, ban.service, refusal_parts(ban.text))
    return refusal_page(refused, request.languages)


def _message(
    status: HTTPStatus, headers: Iterable[tuple[str, str]], content: bytes, at: Instant, *, with_content: bool = True
) -> bytes:
    fields = [("Date", formatdate(at, usegmt=True)), ("Content-Length", str(len(content))), *headers, *_HEADERS]
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("ascii") + (content if with_content else b"")
