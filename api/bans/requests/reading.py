"""Convert rows of requests to API answers and audit log entries."""

import json

from api.bans.requests.schemas import LiftRead, RequestedActRead, RequestRead
from api.bans.requests.state import request_state
from api.db.base import Json
from api.db.models import RequestRow
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import Instant, Mode

MAX_LIFTS = 20
OF_BAN = "ban/"


def read_request(row: RequestRow, now: Instant) -> RequestRead:
    """Return a request as the API shows it."""
    mode, until = _mode_and_until(row)
    return RequestRead(
        number=row.number,
        authority=row.authority,
        operation=row.operation,
        object=row.object,
        ban=row.object.removeprefix(OF_BAN) if row.object.startswith(OF_BAN) else None,
        mode=mode,
        until=until,
        acts=[RequestedActRead.model_validate(act) for act in row.acts],
        act_count=row.act_count,
        lifts=[_lift(item) for item in row.lifts[:MAX_LIFTS]],
        lift_count=len(row.lifts),
        body=_body(row),
        reason=row.reason,
        requested=timestamp_text(row.requested_s),
        requested_by=row.requested_by,
        lapses=optional_text(row.lapses_s),
        approved=optional_text(row.approved_s),
        rejected=optional_text(row.rejected_s),
        withdrawn=optional_text(row.withdrawn_s),
        decided_by=row.decided_by,
        note=row.note,
        state=request_state(row, now),
        revision=row.revision,
    )


def shown_request(row: RequestRow) -> Json:
    """Return a request as the audit log stores it, without fields that depend on the time."""
    left_out = {"revision", "state", "acts", "lifts", "lift_count"}
    return read_request(row, 0).model_dump(mode="json", exclude=left_out)


def _mode_and_until(row: RequestRow) -> tuple[Mode | None, str | None]:
    """Return the mode that the request sets, and until when the ban is off."""
    for act in reversed(row.acts):
        before, after = act["before"] or {}, act["after"] or {}
        if any(before.get(key) != after.get(key) for key in ("mode", "off_until")) and "mode" in after:
            return Mode(after["mode"]), after.get("off_until")
    return None, None


def _lift(item: Json) -> LiftRead:
    start, end = timestamp_text(item["start"]), optional_text(item["end"])
    return LiftRead.model_validate({**item, "start": start, "end": end})


def _body(row: RequestRow) -> Json | None:
    found = json.loads(row.body) if row.media_type == "application/json" and row.body else None
    return found if isinstance(found, dict) and "rows" not in found else None
