"""Idempotency-Key: a repeated act is not done again. For a day, its first answer is sent again."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request, Response
from sqlalchemy import delete, or_, update
from sqlalchemy.orm import Session

from api.auth.caller import Caller
from api.db.models import IdempotencyRow, TokenRow
from api.errors import Conflict, Invalid
from dnsfilter.policy.model import DAY_S

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_S = DAY_S
MAX_KEY = 200
MAX_ANSWER_BYTES = 1024 * 1024
_KEPT_HEADERS = ("content-type", "etag", "location")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with a key. `digest` covers the request and the caller's permissions."""

    account: int
    key: str
    path: str
    digest: str


class Answered(Exception):
    """Raised if a request gets another answer than its route's: that of the first time, or that its act waits."""

    def __init__(self, answer: Response) -> None:
        super().__init__("the request is answered")
        self.answer = answer


def keyed(request: Request, caller: Caller, token: TokenRow) -> KeyedRequest | None:
    """Return the request's key, or None if it has none. Raise Invalid.

    The caller's permissions are part of the request: who has lost one must not get the answer again.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Invalid.at(f"header.{HEADER}", f"a key is 1 to {MAX_KEY} visible ASCII characters, without spaces")
    held = sorted(f"{item.role} {item.authority or ''}" for item in caller.held)
    permissions = [held, sorted(token.roles), sorted(token.authorities)]
    path, query, body = request.url.path, request.url.query, str(request.scope["body_sha256"])
    identity = "\n".join((request.method, path, query, body, json.dumps(permissions)))
    return KeyedRequest(caller.account, key, path, sha256(identity.encode()).hexdigest())


def find(session: Session, asked: KeyedRequest, now_s: int) -> Response | None:
    """Return the answer to the same request, or None for a new key.

    Raise Invalid for another request with the key, and Conflict if the answer was not kept. Call this within the
    transaction of the act: its lock makes the second of two equal requests wait.
    """
    row = session.get(IdempotencyRow, (asked.account, asked.key))
    if row is None or row.created_s <= now_s - KEPT_S:
        return None
    if row.request != asked.digest:
        message = "the key was used for another request, or with other roles: choose another key"
        raise Invalid.at(f"header.{HEADER}", message)
    if row.body is None:
        raise Conflict("the act was done with this key, but its answer was not kept: read the current state")
    headers = {**row.headers, REPLAYED: "true"}
    return Response(zlib.decompress(row.body), row.status, headers)


def is_done(session: Session, account: int, key: str, path: str, now_s: int) -> bool:
    """Return whether the account did an act at `path` with this key within a day."""
    row = session.get(IdempotencyRow, (account, key))
    return row is not None and row.path == path and row.created_s > now_s - KEPT_S


def keep(session: Session, asked: KeyedRequest, answer: Response | None, now_s: int) -> None:
    """Keep the answer of an act, in the act's transaction. Keep no body for None, or for too large an answer."""
    sweep(session, now_s)
    content = b"" if answer is None else bytes(answer.body)
    is_kept = answer is not None and len(content) <= MAX_ANSWER_BYTES
    row = IdempotencyRow(
        account=asked.account,
        key=asked.key,
        path=asked.path,
        request=asked.digest,
        status=200 if answer is None else answer.status_code,
        headers={} if answer is None else _kept(answer.headers),
        body=zlib.compress(content) if is_kept else None,
        created_s=now_s,
    )
    session.add(row)


def sweep(session: Session, now_s: int) -> None:
    """Delete answers older than a day."""
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_s <= now_s - KEPT_S))


def forget(session: Session, *paths: str) -> None:
    """Erase the answers to acts at these paths and below them."""
    below = (IdempotencyRow.path.startswith(f"{path}/", autoescape=True) for path in paths)
    matching = or_(IdempotencyRow.path.in_(paths), *below)
    session.execute(update(IdempotencyRow).where(matching).values(body=None))


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _KEPT_HEADERS if name in headers}
