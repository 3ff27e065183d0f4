"""Entity tags, conditional requests, and the class of every route."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter

from api.application import ROUTERS
from api.http.permits import Administrator, AnyAccount, OperatorOfPath, SelfOrAuditor
from api.http.routes import Route, answer_tag, revision_tag
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
