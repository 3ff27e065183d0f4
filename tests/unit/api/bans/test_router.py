"""How often one request loads and renders a ban."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import event

from api.bans import reading
from api.bans.schemas import BanRead
from tests.unit.api.conftest import Plane

BAN = "/v1/authorities/town/bans/beta"
ADOPTION = {"decision": {"reference": "r1", "legal_basis": "the law"}, "terms": [{"for": "6 months"}]}
RENEWAL = {"for": "9 months", "decision": {"reference": "r2"}}


def _walk(town: Plane, method: str, path: str, body: Any, patch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often a request selects rows of bans and of terms with all columns, and makes a `BanRead`."""
    counted: Counter[str] = Counter()

    def executed(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        counted["loads"] += statement.startswith("SELECT bans.number, bans.authority")
        counted["loads of terms"] += statement.startswith("SELECT terms.")

    def made(**fields: Any) -> BanRead:
        counted["renderings"] += 1
        return BanRead(**fields)

    with patch.context() as patched:
        patched.setattr(reading, "BanRead", made)
        event.listen(town.database.engine, "before_cursor_execute", executed)
        try:
            town.done(method, path, body)
        finally:
            event.remove(town.database.engine, "before_cursor_execute", executed)
    return +counted


@pytest.mark.parametrize(
    ("method", "path", "body", "renderings"),
    [
        ("GET", "", None, 1),
        # Once before the act, for the audit log; once afterwards, for the audit log and the answer.
        ("PUT", "", {"mode": "off"}, 2),
        ("PATCH", "", {"mode": "off"}, 2),
        ("PATCH", "", {"mode": "enforce"}, 1),
        ("POST", "/terms", RENEWAL, 2),
        ("POST", "/end", {"reason": "it is over"}, 2),
        # The reply, the scope and the mode are separate acts.
        ("PATCH", "", {"mode": "off", "funding": ["public"], "reply": "nxdomain"}, 4),
    ],
    ids=["read", "toggle by PUT", "toggle by PATCH", "nothing differs", "renew", "end", "three acts"],
)
def test_a_ban_is_loaded_once_and_rendered_once_per_state(
    town: Plane, method: str, path: str, body: Any, renderings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.done("PUT", BAN, ADOPTION)
    walked = _walk(town, method, f"{BAN}{path}", body, monkeypatch)
    assert walked == {"loads": 1, "loads of terms": 1, "renderings": renderings}


def test_a_list_loads_and_renders_each_ban_once(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    town.done("PUT", BAN, ADOPTION)
    count = len(town.done("GET", "/v1/bans")["items"])
    walked = _walk(town, "GET", "/v1/bans", None, monkeypatch)
    assert walked == {"loads": 1, "loads of terms": 1, "renderings": count}
