"""Entity tags, conditional requests, and the class of every route."""

import re
from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction, isfunction
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.models import Dependant

from api.application import ROUTERS
from api.http.entity_tags import MAX_TAGS, answer_tag, revision_tag
from api.http.permits import Administrator, AnyAccount, Anybody, OperatorOfPath, SelfOrAuditor
from api.http.problems import KINDS
from api.http.routes import Route
from tests.support.direct_requests import answered
from tests.unit.api.conftest import Plane, authority

DAY_S = 86_400


def _without() -> None: ...


def _with_two(_permit: AnyAccount, _other: Administrator) -> None: ...


def _of_path(_permit: OperatorOfPath) -> None: ...


def _of_account(_permit: SelfOrAuditor) -> None: ...


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        (_without, "has 0 permits in its signature"),
        (_with_two, "has 2 permits in its signature"),
        (_of_path, "has no {slug}"),
        (_of_account, "has no {account}"),
    ],
)
def test_a_route_needs_a_permit_in_its_signature(endpoint: Callable[..., None], fault: str) -> None:
    router = APIRouter(route_class=Route)
    with pytest.raises(TypeError, match=re.escape(fault)):
        router.add_api_route("/v1/things/{number}", endpoint)
    assert router.routes == []


def test_every_route_has_the_route_class() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    assert [route for route in routes if not isinstance(route, Route)] == []


def _needed(dependant: Dependant) -> Iterator[Dependant]:
    for needed in dependant.dependencies:
        yield needed
        yield from _needed(needed)


def test_dependencies_that_wait_for_nothing_take_no_thread() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, Route)]
    found = [each for route in routes for each in _needed(route.dependant)]
    waiting = {each.call for each in found if each.dependencies}
    alone = {each.call for each in found if isfunction(each.call)} - waiting
    assert alone
    assert [call for call in alone if not iscoroutinefunction(call)] == []


async def _root() -> str:
    return "root"


async def _number(number: int, root: Annotated[str, Depends(_root)]) -> str:
    return f"{root} {number}"


async def _stem(root: Annotated[str, Depends(_root)]) -> str:
    return f"{root} stem"


async def _branch(stem: Annotated[str, Depends(_stem)], number: Annotated[str, Depends(_number)]) -> str:
    return f"{stem} branch, {number}"


def _leaf(
    _permit: Anybody,
    stem: Annotated[str, Depends(_stem)],
    branch: Annotated[str, Depends(_branch)],
    number: Annotated[str, Depends(_number)],
) -> str:
    return f"{stem}; {branch}; {number}"


@pytest.fixture(scope="module")
def tree() -> Any:
    """Return an application with a route that needs the same dependencies by several ways."""
    router = APIRouter(route_class=Route)
    router.add_api_route("/{number}", _leaf)
    app = FastAPI()
    app.router.routes.extend(router.routes)
    return app


def test_what_a_dependency_needs_is_resolved_once(tree: Any) -> None:
    calls = [each.call for each in _needed(tree.routes[-1].dependant)]
    assert (calls.count(_stem), calls.count(_number), calls.count(_root)) == (2, 2, 3)
    found = answered(tree, httpx.Request("GET", "http://testserver/7"), "127.0.0.1")
    assert found.json() == "root stem; root stem branch, root 7; root 7"


def test_a_wrong_parameter_of_a_repeated_dependency_is_invalid(tree: Any) -> None:
    found = answered(tree, httpx.Request("GET", "http://testserver/x"), "127.0.0.1")
    assert (found.status_code, found.json()["detail"][0]["loc"]) == (422, ["path", "number"])


@pytest.mark.parametrize(
    ("sent", "compared"),
    [('"r5"', '"r5"'), (' "r5.0123abcd" ', '"r5"'), ('W/"r5.0123abcd"', '"r5"'), ("*", "*"), ("r5.x", 'r5"')],
)
def test_an_act_compares_the_revision_of_a_tag(sent: str, compared: str) -> None:
    assert revision_tag(sent) == compared


def test_a_tag_covers_the_revision_and_the_body() -> None:
    tags = {answer_tag(f'"r{revision}"', body) for revision in (5, 6) for body in (b"a", b"b")}
    assert len(tags) == 4
    assert {revision_tag(tag) for tag in tags} == {'"r5"', '"r6"'}


def test_a_get_with_a_known_tag_is_answered_without_a_body(town: Plane) -> None:
    first = town.call("GET", "/v1/authorities/town")
    tag = first.headers["etag"]
    for header in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = _get(town, "/v1/authorities/town", header)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    town.done("PATCH", "/v1/authorities/town", {"contact": "help@example.org"})
    assert _get(town, "/v1/authorities/town", tag).status_code == 200


def test_a_state_that_changes_with_the_clock_changes_the_tag(town: Plane) -> None:
    path = "/v1/authorities/town/bans/alpha"
    before = town.call("GET", path)
    town.clock.now += 200 * DAY_S
    fresh = town.account("reader")[1]
    after = _get(town, path, before.headers["etag"], fresh)
    assert (before.json()["state"], after.status_code, after.json()["state"]) == ("in_force", 200, "lapsed")


def test_an_act_is_not_stale_if_only_the_clock_has_moved(town: Plane) -> None:
    path = "/v1/authorities/town/bans/alpha"
    tag = town.call("GET", path).headers["etag"]
    town.clock.now += 160 * DAY_S
    headers = {"Authorization": f"Bearer {town.other()}", "If-Match": tag}
    assert town.call("PATCH", path, {"mode": "monitor"}, headers=headers).status_code == 200
    assert town.call("PATCH", path, {"mode": "off"}, headers=headers).status_code == 412


