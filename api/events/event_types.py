"""An event: an act or a notice as JSON, with a type and an id that stay the same at every delivery. Pure."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from api.audit.acts import ACTS, FAMILIES
from api.db.base import Json
from api.notices.kinds import Kind

NOTICE = "notice"
TYPES = frozenset({*ACTS, *FAMILIES, NOTICE, *(f"{NOTICE}.{kind}" for kind in Kind)})
"""Every type, and the first word of each, which stands for all types that begin with it."""

LEFT_OUT: Json = {"left_out": "too large for this transport"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `seq` and `notice` are the receiver's position after it: the last act and the last notice.

    `origin` differs for events that have the same `id` because a backup was restored between them.
    """

    id: str
    origin: str
    type: str
    time: str
    authorities: tuple[str, ...]
    data: Json
    seq: int
    notice: int

    def body(self, installation: str, limit: int | None = None) -> str:
        """Return the event as one line of JSON. The same event of an installation always has the same text.

        An event of more than `limit` bytes has no data, and if that is not enough, no authorities.
        """
        value = {
            "id": self.id,
            "type": self.type,
            "time": self.time,
            "installation": installation,
            "authorities": self.authorities,
            "data": self.data,
        }
        text = _line(value)
        for field, placeholder in (("data", LEFT_OUT), ("authorities", [])):
            if limit is None or len(text.encode()) <= limit:
                break
            text = _line(value := {**value, field: placeholder})
        return text


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_wanted(types: Collection[str], name: str) -> bool:
    """Return whether a receiver wants events of this type. No types means all."""
    return not types or name in types or name.partition(".")[0] in types
