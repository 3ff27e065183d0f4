"""Response schemas of what needs attention."""

from enum import StrEnum

from pydantic import Field

from api.bans.schemas import DueKind
from api.http.schemas import Read, ServiceSlug, Slug, Timestamp


class Matter(StrEnum):
    """Why something needs attention, the most urgent first."""

    AUDIT_DAMAGED = "audit_damaged"
    PEER_BROKEN = "peer_broken"
    CHECKPOINT_OLD = "checkpoint_old"
    NODE_BEHIND = "node_behind"
    NODE_SILENT = "node_silent"
    RANGES_STOPPED = "ranges_stopped"
    REQUEST_WAITING = "request_waiting"
    EXEMPTION_WAITING = "exemption_waiting"
    UPDATE_HELD_BACK = "update_held_back"
    BINDING_PROPOSED = "binding_proposed"
    LINK_WAITING = "link_waiting"
    BAN_ENDING = "ban_ending"
    UPDATE_PENDING = "update_pending"


class MatterObjectRead(Read):
    """One object that needs attention. Fields that do not concern its matter are null."""

    object: str = Field(description="the object, as in the audit log")
    authority: Slug | None = Field(description="slug of the authority; null for the installation or the catalogue")
    service: ServiceSlug | None = None
    at: Timestamp | None = Field(
        default=None, description="when it ends or is due, or else since when it waits; null if neither is known"
    )
    what: DueKind | None = Field(default=None, description="what is due for a ban")
    number: int | None = Field(default=None, description="number of ranges, services or names")


class MatterRead(Read):
    """One matter with its first objects. `count` is the number of all that the caller may see."""

    matter: Matter
    count: int
    first: list[MatterObjectRead]


class NodeCountsRead(Read):
    """The number of nodes by state. They have no names: every role may know whether DNS works."""

    current: int
    held: int
    behind: int
    silent: int


class AttentionRead(Read):
    """What needs attention, the most urgent matter first, and the state of the nodes."""

    nodes: NodeCountsRead
    matters: list[MatterRead]
