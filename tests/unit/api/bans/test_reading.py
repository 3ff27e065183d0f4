"""Reading a page of many bans takes as many statements as a page of one."""

from typing import Any

import pytest
from sqlalchemy import event

from tests.unit.api.conftest import Plane, authority, ban

BANS = ("zone", "ghent", "diest")


@pytest.fixture
def many(town: Plane) -> Plane:
    """Return a control plane with several objects of each kind that has pages."""
    for slug in BANS:
        town.done("PUT", f"/v1/authorities/{slug}", authority())
        town.done("PUT", f"/v1/authorities/{slug}/bans/alpha", ban())
        body = {
            "ban": f"{slug}/alpha",
            "authority": "town",
            "ground": "law",
            "instrument": "decree 1",
            "date": "2026-09-01",
        }
        town.done("POST", "/v1/bindings", body)
        request = {"ban": f"{slug}/alpha", "ranges": ["192.0.2.0/24"], "for": "2 days", "reason": "promotion"}
        town.done("POST", "/v1/exemptions", request)
    return town


@pytest.mark.heavy
@pytest.mark.parametrize("path", ["/v1/bans", "/v1/bindings", "/v1/exemptions", "/v1/ranges", "/v1/authorities"])
def test_a_page_of_many_takes_no_more_statements_than_one_of_one(many: Plane, path: str) -> None:
    counted: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        counted.append(statement)

    def page(limit: int) -> tuple[int, int]:
        """Return the number of items and of statements."""
        counted.clear()
        return len(many.done("GET", f"{path}?limit={limit}")["items"]), len(counted)

    event.listen(many.database.engine, "before_cursor_execute", note)
    try:
        (one, of_one), (all_, of_all) = page(1), page(200)
    finally:
        event.remove(many.database.engine, "before_cursor_execute", note)
    assert one == 1 < all_
    assert of_one == of_all


def test_dates_and_times_of_a_term_are_by_the_clock_of_the_authority(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone", authority(time_zone="Europe/Lisbon"))
    term = {"start": "2026-10-25 01:30", "until": "25 October 2026 01:30"}
    made = town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(terms=[term]))
    assert (made["terms"][0]["start"], made["terms"][0]["end"]) == ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")
    refused = town.call(
        "POST", "/v1/authorities/zone/bans/alpha/end", {"at": "1 July 2027 09:00 PST", "reason": "over"}
    )
    assert refused.json()["faults"][0]["location"] == "body.at"
    assert "write WEST, or an offset such as +01:00" in refused.json()["faults"][0]["message"]
