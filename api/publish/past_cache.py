"""Cache past policies, so that questions about the same time share one."""

from collections import OrderedDict
from hashlib import sha256
from threading import Lock
from typing import TypeAlias

from sqlalchemy import Text, and_, cast, func, select
from sqlalchemy.orm import Session

from api.db.models import VersionRow
from api.publish.past_policies import LoadedServices, PastPolicy, Publication, policy_in
from api.publish.recompiled import is_reproduced

MAX_KEPT = 3
"""A policy of 100,000 ranges takes about 100 MB."""

CheckedPast: TypeAlias = tuple[PastPolicy, bool | None]
"""A past policy, and whether it reproduces the files of its publication."""


class PastPolicyCache:
    """Past policies by publication. Thread-safe."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._kept: OrderedDict[tuple[Publication, bytes], CheckedPast] = OrderedDict()

    def of(self, session: Session, found: Publication, held: LoadedServices) -> CheckedPast:
        """Return a past policy, and whether it is reproduced. Rebuild it if its stored versions were altered."""
        key = found, _digest(session, found.revision)
        # Build one at a time: each uses a core for seconds.
        with self._turn:
            made = self._kept.get(key)
            if made is None:
                past = policy_in(session, found, held)
                made = self._kept[key] = past, is_reproduced(past)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return made


def _digest(session: Session, revision: int) -> bytes:
    """Return a digest of all stored versions that make up the policy of a revision."""
    latest = (
        select(VersionRow.kind, VersionRow.key, func.max(VersionRow.revision).label("revision"))
        .where(VersionRow.revision <= revision)
        .group_by(VersionRow.kind, VersionRow.key)
        .subquery()
    )
    same = and_(*(getattr(VersionRow, name) == latest.c[name] for name in ("kind", "key", "revision")))
    rows = select(VersionRow.kind, VersionRow.key, cast(VersionRow.body, Text)).join(latest, same)
    digest = sha256()
    for row in session.execute(rows.order_by(VersionRow.kind, VersionRow.key)):
        digest.update(repr(tuple(row)).encode())
    return digest.digest()
