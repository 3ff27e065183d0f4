"""A route is found before it is built, and built once, when something needs the rest of it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Match

from api.http.routes import LazyRoute


def answer(number: int) -> dict[str, int]:
    """Return the number."""
    return {"number": number}


def made() -> LazyRoute:
    router = APIRouter(route_class=LazyRoute, prefix="/numbers")
    router.get("/{number}", operation_id="get_number")(answer)
    (route,) = router.routes
    assert isinstance(route, LazyRoute)
    return route


def is_built(route: LazyRoute) -> bool:
    return "dependant" in vars(route)


def test_finding_a_route_does_not_build_it() -> None:
    route = made()
    scope = {"type": "http", "method": "GET", "path": "/numbers/3"}
    assert route.matches(scope)[0] is Match.FULL
    assert route.matches({**scope, "method": "PUT"})[0] is Match.PARTIAL
    assert route.matches({**scope, "path": "/names/3"})[0] is Match.NONE
    assert str(route.url_path_for("answer", number="3")) == "/numbers/3"
    assert (route.path, route.methods, route.operation_id) == ("/numbers/{number}", {"GET"}, "get_number")
    assert not is_built(route)


def test_the_first_request_builds_a_route() -> None:
    route, app = made(), FastAPI()
    app.router.routes.append(route)
    with TestClient(app) as client:
        assert not is_built(route)
        assert client.get("/numbers/3").json() == {"number": 3}
        assert is_built(route)
        assert client.get("/numbers/many").status_code == 422
    assert route.description == "Return the number."


def test_threads_that_use_a_route_at_once_find_one_and_the_same() -> None:
    for _ in range(20):
        route, start = made(), Barrier(4)

        def used(route: LazyRoute = route, start: Barrier = start) -> object:
            start.wait()
            return route.dependant

        with ThreadPoolExecutor(4) as pool:
            found = [each.result() for each in [pool.submit(used) for _ in range(4)]]
        assert all(each is found[0] for each in found)


def test_a_route_has_no_attribute_that_routes_lack() -> None:
    route = made()
    with pytest.raises(AttributeError, match="colour"):
        _ = route.colour
    assert is_built(route)


@pytest.mark.heavy
def test_no_route_is_built_by_the_start() -> None:
    code = (
        "from api.application import make_description\n"
        "routes = [route for route in make_description([]).routes if hasattr(route, 'handle')]\n"
        "print(len(routes), *(route.path for route in routes if 'dependant' in vars(route)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, *built = done.stdout.split()
    assert int(count) > 200
    assert built == []
