"""Local suspensions are visible to every account, the names of their nodes only to some."""

from sqlalchemy import select

from api.db.models import NodeRow
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine

PATH = "/v1/suspensions/local"
UNTIL, LATER = "2026-09-21T14:43:20Z", "2026-09-21T15:43:20Z"


def _listed(plane: Plane, query: str = "", token: str | None = None) -> list[tuple[str | None, str | None, str]]:
    items = plane.done("GET", f"{PATH}{query}", token=token)["items"]
    return [(item["node"], item["authority"], item["until"]) for item in items]


def test_local_suspensions_are_listed_until_their_end(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    first, second = Machine.enrolled(town, "office-1"), Machine.enrolled(town, "office-2", "depot")
    assert _listed(town) == []
    first.report(suspended=[{"authority": "town", "until": UNTIL}])
    second.report(suspended=[{"authority": "zone", "until": LATER}, {"authority": None, "until": UNTIL}])
    of_town, of_all, of_zone = ("office-1", "town", UNTIL), ("office-2", None, UNTIL), ("office-2", "zone", LATER)
    assert _listed(town, "?authority=town") == [of_town, of_all]
    assert _listed(town, "?site=depot") == [of_all, of_zone]
    page = town.done("GET", f"{PATH}?limit=2")
    assert (len(page["items"]), _listed(town, f"?cursor={page['next']}")) == (2, [of_zone])
    town.clock.now += 1800
    assert _listed(town) == [of_zone]
    second.report(suspended=[])
    assert _listed(town) == []


def test_node_names_are_shown_only_to_accounts_that_can_list_nodes(town: Plane) -> None:
    nodes = [Machine.enrolled(town, f"office-{number}") for number in (1, 2)]
    for node, until in zip(nodes, (LATER, UNTIL), strict=True):
        node.report(suspended=[{"authority": "zone", "until": until}, {"authority": None, "until": UNTIL}])
    _, auditor = town.account("auditor", ("auditor", None))
    assert len(_listed(town, token=auditor)) == 4
    _, operator = town.account("operator", ("operator", "zone"))
    of_all, of_zone = (None, None, UNTIL), (None, "zone", LATER)
    assert _listed(town, token=operator) == [of_all, of_zone]
    page = town.done("GET", f"{PATH}?limit=1", token=operator)
    assert _listed(town, f"?cursor={page['next']}", token=operator) == [of_zone]


def test_suspension_of_an_unknown_authority_is_not_listed(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    machine.report(suspended=[{"authority": "no-such", "until": UNTIL}, {"authority": "town", "until": UNTIL}])
    assert _listed(town) == [("office-1", "town", UNTIL)]


@on_both_databases
def test_stored_report_is_used_until_the_node_reports_again(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    machine.report(suspended=[{"authority": None, "until": UNTIL}])
    reports = town.app.state.fleet.reports
    reports.store_due()
    with town.database.reading() as session:
        number = session.scalars(select(NodeRow.number)).one()
    reports.forget(number)
    assert _listed(town) == [("office-1", None, UNTIL)]
    town.done("DELETE", "/v1/nodes/office-1")
    assert _listed(town) == []
