"""A route checks its permit before it works: a refusal reads a few rows for any size of the policy."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from api.application import routes
from api.auth.roles import RoleScope
from api.timestamps import timestamp_text
from tests.unit.api.auth.world import Asked, make_world, requests, suspend
from tests.unit.api.conftest import Plane, make_plane

pytestmark = pytest.mark.heavy

RANGES = 300
MOST_ROWS = 30
"""Rows of the token, its account, its grants, and the object."""
ROLES = ("reader", "operator", "approver")


class Rows:
    """Count the rows that an SQLite database returns."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.count += 1
        return row


@contextmanager
def _counted(plane: Plane) -> Iterator[Rows]:
    rows = Rows()

    def taken(connection: Any, _record: object, _proxy: object) -> None:
        connection.row_factory = rows

    event.listen(plane.database.engine, "checkout", taken)
    try:
        yield rows
    finally:
        event.remove(plane.database.engine, "checkout", taken)


def _grow(plane: Plane) -> None:
    lines = (f"10.{number // 256}.{number % 256}.0/24,empty,,public,staff\n" for number in range(RANGES))
    table = "prefix,authority,label,funding,audience\n" + "".join(lines)
    headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "text/csv"}
    assert plane.done("POST", "/v1/ranges/import", content=table, headers=headers)["registered"] == RANGES


def _refused(plane: Plane, rows: Rows, token: str, route: str, case: Asked) -> tuple[bool, int]:
    """Return whether a request was refused, and how many rows it read."""
    rows.count = 0
    headers = {"Authorization": f"Bearer {token}"}
    if case.content is not None:
        headers["Content-Type"] = case.type
    options = {"content": case.content} if case.content is not None else {}
    answer = plane.call(route.partition(" ")[0], case.path, case.json, headers=headers, **options)
    return answer.status_code == 403, rows.count


def test_every_route_refuses_after_reading_a_few_rows(plane: Plane) -> None:
    world = make_world(plane)
    _grow(plane)
    asked = requests(world, suspend(plane), timestamp_text(int(plane.clock.now)))
    tokens = [plane.account("nobody")[1], plane.account("elsewhere", *((role, "hamlet") for role in ROLES))[1]]
    plane.publisher.store_in_force()
    # A new control plane has no policy in memory, as after a start.
    again = make_plane(plane.settings.state_dir)
    again.clock.now = plane.clock.now
    for token in tokens:
        again.call("GET", "/v1/self", token=token)
    asking = {RoleScope.PATH, RoleScope.OBJECT, RoleScope.INSTALLATION}
    found: dict[str, int] = {}
    with _counted(again) as rows:
        for route in routes():
            name = f"{next(iter(route.methods or ()))} {route.path}"
            if route.rule.where not in asking:
                continue
            for case in asked[name]:
                for token in tokens:
                    refused, count = _refused(again, rows, token, name, case)
                    assert refused, f"{name} {case.path}"
                    found[f"{name} {case.path}"] = max(count, found.get(f"{name} {case.path}", 0))
    again.database.close()
    assert {name: count for name, count in found.items() if count > MOST_ROWS} == {}
    assert min(found.values()) > 0
