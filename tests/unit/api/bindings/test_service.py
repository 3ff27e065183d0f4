"""Bindings: laws, agreements, withdrawals."""

from typing import Any

import pytest

from tests.unit.api.conftest import Plane, on_both_databases

QUESTION = "/v1/decision?client=198.51.100.10&name=www.alpha1.example.org"
BODY = {"ban": "town/alpha", "authority": "zone", "ground": "agreement", "instrument": "letter 1"}


def _verdict(plane: Plane) -> tuple[str, int | None]:
    told = plane.done("GET", QUESTION)
    return told["verdict"], told["ede"]


@on_both_databases
def test_an_agreement_has_effect_once_accepted_until_withdrawn(town: Plane) -> None:
    made = town.done("POST", "/v1/bindings", BODY)
    assert (made["state"], _verdict(town)) == ("proposed", ("pass", None))
    assert town.done("POST", f"/v1/bindings/{made['number']}/accept")["state"] == "in_force"
    assert _verdict(town) == ("refuse", 16)
    revision = town.revision()
    town.done("POST", f"/v1/bindings/{made['number']}/accept")
    assert town.revision() == revision
    town.clock.now += 60
    ended = town.done("POST", f"/v1/bindings/{made['number']}/withdraw", {"reason": "council vote"})
    assert (ended["state"], ended["ended_by"], _verdict(town)) == ("ended", "withdrawal", ("pass", None))
    assert town.call("POST", f"/v1/bindings/{made['number']}/accept").status_code == 409


def test_a_law_binds_at_once_and_nobody_withdraws_from_it(town: Plane) -> None:
    made = town.done("POST", "/v1/bindings", {**BODY, "ground": "law"})
    assert _verdict(town) == ("refuse", 16)
    path = f"/v1/bindings/{made['number']}"
    assert town.call("POST", f"{path}/withdraw", {"reason": "council vote"}).status_code == 409
    assert town.call("POST", f"{path}/accept").status_code == 409
    town.clock.now += 60
    assert town.done("POST", f"{path}/end", {"reason": "repealed"})["ended_by"] == "end"
    assert _verdict(town) == ("pass", None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ban": "town/beta"}, 422),
        ({"ban": "tiktok"}, 422),
        ({"authority": "town"}, 422),
        ({"authority": "nobody"}, 422),
        ({"instrument": ""}, 422),
        ({"ground": "habit"}, 422),
        ({"until": "2020-01-01"}, 422),
        ({"number": 7}, 422),
        ({"start": "2027-01-01", "for": "1 month"}, 201),
    ],
)
def test_what_a_binding_needs(town: Plane, changes: dict[str, Any], status: int) -> None:
    assert town.call("POST", "/v1/bindings", {**BODY, **changes}).status_code == status


def test_two_bindings_of_one_ground_do_not_overlap(town: Plane) -> None:
    town.done("POST", "/v1/bindings", {**BODY, "until": "2026-12-31"})
    assert town.call("POST", "/v1/bindings", BODY).status_code == 409
    assert town.call("POST", "/v1/bindings", {**BODY, "start": "2027-01-01"}).status_code == 201
    assert len(town.done("GET", "/v1/bindings?authority=zone&ban=town/alpha")["items"]) == 2
    assert town.done("GET", "/v1/bindings?ban=zone/alpha")["items"] == []
