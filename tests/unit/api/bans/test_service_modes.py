"""A ban that is off for a time returns by itself, for all readers of its mode."""

from typing import Any

import pytest

from api.timestamps import timestamp_text
from tests.support.backups import members
from tests.unit.api.conftest import START, Plane, authority, ban

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
HOUR = 3600
UNTIL = timestamp_text(START + HOUR)


def _set(town: Plane, **body: Any) -> Any:
    return town.done("PATCH", BAN, body)


def _verdict(town: Plane) -> str:
    asked = "/v1/decision?client=192.0.2.10&name=alpha1.example.org"
    return str(town.done("GET", asked)["verdict"])


def _acts(town: Plane, count: int) -> list[str]:
    return [item["act"] for item in town.done("GET", f"/v1/audit?limit={count}")["items"]]


@pytest.mark.parametrize("before", ["enforce", "monitor"])
@pytest.mark.parametrize("term", [{"until": UNTIL}, {"for": "1 hour"}])
def test_the_mode_before_returns_at_the_end_without_an_act(town: Plane, before: str, term: dict[str, str]) -> None:
    _set(town, mode=before)
    off = _set(town, mode="off", mode_reason="election night", **term)
    assert (off["mode"], off["mode_reason"], off["state"]) == ("off", "election night", "off")
    assert (off["mode_set"], off["mode_set_by"]) == (timestamp_text(START), 1)
    assert (off["off_until"], off["returns_to"], _verdict(town)) == (UNTIL, before, "pass")
    town.clock.now += HOUR - 1
    assert (town.done("GET", BAN)["mode"], _verdict(town)) == ("off", "pass")
    revision = town.revision()
    town.clock.now += 1
    on = town.done("GET", BAN)
    assert (on["mode"], on["mode_reason"], on["state"]) == (before, "", "in_force")
    assert (on["mode_set"], on["mode_set_by"], on["off_until"], on["returns_to"]) == (UNTIL, None, None, None)
    assert (_verdict(town), town.revision()) == ("refuse" if before == "enforce" else "monitor", revision)
    # Setting the mode that has returned is no act.
    _set(town, mode=before)
    assert town.revision() == revision


@pytest.mark.parametrize(
    ("term", "until"),
    [
        ({"until": "18:00"}, "2026-09-21T16:00:00Z"),
        ({"until": "08:00"}, "2026-09-22T06:00:00Z"),
        ({"until": "tomorrow 08:00"}, "2026-09-22T06:00:00Z"),
        ({"until": "friday 18:00"}, "2026-09-25T16:00:00Z"),
        ({"until": "tomorrow"}, "2026-09-22T22:00:00Z"),
        ({"for": "4 minutes"}, timestamp_text(START + 240)),
    ],
)
def test_the_end_is_said_as_people_say_times(town: Plane, term: dict[str, str], until: str) -> None:
    assert _set(town, mode="off", **term)["off_until"] == until


def test_without_an_end_a_ban_stays_off_and_may_get_an_end_later(town: Plane) -> None:
    _set(town, mode="monitor")
    assert _set(town, mode="off")["off_until"] is None
    town.clock.now += 30 * 86_400
    assert town.done("GET", BAN)["mode"] == "off"
    later = _set(town, mode="off", **{"for": "1 hour"})
    assert later["returns_to"] == "monitor"
    assert _set(town, mode="off")["off_until"] is None
    assert _acts(town, 4) == ["ban.set_off", "ban.set_off", "ban.set_off", "ban.set_monitor"]


def test_repeated_mode_is_no_act(town: Plane) -> None:
    for _ in range(2):
        _set(town, mode="off", until=UNTIL, mode_reason="a test")
    assert _acts(town, 2)[1] != "ban.set_off"
    _set(town, mode="off", until=timestamp_text(START + 2 * HOUR))
    assert _acts(town, 2) == ["ban.set_off", "ban.set_off"]