def test_every_act_on_an_existing_object_accepts_a_precondition(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/far", authority())
    binding = _made(town, "/v1/bindings", {"ban": "town/alpha", "authority": "zone", "ground": "agreement",
                                            "instrument": "agreement 1", "date": "2026-09-21"})  # fmt: skip
    exemption = _made(town, "/v1/exemptions", {"ban": "town/alpha", "site": "default", "ranges": ["192.0.2.0/24"],
                                                "for": "1 month", "reason": "a dedicated network"})  # fmt: skip
    account, _ = town.account("someone")
    grant = _made(town, "/v1/grants", {"account": account, "role": "reader", "authority": "town", "for": "1 month",
                                        "reason": "for a test"})  # fmt: skip
    end = {"reason": "it is over"}
    acts: list[tuple[str, str, Any]] = [
        (f"/v1/bindings/{binding}", "accept", None),
        (f"/v1/bindings/{binding}", "withdraw", end),
        (f"/v1/bindings/{binding}", "end", end),
        (f"/v1/exemptions/{exemption}", "approve", None),
        (f"/v1/exemptions/{exemption}", "reject", end),
        (f"/v1/exemptions/{exemption}", "revoke", end),
        (f"/v1/accounts/{account}", "disable", None),
        (f"/v1/accounts/{account}", "enable", None),
        (f"/v1/grants/{grant}", "end", end),
    ]
    for path, act, body in acts:
        stale = town.call("POST", f"{path}/{act}", body, headers=_match(town, '"r999"'))
        assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale"), path
    assert town.call("DELETE", f"/v1/accounts/{account}/name", headers=_match(town, '"r999"')).status_code == 412
    for path, act, body in acts[0], acts[3], acts[6], acts[7], acts[8]:
        tag = town.call("GET", path).headers["etag"]
        done = town.call("POST", f"{path}/{act}", body, headers=_match(town, tag, town.other()))
        assert done.status_code == 200, done.text
        assert done.headers["etag"] != tag
        assert town.call("POST", f"{path}/{act}", body, headers=_match(town, tag, town.other())).status_code == 412


def _made(plane: Plane, path: str, body: Any) -> int:
    return int(plane.done("POST", path, body)["number"])


def _match(plane: Plane, tag: str, token: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token or plane.token}", "If-Match": tag}


def _get(plane: Plane, path: str, tag: str, token: str | None = None) -> Any:
    return plane.call("GET", path, headers={"Authorization": f"Bearer {token or plane.token}", "If-None-Match": tag})


@pytest.mark.parametrize(
    "path", ["/healthz", "/docs", "/v1/authorities", "/v1/authorities/town", "/v1/authorities/gone"]
)
def test_head_is_answered_as_get_without_the_body(untouched: Plane, path: str) -> None:
    full, alone = untouched.call("GET", path), untouched.call("HEAD", path)
    own = {"x-request-id", "date"}
    assert (alone.status_code, alone.content) == (full.status_code, b"")
    assert {name: text for name, text in alone.headers.items() if name not in own} | {"content-length": ""} == {
        name: text for name, text in full.headers.items() if name not in own
    } | {"content-length": ""}


def test_a_stale_act_gets_the_tag_of_the_object(town: Plane) -> None:
    path = "/v1/authorities/town"
    town.done("PATCH", path, {"contact": "help@example.org"})
    stale = town.call("PATCH", path, {"contact": "it@example.org"}, headers=_match(town, '"r1"'))
    assert (stale.status_code, stale.headers["etag"]) == (412, revision_tag(town.call("GET", path).headers["etag"]))
    headers = _match(town, stale.headers["etag"])
    assert town.call("PATCH", path, {"contact": "it@example.org"}, headers=headers).status_code == 200
    absent = town.call("PUT", "/v1/authorities/absent", authority(), headers=_match(town, '"r1"'))
    assert (absent.status_code, "etag" in absent.headers) == (412, False)


@pytest.mark.parametrize(
    ("method", "header"),
    [("GET", "If-None-Match"), ("GET", "If-Match"), ("PATCH", "If-Match"), ("PATCH", "If-None-Match")],
)
def test_a_tag_that_is_too_long_is_invalid(untouched: Plane, method: str, header: str) -> None:
    headers = {"Authorization": f"Bearer {untouched.token}", header: f'"{"x" * MAX_TAGS}"'}
    body = {"contact": "it@example.org"} if method == "PATCH" else None
    found = untouched.call(method, "/v1/authorities/town", body, headers=headers)
    assert (found.status_code, found.json()["type"]) == (422, "/problems/invalid")
    assert found.json()["faults"] == [
        {"location": f"header.{header.lower()}", "message": f"give at most {MAX_TAGS} characters"}
    ]


def test_the_type_of_every_problem_is_an_address_that_explains_it(plane: Plane) -> None:
    assert len(KINDS) > 10
    for kind in KINDS.values():
        found = plane.call("GET", f"/problems/{kind.slug}", headers={})
        assert found.json() == {
            "type": f"/problems/{kind.slug}",
            "title": kind.title,
            "status": kind.status,
            "meaning": kind.meaning,
        }
    near = plane.call("GET", "/problems/stal", headers={})
    assert (near.status_code, near.json()["detail"]) == (404, 'no type of problem "stal". Did you mean "stale"?')
