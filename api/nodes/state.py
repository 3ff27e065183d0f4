"""The state of a node: whether it has the newest snapshot and still reports, and its local suspensions. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.db.base import Json
from api.db.models import NodeRow
from api.nodes.last_reports import ReceivedReport
from api.nodes.repository import NodeSummary
from api.nodes.schemas import NodeRead, State
from api.publish.announcements import AnnouncedSnapshot, Announcements
from api.timestamps import optional_text, stored_instant, timestamp_text
from dnsfilter.policy.model import Instant

BEHIND_S = 10
"""Seconds after which a reporting node without the newest snapshot is behind."""
SILENT_S = 60
"""Seconds without a report after which a node is silent."""
_REPORTED_FIELDS = (
    "revision",
    "age_s",
    "version",
    "engine",
    "workers",
    "uptime_s",
    "load",
    "held_up_to",
    "learning_until",
    "clock_off_s",
)
"""Fields shown as reported; null if they were not reported."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A node's state, and how far it is behind: in revisions, and since when a newer snapshot exists."""

    state: State
    seen_s: int | None
    behind_by: int | None
    behind_since_s: float | None

    @property
    def is_serving(self) -> bool:
        """Return whether the node has enrolled, and reports or should report."""
        return self.state not in ("removed", "waiting")

    @property
    def is_newest(self) -> bool:
        """Return whether the node reports that it applies the newest snapshot."""
        return self.state == "current" and self.behind_since_s is None


def standing_of(
    row: NodeRow | NodeSummary, body: Json, seen_s: int | None, announcements: Announcements, now_s: float
) -> Standing:
    """Return the standing of a node from its last report `body`, received at `seen_s`."""
    if row.removed_s is not None:
        return Standing("removed", seen_s, None, None)
    if row.enrolled_s is None:
        return Standing("waiting", None, None, None)
    newest = announcements.newest
    behind_by = _behind_by(body, newest)
    since_s = _behind_since(row, body, announcements)
    if now_s - (row.enrolled_s if seen_s is None else seen_s) >= SILENT_S:
        state: State = "silent"
    elif seen_s is None:
        state = "waiting"
    else:
        state = "behind" if since_s is not None and now_s - since_s > BEHIND_S else "current"
        if newest is not None and is_held(body, newest.revision):
            state = "held"
    return Standing(state, seen_s, behind_by, since_s)


def is_held(body: Json, newest: int) -> bool:
    """Return whether only a local selection keeps the node at an older revision, according to its report."""
    revision, held = body.get("revision"), body.get("held_up_to")
    return revision is not None and held is not None and revision < newest <= held


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """Whether a node applies a revision or a later one.

    `revision` is what it reported last, for the first time at `since_s` as far as this process knows.
    """

    name: str
    site: str
    state: State
    revision: int | None
    since_s: float | None
    has: bool

    @property
    def is_awaited(self) -> bool:
        """Return whether the node lacks the revision and reports, so that it may have it soon."""
        return not self.has and self.state != "silent"


def has_revision(body: Json, wanted: int, newest: AnnouncedSnapshot | None) -> bool:
    """Return whether a node with this report applies the revision or a later one.

    A revision above the newest is from another history, or false.
    """
    revision = body.get("revision")
    return revision is not None and newest is not None and wanted <= revision <= newest.revision


def last_report(written: Json, seen_s: int | None, received: ReceivedReport | None) -> tuple[Json, int | None]:
    """Return a node's last report and its time: the one this process received, else the stored one."""
    return (written, seen_s) if received is None else (received.body, int(received.at_s))


@dataclass(frozen=True, slots=True)
class LocalSuspension:
    """A node refuses nothing for an authority (None: for all) until `until_s`, by a local act."""

    node: str
    site: str
    authority: str | None
    until_s: Instant


def local_suspensions(node: str, site: str, report: Json, now_s: Instant) -> Iterator[LocalSuspension]:
    """Yield the suspensions in a node's report that have not ended."""
    for one in report.get("suspended", ()):
        until_s = stored_instant(one["until"])
        if until_s > now_s:
            yield LocalSuspension(node, site, one["authority"], until_s)


def read_node(row: NodeRow, received: ReceivedReport | None, announcements: Announcements, now_s: float) -> NodeRead:
    """Return a node as the API shows it."""
    body, seen_s = last_report(row.report, row.seen_s, received)
    stands = standing_of(row, body, seen_s, announcements, now_s)
    newest = announcements.newest
    since_s = stands.behind_since_s
    reported: dict[str, Any] = {field: body.get(field) for field in _REPORTED_FIELDS}
    return NodeRead(
        name=row.name,
        site=row.site,
        state=stands.state,
        recorded=timestamp_text(row.registered_s),
        enrolled=optional_text(row.enrolled_s),
        removed=optional_text(row.removed_s),
        enrolment_until=optional_text(_enrolment_until(row, now_s)),
        seen=optional_text(stands.seen_s),
        published=None if newest is None else newest.revision,
        behind_by=stands.behind_by,
        behind_for_s=None if since_s is None else max(0, int(now_s - since_s)),
        trouble=body.get("trouble", ""),
        suspended=body.get("suspended", []),
        names=body.get("names", []),
        **reported,
    )


def _behind_by(body: Json, newest: AnnouncedSnapshot | None) -> int | None:
    """Return None also for a revision above the newest: it is from another history, or false."""
    revision = body.get("revision")
    if newest is None or revision is None or revision > newest.revision:
        return None
    return newest.revision - int(revision)


def _behind_since(row: NodeRow | NodeSummary, body: Json, announcements: Announcements) -> float | None:
    """Return since when a newer snapshot than the reported one exists, at the earliest since the enrolment."""
    since_s = announcements.superseded_s(body.get("manifest"))
    return None if since_s is None else max(since_s, row.enrolled_s or 0)


def _enrolment_until(row: NodeRow, now_s: float) -> int | None:
    return row.enrolment_until_s if row.enrolment_public is not None and row.may_enrol(now_s) else None
