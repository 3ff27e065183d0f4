"""Registering and enrolling nodes. Tokens of nodes are valid only on routes for nodes."""

from collections.abc import Iterator

import pytest

from api.application import routes
from api.auth.roles import RoleScope
from api.db.models import NodeRow
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine, report

DAY_S = 86_400


def _acts(plane: Plane) -> list[tuple[str, str]]:
    items = plane.done("GET", "/v1/audit?object=node/office-1&sort=seq")["items"]
    return [(item["act"], item["access"]) for item in items]


def _register(plane: Plane, name: str = "office-1") -> str:
    return str(plane.done("POST", "/v1/nodes", {"name": name})["enrolment_token"])


def _enrol(plane: Plane, token: str) -> int:
    return plane.call("POST", "/v1/nodes/enrol", {"version": "1"}, token=token).status_code


@on_both_databases
def test_node_enrols_once_with_the_token_from_its_registration(plane: Plane) -> None:
    revision = plane.revision()
    invited = _register(plane)
    assert plane.done("GET", "/v1/nodes/office-1")["state"] == "waiting"
    machine = Machine.of(plane, invited)
    assert _enrol(plane, invited) == 401
    shown = machine.stands()
    assert (shown["enrolled"], shown["enrolment_until"]) == ("2026-09-21T14:13:20Z", None)
    assert _acts(plane) == [("node.register", "token"), ("node.enrol", "node")]
    assert plane.revision() == revision
    shown = plane.done("GET", "/v1/snapshot-key")
    assert shown["key"] == machine.key


def test_tokens_are_not_stored(plane: Plane, machine: Machine) -> None:
    invited = plane.done("POST", "/v1/nodes/office-1/enrolment")["enrolment_token"]
    with plane.database.reading() as session:
        row = session.get_one(NodeRow, 1)
        stored = f"{row.enrolment_public} {row.enrolment_digest} {row.public} {row.digest} {row.report}"
    for token in (machine.token, invited):
        public, secret = token.removeprefix("dnsf_").split("_", 1)
        assert (public in stored, secret in stored) == (True, False)
    assert "dnsf_" not in plane.call("GET", "/v1/audit").text


def test_enrolment_token_is_valid_for_a_day(plane: Plane) -> None:
    invited = _register(plane)
    plane.clock.now += DAY_S
    assert _enrol(plane, invited) == 401
    assert plane.done("GET", "/v1/nodes/office-1")["enrolment_until"] is None
    plane.clock.now -= 1
    assert _enrol(plane, invited) == 201


def test_new_enrolment_token_replaces_the_previous_one_and_once_used_the_nodes_token(machine: Machine) -> None:
    plane = machine.plane
    first, second = (plane.done("POST", "/v1/nodes/office-1/enrolment")["enrolment_token"] for _ in range(2))
    assert _enrol(plane, first) == 401
    assert machine.call("GET", "snapshot").status_code == 200
    replaced = Machine.of(plane, second)
    assert (machine.call("GET", "snapshot").status_code, replaced.call("GET", "snapshot").status_code) == (401, 200)


@on_both_databases
def test_removed_node_is_refused_and_its_name_can_be_registered_again(plane: Plane) -> None:
    machine = Machine.enrolled(plane, "office-1")
    invited = plane.done("POST", "/v1/nodes/office-1/enrolment")["enrolment_token"]
    assert machine.report() == 0
    plane.done("DELETE", "/v1/nodes/office-1")
    asked = [machine.call("GET", "snapshot"), machine.call("POST", "report", report()), machine.call("GET", _file())]
    assert [answer.status_code for answer in asked] == [401, 401, 401]
    assert _enrol(plane, invited) == 401
    assert (machine.stands()["state"], machine.stands()["version"]) == ("removed", None)
    assert plane.call("POST", "/v1/nodes/office-1/enrolment").status_code == 409
    assert plane.call("DELETE", "/v1/nodes/office-1").status_code == 409
    again = Machine.enrolled(plane, "office-1")
    assert (again.call("GET", "snapshot").status_code, machine.call("GET", "snapshot").status_code) == (200, 401)
    assert [act for act, _ in _acts(plane)][-3:] == ["node.remove", "node.register", "node.enrol"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "office-1"}, 409),
        ({"name": "self"}, 422),
        ({"name": "enrol"}, 422),
        ({"name": "Office"}, 422),
        ({"name": "office-2", "site": "nowhere"}, 422),
        ({"name": "office-2", "key": "x"}, 422),
        ({}, 422),
    ],
)
def test_invalid_node_is_not_registered(machine: Machine, body: dict[str, str], status: int) -> None:
    assert machine.plane.call("POST", "/v1/nodes", body).status_code == status
    assert len(machine.plane.done("GET", "/v1/nodes")["items"]) == 1


