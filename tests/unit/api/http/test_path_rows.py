"""The row that a path names: it is found first, then permitted, then compared with what the caller expects."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane

RANGE = "/v1/ranges/default/192.0.2.0/24"
MISSING = "/v1/ranges/default/203.0.113.0/24"
WHY = {"reason": "a test"}


@pytest.mark.parametrize(
    ("method", "path", "body", "elsewhere", "permitted"),
    [
        ("DELETE", MISSING, None, 404, 404),
        ("DELETE", RANGE, None, 403, 412),
        ("PATCH", RANGE, {"label": "hall"}, 403, 412),
        # A fault of the body is reported only to who may change the row.
        ("PATCH", RANGE, {"no such field": 1}, 403, 412),
        ("POST", "/v1/suspensions/1/end", WHY, 403, 412),
        # A read has no precondition.
        ("GET", RANGE, None, 403, 200),
    ],
)
def test_only_who_may_change_a_row_learns_whether_it_is_the_expected_one(
    town: Plane, method: str, path: str, body: Any, elsewhere: int, permitted: int
) -> None:
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "1h", **WHY})
    _, token = town.account("elsewhere", ("operator", "zone"))
    for account, status in ((token, elsewhere), (town.token, permitted)):
        headers = {"Authorization": f"Bearer {account}", "If-Match": '"r0"'}
        answer = town.call(method, path, body, headers=headers)
        assert (answer.status_code, "etag" in answer.headers) == (status, status in (200, 412))
