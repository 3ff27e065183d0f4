"""Tokens of nodes: in the form of accounts' tokens, but found in the table of nodes, and taken nowhere else."""

import hmac
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth.state import Refusal
from api.auth.tokens import Refused, digest, public_part
from api.db.models import NodeRow

JOURNAL = "journal"
"""Where a row's report has the highest number of the node's journal that is on record."""


@dataclass(frozen=True, slots=True)
class NodeCaller:
    """A node with the public part of the token that it presents; `journal` is how far its journal is known."""

    number: int
    site: str
    public: str
    journal: int


def authenticate_node(session: Session, key: bytes, token: str) -> NodeCaller | Refused:
    """The node whose token this is. Compares in constant time; one that was removed is refused."""
    public = public_part(token)
    row = None if public is None else session.scalar(select(NodeRow).where(NodeRow.public == public))
    if not _is_same(digest(key, token), row.digest if row is not None else "") or row is None:
        return Refused(Refusal.UNKNOWN)
    if row.removed_s is not None:
        return Refused(Refusal.REVOKED)
    return NodeCaller(row.number, row.site, public or "", row.report.get(JOURNAL, 0))


def is_node(session: Session, key: bytes, token: str) -> bool:
    """Whether a node may with this token."""
    return isinstance(authenticate_node(session, key, token), NodeCaller)


def authenticate_enrolment(session: Session, key: bytes, token: str, now_s: int) -> NodeRow | Refused:
    """The node that may enrol with this token, which is taken until its end. Compares in constant time."""
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