def test_site_with_a_node_is_not_removed(plane: Plane) -> None:
    plane.done("PUT", "/v1/sites/depot", {"name": "depot"})
    plane.done("POST", "/v1/nodes", {"name": "depot-1", "site": "depot"})
    assert plane.call("DELETE", "/v1/sites/depot").status_code == 409


def test_removing_a_changed_node_with_an_old_tag_is_rejected(machine: Machine) -> None:
    plane = machine.plane
    tag = plane.call("GET", "/v1/nodes/office-1").headers["etag"]
    plane.done("POST", "/v1/nodes/office-1/enrolment")
    headers = {"Authorization": f"Bearer {plane.token}", "If-Match": tag}
    assert plane.call("DELETE", "/v1/nodes/office-1", headers=headers).status_code == 412


def test_enrolment_token_is_not_repeated_for_the_same_idempotency_key(plane: Plane) -> None:
    headers = {"Authorization": f"Bearer {plane.token}", "Idempotency-Key": "monday"}
    assert plane.call("POST", "/v1/nodes", {"name": "office-1"}, headers=headers).status_code == 201
    again = plane.call("POST", "/v1/nodes", {"name": "office-1"}, headers=headers)
    assert (again.status_code, "enrolment_token" in again.text) == (409, False)


def _requests() -> Iterator[tuple[str, str, RoleScope]]:
    """Yield every request that needs a token, with invented names in its path."""
    for route in routes():
        where = route.rule.where
        if where is not RoleScope.OPEN:
            path = route.path.replace("{length}", "24").replace("{address}", "192.0.2.0").replace("{sha256}", "0" * 64)
            yield min(route.methods or ()), path.replace("{number}", "1").replace("{account}", "1"), where


@pytest.mark.heavy
def test_tokens_of_nodes_are_refused_on_all_other_routes(machine: Machine) -> None:
    plane = machine.plane
    invited = _register(plane, "office-2")
    asked = list(_requests())
    assert len(asked) > 60
    for method, path, where in asked:
        for token, own in ((machine.token, RoleScope.NODE), (invited, RoleScope.ENROLMENT)):
            plane.clock.now += 60  # Avoid the limit on authentication failures.
            status = plane.call(method, path, token=token).status_code
            expected = (401, 403) if where is not own else (200, 304, 404, 422)
            assert status in expected, f"{method} {path} with the token of a node for {own}: {status}"


def test_tokens_of_accounts_are_refused_on_routes_for_nodes(machine: Machine) -> None:
    plane = machine.plane
    for method, path in (("POST", "/v1/nodes/enrol"), ("GET", "/v1/nodes/self/snapshot")):
        answer = plane.call(method, path, {"version": "1"} if method == "POST" else None)
        assert (answer.status_code, answer.json()["detail"]) == (
            403,
            "this route is for nodes, which have their own tokens",
        )
    assert plane.done("GET", "/v1/authentication-failures")["items"] == []


def test_authentication_failures_of_nodes_are_recorded_and_limited(machine: Machine) -> None:
    plane = machine.plane
    plane.done("DELETE", "/v1/nodes/office-1")
    wrong = f"{machine.token[:-1]}{'a' if machine.token[-1] != 'a' else 'b'}"
    for token, path in ((machine.token, "snapshot"), (wrong, "snapshot"), ("nonsense", "snapshot")):
        headers = {"Authorization": f"Bearer {token}"}
        assert plane.call("GET", f"/v1/nodes/self/{path}", headers=headers).status_code == 401
    kept = plane.done("GET", "/v1/authentication-failures")["items"]
    assert [item["reason"] for item in kept] == ["unknown", "unknown", "revoked"]
    others = [f"{wrong[:-3]}{number}{wrong[-1]}" for number in range(10, 22)]
    statuses = [plane.call("GET", "/v1/nodes/self/snapshot", token=other).status_code for other in others]
    assert statuses[-1] == 429
    assert plane.call("GET", "/v1/nodes/self/snapshot", headers={}).status_code == 401


def _file() -> str:
    return f"files/{'0' * 64}"
