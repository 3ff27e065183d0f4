"""The nodes with and without a revision, and waiting until every node has it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.http.dependencies import MAX_WAITS_EACH
from tests.unit.api.conftest import START, Plane
from tests.unit.api.nodes.conftest import Machine

NAMES = ("office-1", "office-2", "office-3")


@pytest.fixture
def machines(town: Plane) -> list[Machine]:
    """Return three enrolled nodes that report the newest revision."""
    found = [Machine.enrolled(town, name) for name in NAMES]
    for machine in found:
        machine.report(revision=town.revision())
    return found


def _toggle(plane: Plane) -> int:
    """ModeSetting the ban to another mode. Return the revision."""
    mode = "monitor" if plane.done("GET", "/v1/authorities/town/bans/alpha")["mode"] == "enforce" else "enforce"
    number: int = plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": mode})["revision"]
    return number


def _ask(plane: Plane, number: int, query: str = "", wait: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {plane.token}", **({} if wait is None else {"Prefer": f"wait={wait}"})}
    return plane.call("GET", f"/v1/revisions/{number}/nodes{query}", headers=headers)


def _counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["having"], found["lacking"], found["silent"]


def test_nodes_are_listed_with_what_they_apply(town: Plane, machines: list[Machine]) -> None:
    number = _toggle(town)
    town.clock.now += 5
    machines[0].report(revision=number)
    Machine.enrolled(town, "office-4")
    town.done("POST", "/v1/nodes", {"name": "office-5", "site": "default"})
    answer = _ask(town, number)
    found = answer.json()
    assert _counts(found) == (1, 3, 0)
    assert "Preference-Applied" not in answer.headers
    shown = [(node["name"], node["has"], node["revision"], node["since"]) for node in found["items"]]
    assert shown == [
        ("office-1", True, number, "2026-09-21T14:13:25Z"),
        ("office-2", False, number - 1, "2026-09-21T14:13:20Z"),
        ("office-3", False, number - 1, "2026-09-21T14:13:20Z"),
        ("office-4", False, None, None),
    ]
    assert all(node["site"] == "default" for node in found["items"])


def test_a_later_revision_counts_and_one_of_another_history_does_not(town: Plane, machines: list[Machine]) -> None:
    number = _toggle(town)
    machines[0].report(revision=_toggle(town))
    machines[1].report(revision=number + 100)
    found = _ask(town, number).json()
    assert [(node["name"], node["has"]) for node in found["items"]] == list(
        zip(NAMES, (True, False, False), strict=True)
    )


def test_pages_and_the_filter_keep_the_counts(town: Plane, machines: list[Machine]) -> None:
    number = _toggle(town)
    machines[1].report(revision=number)
    first = _ask(town, number, "?lacking=true&limit=1").json()
    second = _ask(town, number, f"?lacking=true&limit=1&cursor={first['next']}").json()
    assert [node["name"] for part in (first, second) for node in part["items"]] == ["office-1", "office-3"]
    assert (second["next"], _counts(first), _counts(second)) == (None, (1, 2, 0), (1, 2, 0))


def test_the_slowest_node_ends_the_wait(town: Plane, machines: list[Machine]) -> None:
    number, order = _toggle(town), list[str]()

    def wait() -> httpx.Response:
        answer = _ask(town, number, wait="30")
        order.append("answered")
        return answer

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        for machine in machines:
            order.append(machine.name)
            machine.report(revision=number)
        # It ends long before its time is over.
        answer = waiting.result(20)
    assert order == [*NAMES, "answered"]
    assert (answer.headers["Preference-Applied"], _counts(answer.json())) == ("wait=30", (3, 0, 0))


def test_the_time_ends_the_wait(town: Plane, machines: list[Machine]) -> None:
    number = _toggle(town)
    machines[0].report(revision=number)
    answer = _ask(town, number, wait="1")
    assert (answer.headers["Preference-Applied"], _counts(answer.json())) == ("wait=1", (1, 2, 0))


def test_a_silent_node_is_named_and_not_waited_for(town: Plane, machines: list[Machine]) -> None:
    number = _toggle(town)
    town.clock.now = START + 61
    for machine in machines[:2]:
        machine.report(revision=number)
    found = _ask(town, number, wait="30").json()
    assert _counts(found) == (2, 1, 1)
    assert [node["state"] for node in found["items"] if not node["has"]] == ["silent"]


def test_a_stop_ends_the_wait(town: Plane, machines: list[Machine]) -> None:
    assert len(machines) == 3
    number = _toggle(town)
    town.publisher.announcements.close()
    assert _counts(_ask(town, number, wait="30").json()) == (0, 3, 0)


def test_an_account_has_few_waits_at_once(town: Plane, machines: list[Machine]) -> None:
    assert len(machines) == 3
    number, waits = _toggle(town), town.app.state.runtime.waits
    held = [waits.held(1) for _ in range(MAX_WAITS_EACH)]
    for one in held:
        one.__enter__()
    assert _ask(town, number, wait="5").status_code == 429
    # An answer at once needs no slot.
    assert _ask(town, number).status_code == 200
    for one in held:
        one.__exit__(None, None, None)
    assert town.app.state.fleet.reports.arrivals.waiting == 0


def test_a_role_in_any_authority_suffices_and_none_does_not(town: Plane, machines: list[Machine]) -> None:
    where = f"/v1/revisions/{town.revision()}/nodes"
    _, operator = town.account("operator", ("operator", "zone"))
    _, nobody = town.account("nobody")
    statuses = [town.call("GET", where, token=token).status_code for token in (operator, nobody, machines[0].token)]
    assert statuses == [200, 403, 401]
    assert town.call("GET", where, headers={}).status_code == 401


def test_an_unknown_revision_is_not_waited_for(town: Plane) -> None:
    answer = _ask(town, town.revision() + 1, wait="30")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