@pytest.mark.parametrize(
    ("body", "location", "message"),
    [
        ({"until": UNTIL}, "body.until", "only the mode off takes an end: set the mode to off"),
        ({"mode": "monitor", "for": "1 hour"}, "body.for", "only the mode off takes an end"),
        ({"mode": "off", "for": "300 years"}, "body.for", "'300 years' ends after the year 2199"),
        ({"mode": "off", "until": timestamp_text(START)}, "body.until", "has passed: give a later time"),
        ({"mode": "off", "until": UNTIL, "for": "1 hour"}, "body.until", "give only one of"),
        ({"mode": "off", "until": "monday 18:00"}, "body.until", "can mean today or 28 September 2026: write today 18"),
        ({"mode": "off", "until": "4 minutes"}, "body.until", "It is a length of time: only `for` takes one."),
        ({"mode": "off", "for": "6m"}, "body.for", "can mean minutes or months"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(town: Plane, body: Any, location: str, message: str) -> None:
    answer = town.call("PATCH", BAN, body)
    (fault,) = answer.json()["faults"]
    assert (answer.status_code, fault["location"]) == (422, location)
    assert message in fault["message"]


def test_a_ban_that_was_never_on_has_no_mode_that_returns(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(mode="off"))
    answer = town.call("PATCH", "/v1/authorities/town/bans/beta", {"mode": "off", "until": UNTIL})
    assert "town/beta has no earlier mode to return to: set enforce or monitor first" in answer.text


def test_lists_by_state_and_by_mode_follow_the_clock(town: Plane) -> None:
    def listed(query: str) -> int:
        return len(town.done("GET", f"/v1/bans?{query}")["items"])

    _set(town, mode="off", until=UNTIL)
    assert [listed(query) for query in ("state=off", "state=in_force", "mode=off", "mode=enforce")] == [1, 0, 1, 0]
    town.clock.now += HOUR
    assert [listed(query) for query in ("state=off", "state=in_force", "mode=off", "mode=enforce")] == [0, 1, 0, 1]


def test_an_export_keeps_the_end_and_applying_it_later_changes_nothing(town: Plane) -> None:
    def apply(text: str) -> list[str]:
        headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/toml"}
        answer = town.done("POST", "/v1/policy/apply", headers=headers, content=text)
        return [act["act"] for act in answer["acts"]]

    on = town.call("GET", "/v1/policy").text
    _set(town, mode="off", until=UNTIL)
    off = town.call("GET", "/v1/policy").text
    assert f'mode = "enforce"\noff_until = {UNTIL}\n' in off
    assert (apply(off), apply(on), apply(off)) == ([], ["ban.set_enforce"], ["ban.set_off"])
    town.clock.now += HOUR
    assert (apply(off), apply(on)) == ([], [])


def test_a_roll_back_restores_the_end_if_it_lies_ahead(town: Plane) -> None:
    _set(town, mode="off", until=UNTIL, mode_reason="election night")
    off = town.revision()
    _set(town, mode="enforce")
    town.done("POST", f"/v1/revisions/{off}/rollback", {"reason": "a mistake"})
    found = town.done("GET", BAN)
    assert (found["off_until"], found["returns_to"], found["mode_reason"]) == (UNTIL, "enforce", "election night")
    town.clock.now += HOUR
    town.done("POST", f"/v1/revisions/{off}/rollback", {"reason": "once more"})
    assert town.done("GET", BAN)["mode"] == "enforce"


def test_adopting_takes_over_the_lasting_mode(town: Plane) -> None:
    _set(town, mode="off", until=UNTIL)
    decision = {"legal_basis": "decree 2", "reference": "C-2", "follows": "town/alpha"}
    adopted = town.done("PUT", "/v1/authorities/zone/bans/alpha", {"decision": decision})
    assert (adopted["mode"], adopted["off_until"]) == ("enforce", None)


def test_a_merger_keeps_that_it_is_off_for_a_time(town: Plane) -> None:
    _set(town, mode="off", until=UNTIL, mode_reason="election night")
    town.done("PUT", "/v1/authorities/city", authority())
    decision = {"legal_basis": "decree 3", "reference": "M-1"}
    body = {"into": "city", "reason": "a merger", "decision": decision}
    town.done("POST", "/v1/authorities/town/merge", body)
    successor_ban = town.done("GET", "/v1/authorities/city/bans/alpha")
    assert (successor_ban["off_until"], successor_ban["returns_to"], successor_ban["mode_reason"]) == (
        UNTIL,
        "enforce",
        "election night",
    )


def test_a_merger_gives_its_reason_where_the_successor_wants_one(town: Plane) -> None:
    _set(town, mode="monitor")
    town.done("PUT", "/v1/authorities/city", authority())
    town.done("PATCH", "/v1/authorities/city/off-rules", {"off_needs_reason": True})
    town.done("PUT", "/v1/authorities/city/bans/alpha", {"provisional": True})
    town.clock.now += 73 * HOUR
    body = {"into": "city", "reason": "a merger", "decision": {"legal_basis": "decree 3", "reference": "M-1"}}
    town.done("POST", "/v1/authorities/town/merge", body)
    successor_ban = town.done("GET", "/v1/authorities/city/bans/alpha")
    assert (successor_ban["mode"], successor_ban["mode_reason"]) == ("monitor", "a merger")


def test_the_archive_says_which_mode_returns_when(town: Plane) -> None:
    _set(town, mode="off", until=UNTIL)
    town.clock.now += 2 * HOUR
    files = members(town.call("GET", "/v1/archive").content)
    assert f"  {UNTIL}  the mode enforce returns\n" in files["reports/000001-town-alpha.txt"].decode()
