"""Limits for operators who suspend: four hours in 24, and never while a ban applies there by law."""

from typing import Any

import pytest

from api.suspensions.operator_limits import suspended_s
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases

pytestmark = pytest.mark.heavy

BASE = "/v1/suspensions"
WHY = "nobody can work"
HOUR, DAY = 3600, 86_400


def _ask(plane: Plane, token: str, span: str, whom: str | None = "town") -> Any:
    return plane.call("POST", BASE, {"authority": whom, "for": span, "reason": WHY}, token=token)


def _start(plane: Plane, token: str, span: str, whom: str | None = "town") -> int:
    made = _ask(plane, token, span, whom)
    assert made.status_code == 201, made.text
    number: int = made.json()["number"]
    return number


def _state(plane: Plane, number: int) -> str:
    return str(plane.done("GET", f"{BASE}/{number}")["state"])


def _end(plane: Plane, token: str, number: int) -> Any:
    return plane.call("POST", f"{BASE}/{number}/end", {"reason": "it works again"}, token=token)


def _refusal(plane: Plane, token: str, span: str, whom: str = "town") -> str:
    found = _ask(plane, token, span, whom)
    assert found.status_code == 403, found.text
    return str(found.json()["detail"])


@pytest.fixture
def desk(town: Plane) -> str:
    """Return the token of an operator of the town."""
    return town.account("desk", ("operator", "town"))[1]


@pytest.fixture
def chief(town: Plane) -> str:
    """Return the token of an approver of the town."""
    return town.account("chief", ("approver", "town"))[1]


@on_both_databases
def test_more_than_four_hours_of_a_day_need_an_approver(town: Plane, desk: str, chief: str) -> None:
    _start(town, desk, "3h30m")
    town.clock.now += 4 * HOUR
    assert _refusal(town, desk, "1h") == (
        "town is suspended for 3 h 30 min in the 24 hours before 21:13 CEST, without this request. "
        "An operator may suspend it for 4 h in 24: until 20:43 CEST at most. "
        "For more, ask an approver of town or an administrator of the installation."
    )
    assert _refusal(town, desk, "30m1s").startswith("town is suspended for 3 h 30 min in")
    _start(town, desk, "30m")
    town.clock.now += HOUR
    assert "for 4 h in 24: none is left. For more, ask an approver of town" in _refusal(town, desk, "1m")
    _start(town, chief, "1m")
    town.clock.now += HOUR
    assert _ask(town, town.token, "4h").status_code == 201


@pytest.mark.parametrize("whom", ["town", None])
def test_forbidden_offers_no_end_that_is_already_reached(town: Plane, desk: str, whom: str | None) -> None:
    _start(town, town.token, "4h", whom)
    town.clock.now += HOUR
    assert "for 4 h in 24: none is left." in _refusal(town, desk, "4h")


def test_a_refusal_names_less_than_an_hour_in_minutes(town: Plane, desk: str) -> None:
    number = _start(town, desk, "1h")
    town.clock.now += 30
    _end(town, desk, number)
    assert _refusal(town, desk, "4h").startswith("town is suspended for 1 min in the 24 hours before")
    town.clock.now += 60
    number = _start(town, desk, "1h")
    town.clock.now += 1770
    _end(town, desk, number)
    assert _refusal(town, desk, "4h").startswith("town is suspended for 30 min in the 24 hours before")


def test_suspensions_older_than_a_day_do_not_count(town: Plane, desk: str) -> None:
    _start(town, desk, "4h")
    town.clock.now = START + DAY - HOUR
    assert "until" not in _refusal(town, desk, "1m").partition("in 24:")[2].partition(".")[0]
    # One hour of the day before the end is free; each further minute of the new suspension uses one.
    town.clock.now = START + DAY
    _start(town, desk, "4h")


def test_the_limit_counts_the_last_24_hours(town: Plane, desk: str) -> None:
    town.clock.now = START + 7 * HOUR  # 23:13 in the town
    _start(town, desk, "3h")
    town.clock.now += 4 * HOUR
    assert "town is suspended for 3 h in the 24 hours before 05:13 CEST" in _refusal(town, desk, "2h")
    _start(town, desk, "1h")


def test_what_overlaps_counts_once_and_one_of_all_counts_too(town: Plane, desk: str) -> None:
    _start(town, town.token, "2h", None)
    town.clock.now += HOUR
    _start(town, desk, "2h")
    town.clock.now += HOUR
    assert "town is suspended for 3 h in the 24 hours" in _refusal(town, desk, "2h1s")
    _start(town, desk, "2h")


def test_one_that_was_ended_early_counts_for_as_long_as_it_held(town: Plane, desk: str) -> None:
    for span in ("4h", "3h", "2h"):
        number = _start(town, desk, span)
        town.clock.now += HOUR
        assert _end(town, desk, number).status_code == 200
    assert "town is suspended for 3 h in the 24 hours" in _refusal(town, desk, "1h30m")
    _start(town, desk, "1h")


def test_those_of_another_authority_do_not_count(town: Plane, desk: str) -> None:
    of_zone = _start(town, town.token, "4h", "zone")
    of_town = _start(town, desk, "4h")
    assert [_state(town, number) for number in (of_zone, of_town)] == ["in_force"] * 2


def test_extending_again_and_again_ends_after_four_hours(town: Plane, desk: str) -> None:
    for _ in range(4):
        _start(town, desk, "1h")
        town.clock.now += HOUR - 60
    assert "town is suspended for 3 h 57 min in" in _refusal(town, desk, "1h")
    town.clock.now = START + DAY + 4 * HOUR
    _start(town, desk, "4h")


