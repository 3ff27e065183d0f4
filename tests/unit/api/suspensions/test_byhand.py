"""What was suspended on nodes themselves, as every account may see it."""

from sqlalchemy import select

from api.db.models import NodeRow
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine

PATH = "/v1/suspensions/by-hand"
UNTIL, LATER = "2026-09-21T14:43:20Z", "2026-09-21T15:43:20Z"


def _told(plane: Plane, query: str = "", token: str | None = None) -> list[tuple[str, str | None, str]]:
    items = plane.done("GET", f"{PATH}{query}", token=token)["items"]
    return [(item["node"], item["authority"], item["until"]) for item in items]


def test_what_nodes_report_is_told_to_every_account_until_it_ends(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    first, second = Machine.enrolled(town, "office-1"), Machine.enrolled(town, "office-2", "depot")
    assert _told(town) == []
    first.report(suspended=[{"authority": "town", "until": UNTIL}])
    second.report(suspended=[{"authority": "zone", "until": LATER}, {"authority": None, "until": UNTIL}])
    of_town, of_all, of_zone = ("office-1", "town", UNTIL), ("office-2", None, UNTIL), ("office-2", "zone", LATER)
    _, reader = town.account("reader", ("reader", "zone"))
    assert _told(town, token=reader) == [of_town, of_all, of_zone]
    assert _told(town, "?authority=town") == [of_town, of_all]
    assert _told(town, "?site=depot") == [of_all, of_zone]
    page = town.done("GET", f"{PATH}?limit=2")
    assert (len(page["items"]), _told(town, f"?cursor={page['next']}")) == (2, [of_zone])
    town.clock.now += 1800
    assert _told(town) == [of_zone]
    second.report(suspended=[])
    assert _told(town) == []


@on_both_databases
def test_what_was_written_down_is_told_where_the_node_has_not_reported_since(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    machine.report(suspended=[{"authority": None, "until": UNTIL}])
    board = town.app.state.fleet.board
    board.settle()
    with town.database.reading() as session:
        number = session.scalars(select(NodeRow.number)).one()
    board.forget(number)
    assert _told(town) == [("office-1", None, UNTIL)]
    town.done("DELETE", "/v1/nodes/office-1")
    assert _told(town) == []
