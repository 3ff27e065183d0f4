"""The acts for which a session must have been confirmed within ten minutes: a browser left open is not enough."""

from collections.abc import Callable, Mapping
from typing import Any


def _always(_body: Any) -> bool:
    return True


def _of_all(body: Any) -> bool:
    return body.get("authority") is None


SENSITIVE: Mapping[str, Callable[[Any], bool]] = {
    "start_suspension": _of_all,
    "end_ban": _always,
    "end_list": _always,
    "close_authority": _always,
    "merge_authority": _always,
    "make_grant": _always,
    "end_grant": _always,
    "make_token": _always,
    "make_link_for_account": _always,
    "remove_passkey": _always,
}
"""The operations, each with the requests that are meant, by their body. Adding a passkey is asked too, by its page."""


def is_sensitive(operation: str, body: object) -> bool:
    """Return whether an act needs a session that was confirmed just before."""
    return operation in SENSITIVE and SENSITIVE[operation](body)