def test_a_clock_that_is_set_back_gives_no_further_hours(town: Plane, desk: str) -> None:
    town.clock.now += 6 * HOUR
    _start(town, desk, "4h")
    town.clock.now -= 6 * HOUR
    assert "town is suspended for 4 h in" in _refusal(town, desk, "1m")


def test_a_clock_that_was_far_ahead_locks_no_operator_out(town: Plane, desk: str) -> None:
    town.clock.now += 20 * DAY
    _start(town, desk, "4h")
    town.clock.now -= 20 * DAY
    assert _state(town, _start(town, desk, "4h")) == "in_force"


def test_each_second_of_the_day_before_the_end_counts_once() -> None:
    now, end = 10 * DAY, 10 * DAY + HOUR
    cases = {
        (): 0,
        ((now, end),): HOUR,
        ((now - HOUR, now), (now, end)): 2 * HOUR,
        ((now - 2 * HOUR, now + 60), (now - HOUR, now + 120)): 2 * HOUR + 120,
        ((end - DAY - 60, end - DAY + 60),): 60,
        ((end - DAY - 60, end - DAY),): 0,
        ((now - 60, end + HOUR),): HOUR + 60,
        ((now + 1, end + HOUR),): 2 * HOUR - 1,
        ((now + 5, now + 5),): 0,
    }
    assert {spans: suspended_s(spans, now, end) for spans in cases} == cases


# Bans by law.


def _bind(plane: Plane, ground: str = "law", whom: str = "town", **more: Any) -> int:
    """Bind an authority to the federal ban on alpha; return the number of the binding."""
    if plane.call("GET", "/v1/authorities/federal").status_code == 404:
        plane.done("PUT", "/v1/authorities/federal", authority())
        plane.done("PUT", "/v1/authorities/federal/bans/alpha", ban())
    body = {"ban": "federal/alpha", "authority": whom, "ground": ground, "instrument": "law 7", "date": "2026-09-01"}
    number: int = plane.done("POST", "/v1/bindings", {**body, **more})["number"]
    return number


@on_both_databases
def test_while_a_ban_holds_by_law_an_operator_suspends_nothing(town: Plane, desk: str, chief: str) -> None:
    _bind(town)
    assert _refusal(town, desk, "1m") == (
        "federal/alpha applies in town by law, which an operator may not suspend: "
        "ask an approver of town or an administrator of the installation."
    )
    number = _start(town, chief, "30m")
    town.clock.now += 60
    assert _end(town, desk, number).status_code == 200, "whoever may suspend may end"
    number = _start(town, town.token, "30m")
    town.clock.now += 60
    assert _end(town, chief, number).status_code == 200


def test_every_ban_that_holds_by_law_is_named(town: Plane, desk: str) -> None:
    _bind(town)
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    body = {"ban": "zone/beta", "authority": "town", "ground": "law", "instrument": "law 8", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    assert _refusal(town, desk, "1m").startswith("federal/alpha, zone/beta apply in town by law, ")


def test_approver_of_the_bans_authority_may_suspend_as_operator(town: Plane, desk: str) -> None:
    _bind(town)
    _, both = town.account("both", ("operator", "town"), ("approver", "federal"))
    _, elsewhere = town.account("elsewhere", ("approver", "federal"))
    assert _ask(town, elsewhere, "1m").status_code == 403, "the role does not cover other bans here"
    _start(town, both, "4h")
    town.clock.now += 4 * HOUR
    assert "ask an approver of town" in _refusal(town, both, "1m")


@pytest.mark.parametrize("change", ["agreement", "planned", "ended", "off", "lapsed", "elsewhere"])
def test_bans_not_by_law_do_not_limit_operators(town: Plane, desk: str, change: str) -> None:
    match change:
        case "agreement":
            town.done("POST", f"/v1/bindings/{_bind(town, 'agreement')}/accept")
        case "planned":
            _bind(town, start="2026-10-01")
        case "ended":
            town.done("POST", f"/v1/bindings/{_bind(town)}/end", {"reason": "repealed"})
        case "off":
            _bind(town)
            town.done("PATCH", "/v1/authorities/federal/bans/alpha", {"mode": "off"})
        case "lapsed":
            _bind(town)
            town.done("POST", "/v1/authorities/federal/bans/alpha/end", {"reason": "withdrawn"})
            town.clock.now += 1
        case "elsewhere":
            _bind(town, whom="zone")
    assert _state(town, _start(town, desk, "1h")) == "in_force"


def test_a_law_that_begins_to_bind_meanwhile_needs_an_approver_from_then_on(town: Plane, desk: str) -> None:
    _bind(town, start="2026-09-22")
    town.clock.now = START + 7 * HOUR  # 23:13 in the town
    assert "federal/alpha applies in town by law" in _refusal(town, desk, "1h")
    _start(town, desk, "46m")


def test_a_ban_that_is_off_for_a_time_needs_an_approver_from_its_return_on(town: Plane, desk: str) -> None:
    _bind(town)
    town.done("PATCH", "/v1/authorities/federal/bans/alpha", {"mode": "off", "for": "2 hours"})
    assert "federal/alpha applies in town by law" in _refusal(town, desk, "2h1s")
    _start(town, desk, "2h")


def test_a_ban_that_is_only_monitored_holds_too(town: Plane, desk: str) -> None:
    _bind(town)
    town.done("PATCH", "/v1/authorities/federal/bans/alpha", {"mode": "monitor"})
    assert "federal/alpha applies in town by law" in _refusal(town, desk, "1m")
