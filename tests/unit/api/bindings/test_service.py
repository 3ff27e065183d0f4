"""Bindings: laws, agreements, withdrawals."""

from typing import Any

import pytest

from api.updates.schemas import UpdateState
from tests.unit.api.conftest import Plane, ban, on_both_databases
from tests.unit.api.updates.proposals import GAMES, own_service, update_of

QUESTION = "/v1/decision?client=198.51.100.10&name=www.alpha1.example.org"
BODY = {"ban": "town/alpha", "authority": "zone", "ground": "agreement", "instrument": "letter 1", "date": "2026-09-01"}


def _verdict(plane: Plane) -> tuple[str, int | None]:
    decision = plane.done("GET", QUESTION)
    return decision["verdict"], decision["ede"]


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


def test_a_binding_says_who_proposed_and_who_accepted_it(town: Plane) -> None:
    proposer, desk = town.account("desk", ("operator", "town"))
    acceptor, other = town.account("other-desk", ("operator", "zone"))
    made = town.done("POST", "/v1/bindings", BODY, token=desk)
    assert (made["recorded_by"], made["accepted_by"]) == (proposer, None)
    path = f"/v1/bindings/{made['number']}"
    town.done("POST", f"{path}/accept", token=other)
    for found in (town.done("GET", path), town.done("GET", "/v1/bindings")["items"][0]):
        assert (found["recorded_by"], found["accepted_by"]) == (proposer, acceptor)
    after = town.done("GET", "/v1/audit?limit=1")["items"][0]["after"]
    assert not after.keys() & {"recorded_by", "accepted_by", "notes"}


@pytest.mark.parametrize("ground", ["law", "agreement"])
def test_an_instrument_dated_in_the_future_is_noted(town: Plane, ground: str) -> None:
    made = town.done("POST", "/v1/bindings", {**BODY, "ground": ground, "date": "2027-09-01"})
    assert made["notes"] == [f"the {ground} letter 1 is dated 2027-09-01, in the future: check the date."]


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


@pytest.mark.parametrize("ground", ["law", "agreement"])
@pytest.mark.parametrize("date", [None, "", "1 September 2026", "2026-02-30"])
def test_a_binding_has_the_date_of_its_instrument(town: Plane, ground: str, date: str | None) -> None:
    body = {key: value for key, value in {**BODY, "ground": ground, "date": date}.items() if value is not None}
    refused = town.call("POST", "/v1/bindings", body)
    assert (refused.status_code, [fault["location"] for fault in refused.json()["faults"]]) == (422, ["body.date"])
    assert town.done("GET", "/v1/bindings")["items"] == []


def test_two_bindings_of_one_ground_do_not_overlap(town: Plane) -> None:
    town.done("POST", "/v1/bindings", {**BODY, "until": "2026-12-31"})
    assert town.call("POST", "/v1/bindings", BODY).status_code == 409
    assert town.call("POST", "/v1/bindings", {**BODY, "start": "2027-01-01"}).status_code == 201
    assert len(town.done("GET", "/v1/bindings?authority=zone&ban=town/alpha")["items"]) == 2


def test_agreement_has_no_effect_before_acceptance(town: Plane) -> None:
    made = town.done("POST", "/v1/bindings", {**BODY, "start": "2026-09-01", "date": "2026-08-28"})
    assert (made["start"], made["date"], made["state"]) == ("2026-08-31T22:00:00Z", "2026-08-28", "proposed")
    town.clock.now += 3600
    accepted = town.done("POST", f"/v1/bindings/{made['number']}/accept")
    assert (accepted["start"], accepted["accepted"]) == (made["start"], "2026-09-21T15:13:20Z")
    verdicts = [town.done("GET", f"{QUESTION}&at=2026-09-21T15:13:{second}Z")["verdict"] for second in (19, 20)]
    assert verdicts == ["pass", "refuse"]


def test_withdrawal_has_a_reference_and_can_only_be_brought_forward(town: Plane) -> None:
    path = f"/v1/bindings/{town.done('POST', '/v1/bindings', BODY)['number']}"
    town.done("POST", f"{path}/accept")
    body = {"reason": "council vote", "reference": "C-7", "at": "2026-12-01"}
    left = town.done("POST", f"{path}/withdraw", body)
    assert (left["ended"], left["ended_reference"], left["state"]) == ("2026-11-30T23:00:00Z", "C-7", "in_force")
    assert town.done("GET", "/v1/audit?limit=1")["items"][0]["after"]["ended_reference"] == "C-7"
    assert town.call("POST", f"{path}/withdraw", {**body, "at": "2027-01-01"}).status_code == 409
    sooner = town.done("POST", f"{path}/withdraw", {**body, "at": "2026-10-01", "reference": ""})
    assert (sooner["ended"], sooner["ended_reference"]) == ("2026-09-30T22:00:00Z", "")


