"""Acts with what they change, as lines: for a policy file's differences and for the audit. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.ctl.answers import Act

MAX_VALUE = 200
"""Longer values are cut here; `--json` has them whole."""


def act_lines(act: Act) -> Iterator[str]:
    """A line for the act, and one for each field that differs."""
    if act.before is None:
        yield f"+ {act.object}  {act.act}"
    elif act.after is None:
        yield f"- {act.object}  {act.act}"
    else:
        yield f"~ {act.object}  {act.act}"
        yield from change_lines(act.before, act.after)


def change_lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """A line for each field that differs."""
    for field in sorted(before.keys() | after.keys()):
        was, became = before.get(field), after.get(field)
        if was != became:
            yield f"    {field}: {_value(was)} -> {_value(became)}"


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"
