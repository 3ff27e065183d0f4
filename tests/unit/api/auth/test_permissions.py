"""Every route has a permission, and keeps it."""

import pytest
from fastapi.routing import APIRoute

from api.application import ROUTERS
from api.auth.permissions import OF_OPERATION, Permission
from tests.unit.api.conftest import Plane

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
GUARDED = [
    (method, route.path)
    for route in ROUTES
    for method in sorted(route.methods or ())
    if OF_OPERATION.get(route.operation_id or "") is not Permission.OPEN
]
OPEN = ["/healthz", "/readyz", "/version", "/openapi.json", "/docs", "/docs/page.js", "/docs/page.css"]
VALUES = {"{slug}": "town", "{service}": "alpha", "{site}": "default", "{address}": "192.0.2.0", "{length}": "24"}


def _filled(path: str) -> str:
    for name, value in {**VALUES, "{number}": "1"}.items():
        path = path.replace(name, value)
    return path


def test_the_table_names_every_operation_and_no_other() -> None:
    assert {route.operation_id for route in ROUTES} == set(OF_OPERATION)


def test_the_open_routes_are_those_that_are_meant_to_be() -> None:
    assert sorted(
        route.path for route in ROUTES if OF_OPERATION[route.operation_id or ""] is Permission.OPEN
    ) == sorted(OPEN)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer dnsf_wrong"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer dnsf_" + "a" * 5000},
    ],
    ids=["none", "empty", "wrong", "foreign", "basic", "long"],
)
def test_every_guarded_route_refuses_a_caller_without_a_known_token(town: Plane, headers: dict[str, str]) -> None:
    revision = town.revision()
    for method, path in GUARDED:
        response = town.call(method, _filled(path), headers=headers)
        assert response.status_code == 401, (method, path, response.text)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "/problems/not-authenticated"
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert town.revision() == revision


@pytest.mark.parametrize("path", OPEN)
def test_an_open_route_answers_anybody(plane: Plane, path: str) -> None:
    assert plane.call("GET", path, headers={}).status_code == 200
