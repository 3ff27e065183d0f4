"""Ranges are parsed once, and never from a transaction that was rolled back."""

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.unit.api.conftest import Plane

BODY = {"authority": "town", "funding": "public", "audience": "staff"}


def _authority_of(plane: Plane, address: str) -> Any:
    return plane.done("GET", f"/v1/who?address={address}")["authority"]


@pytest.mark.parametrize(
    ("failed", "after"),
    [
        (("PUT", "203.0.113.0/24", BODY), ("PUT", "203.0.113.0/25", BODY)),
        (("DELETE", "192.0.2.0/24", None), ("DELETE", "198.51.100.0/24", None)),
    ],
    ids=["registered", "removed"],
)
def test_what_was_rolled_back_is_not_taken_for_what_follows(town: Plane, failed: Any, after: Any) -> None:
    def refuse(_connection: Any) -> None:
        raise OperationalError("COMMIT", None, Exception("disk I/O error"))

    def send(method: str, prefix: str, body: Any) -> int:
        return town.call(method, f"/v1/ranges/default/{prefix}", body).status_code

    event.listen(town.database.engine, "commit", refuse)
    try:
        assert send(*failed) == 503
    finally:
        event.remove(town.database.engine, "commit", refuse)
    assert send(*after) < 300
    assert _authority_of(town, "192.0.2.1") == "town"
    assert _authority_of(town, "203.0.113.1") == ("town" if after[0] == "PUT" else None)
    assert _authority_of(town, "203.0.113.129") is None
    assert _authority_of(town, "198.51.100.1") == ("zone" if after[0] == "PUT" else None)


def test_a_toggle_reads_no_prefix_again(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(town.database.engine, "before_cursor_execute", note)
    try:
        town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "enforce"})
    finally:
        event.remove(town.database.engine, "before_cursor_execute", note)
    assert any("UPDATE bans" in statement for statement in statements)
    assert not any("ranges.prefix" in statement for statement in statements)
