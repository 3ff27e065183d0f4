"""Tokens of nodes. They have the form of account tokens, but are stored in the table of nodes and valid only there."""

import hmac
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.state import Refusal
from api.auth.tokens import Refused, digest, public_part
from api.db.models import NodeRow

JOURNAL = "journal"
"""The key in a node's report with the highest number of its journal that is recorded here."""


@dataclass(frozen=True, slots=True)
class NodeCaller:
    """A node with the public part of its token. `journal` is the number up to which its journal is recorded."""

    number: int
    site: str
    public: str
    journal: int


def authenticate_node(session: Session, key: bytes, token: str) -> NodeCaller | Refused:
    """Return the node of a token, or why it is refused. Compare in constant time. Refuse removed nodes."""
    public = public_part(token)
    row = None if public is None else session.scalar(select(NodeRow).where(NodeRow.public == public))
    if not _is_same(digest(key, token), row.digest if row is not None else "") or row is None:
        return Refused(Refusal.UNKNOWN)
    if row.removed_s is not None:
        return Refused(Refusal.REVOKED)
    return NodeCaller(row.number, row.site, public or "", row.report.get(JOURNAL, 0))


def is_node(session: Session, key: bytes, token: str) -> bool:
    """Return whether this is a valid token of a node."""
    return isinstance(authenticate_node(session, key, token), NodeCaller)


def authenticate_enrolment(session: Session, key: bytes, token: str, now_s: int) -> NodeRow | Refused:
    """Return the node that may enrol with this token, or why it is refused. Compare in constant time."""
    public = public_part(token)
    row = None if public is None else session.scalar(select(NodeRow).where(NodeRow.enrolment_public == public))
    if not _is_same(digest(key, token), row.enrolment_digest if row is not None else "") or row is None:
        return Refused(Refusal.UNKNOWN)
    if row.removed_s is not None:
        return Refused(Refusal.REVOKED)
    if not row.may_enrol(now_s):
        return Refused(Refusal.EXPIRED)
    return row


def _is_same(presented: str, stored: str) -> bool:
    return hmac.compare_digest(presented, stored or "0" * len(presented))
