"""What was suspended on nodes themselves, as every account may see it; which nodes, is not everybody's to know."""

from sqlalchemy import select

from api.db.models import NodeRow
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine

PATH = "/v1/suspensions/local"
UNTIL, LATER = "2026-09-21T14:43:20Z", "2026-09-21T15:43:20Z"


def _told(plane: Plane, query: str = "", token: str | None = None) -> list[tuple[str | None, str | None, str]]:
    items = plane.done("GET", f"{PATH}{query}", token=token)["items"]
    return [(item["node"], item["authority"], item["until"]) for item in items]


def test_what_nodes_report_is_told_until_it_ends(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    first, second = Machine.enrolled(town, "office-1"), Machine.enrolled(town, "office-2", "depot")
    assert _told(town) == []
    first.report(suspended=[{"authority": "town", "until": UNTIL}])
    second.report(suspended=[{"authority": "zone", "until": LATER}, {"authority": None, "until": UNTIL}])
    of_town, of_all, of_zone = ("office-1", "town", UNTIL), ("office-2", None, UNTIL), ("office-2", "zone", LATER)
    assert _told(town, "?authority=town") == [of_town, of_all]
    assert _told(town, "?site=depot") == [of_all, of_zone]
    page = town.done("GET", f"{PATH}?limit=2")
    assert (len(page["items"]), _told(town, f"?cursor={page['next']}")) == (2, [of_zone])
    town.clock.now += 1800
    assert _told(town) == [of_zone]
    second.report(suspended=[])
    assert _told(town) == []


def test_which_nodes_it_are_is_told_to_whoever_may_list_them(town: Plane) -> None:
    nodes = [Machine.enrolled(town, f"office-{number}") for number in (1, 2)]
    for node, until in zip(nodes, (LATER, UNTIL), strict=True):
        node.report(suspended=[{"authority": "zone", "until": until}, {"authority": None, "until": UNTIL}])
    _, auditor = town.account("auditor", ("auditor", None))
    assert len(_told(town, token=auditor)) == 4
    _, operator = town.account("operator", ("operator", "zone"))
    of_all, of_zone = (None, None, UNTIL), (None, "zone", LATER)
    assert _told(town, token=operator) == [of_all, of_zone]
    page = town.done("GET", f"{PATH}?limit=1", token=operator)
    assert _told(town, f"?cursor={page['next']}", token=operator) == [of_zone]


def test_an_authority_that_only_a_node_knows_is_not_listed(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    machine.report(suspended=[{"authority": "no-such", "until": UNTIL}, {"authority": "town", "until": UNTIL}])
    assert _told(town) == [("office-1", "town", UNTIL)]


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