def test_a_binding_is_never_removed_nor_the_ban_behind_it(town: Plane) -> None:
    term = {"start": "2026-12-01", "for": "6 months"}
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[term]))
    number = town.done("POST", "/v1/bindings", {**BODY, "ban": "town/beta"})["number"]
    assert town.call("DELETE", f"/v1/bindings/{number}").status_code == 405
    town.done("POST", f"/v1/bindings/{number}/withdraw", {"reason": "not with us"})
    assert town.call("DELETE", "/v1/authorities/town/bans/beta").status_code == 409
    assert town.done("GET", f"/v1/bindings/{number}")["state"] == "ended"


@on_both_databases
def test_void_binding_does_not_conflict_with_another(town: Plane) -> None:
    path = "/v1/bindings"
    planned = town.done("POST", path, {**BODY, "ground": "law", "start": "2026-11-01"})["number"]
    called_off = town.done("POST", f"{path}/{planned}/end", {"at": "2026-10-01", "reason": "not yet in force"})
    assert called_off["state"] == "ended"
    assert town.done("POST", path, {**BODY, "ground": "law", "start": "2026-10-15"})["state"] == "planned"
    proposed = town.done("POST", path, {**BODY, "start": "2026-09-01"})["number"]
    assert town.call("POST", path, {**BODY, "start": "2026-09-01"}).status_code == 409
    town.clock.now += 60
    town.done("POST", f"{path}/{proposed}/withdraw", {"reason": "the wrong letter"})
    again = town.done("POST", path, {**BODY, "instrument": "letter 2", "start": "2026-09-01"})["number"]
    assert town.done("POST", f"{path}/{again}/accept")["state"] == "in_force"
    assert _verdict(town) == ("refuse", 16)


def _asked(plane: Plane, client: str, name: str) -> tuple[str, str]:
    found = plane.done("GET", f"/v1/decision?client={client}&name={name}")
    return found["verdict"], found["reason"]


@on_both_databases
def test_a_law_that_asks_for_new_names_at_once_gets_them_before_the_banning_authority(town: Plane) -> None:
    own_service(town, "games.example.org")
    town.done("PUT", f"/v1/authorities/town/bans/{GAMES}", ban())
    law = {**BODY, "ban": f"town/{GAMES}", "ground": "law", "new_names_at_once": True}
    made = town.done("POST", "/v1/bindings", law)
    update_of(town, "games.example.org", "new.example.org")
    found = {client: _asked(town, client, "new.example.org") for client in ("192.0.2.10", "198.51.100.10")}
    assert [verdict for verdict, _ in found.values()] == ["monitor", "refuse"]
    assert found["198.51.100.10"][1].endswith("new.example.org is pending elsewhere, and binding 1 refuses it at once")
    path = f"/v1/bindings/{made['number']}"
    for wanted, verdict in ((False, "monitor"), (True, "refuse")):
        town.clock.now += 60
        changed = town.done("PATCH", path, {"new_names_at_once": wanted})
        assert (changed["new_names_at_once"], town.done("GET", path)["new_names_at_once"]) == (wanted, wanted)
        assert _asked(town, "198.51.100.10", "new.example.org")[0] == verdict
    revision = town.revision()
    town.done("PATCH", path, {"new_names_at_once": True})
    assert town.revision() == revision
    act = town.done("GET", "/v1/audit?act=binding.set_new_names&limit=1")["items"][0]
    assert (act["object"], act["after"]["new_names_at_once"]) == ("binding/1", True)


def test_the_guard_holds_back_also_what_a_law_asks_for_at_once(town: Plane) -> None:
    own_service(town, "games.example.org")
    town.done("PUT", f"/v1/authorities/town/bans/{GAMES}", ban())
    law = {**BODY, "ban": f"town/{GAMES}", "ground": "law", "new_names_at_once": True}
    town.done("POST", "/v1/bindings", law)
    held = update_of(town, "games.example.org", "akamaiedge.net")
    assert held.state is UpdateState.HELD_BACK
    assert _asked(town, "198.51.100.10", "a.akamaiedge.net")[0] == "pass"


def test_only_a_law_that_has_not_ended_asks_for_new_names_at_once(town: Plane) -> None:
    agreed = town.call("POST", "/v1/bindings", {**BODY, "new_names_at_once": True})
    assert (agreed.status_code, agreed.json()["faults"][0]["location"]) == (422, "body.new_names_at_once")
    numbers = [
        town.done("POST", "/v1/bindings", {**BODY, "ground": ground})["number"] for ground in ("agreement", "law")
    ]
    town.clock.now += 60
    town.done("POST", f"/v1/bindings/{numbers[1]}/end", {"reason": "repealed"})
    wanted = {"new_names_at_once": True}
    assert [town.call("PATCH", f"/v1/bindings/{number}", wanted).status_code for number in numbers] == [422, 409]
