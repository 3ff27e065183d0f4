"""Show acts and what they change as lines: for differences of a policy file and for the audit log. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from api.bans.requests.schemas import RequestedActRead
from api.ctl.display.local_times import at_words
from api.policies.schemas import ActRead
from api.ranges.schemas import RangeChangeRead
from api.revisions.schemas import ChangeRead

_INSTANT = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"')
MAX_VALUE = 200
"""Maximum length of a value in characters; `--json` has the complete value."""


def act_lines(act: ActRead | RangeChangeRead | RequestedActRead) -> Iterator[str]:
    """Yield a line for the act, and one for each field that differs."""
    return _object_lines(f"{act.object}  {act.act}", act.before, act.after)


def changed_lines(change: ChangeRead) -> Iterator[str]:
    """Yield a line for the object that changed, and one for each field that differs."""
    return _object_lines(change.object, change.before, change.after)


def _object_lines(what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    yield f"{'+' if before is None else '-' if after is None else '~'} {what}"
    if before is not None and after is not None:
        yield from change_lines(before, after)


def change_lines(before: Mapping[str, Any], after: Mapping[str, Any], zone: str | None = None) -> Iterator[str]:
    """Yield a line for each field that differs. Instants are in the given time zone, or in the default one."""
    for field in sorted(before.keys() | after.keys()):
        was, became = before.get(field), after.get(field)
        if was != became:
            yield f"    {field}: {_value(was, zone)} -> {_value(became, zone)}"


def _value(value: object, zone: str | None) -> str:
    text = _INSTANT.sub(lambda found: _local_words(found, zone), json.dumps(value, ensure_ascii=False))
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def _local_words(found: re.Match[str], zone: str | None) -> str:
    try:
        return f'"{at_words(found[1], zone)}"'
    except (ValueError, OverflowError):
        return found[0]
