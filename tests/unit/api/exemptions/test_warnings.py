"""Warnings about exemptions after an adoption or a renewal: in the answer, when the ban is read, and in dry runs."""

from typing import Any

import pytest

from tests.unit.api.conftest import START, Plane, ban, on_both_databases

pytestmark = pytest.mark.heavy

OWN, OTHER = "/v1/authorities/town/bans/alpha", "/v1/authorities/zone/bans/alpha"
DAY = 86_400
RENEWAL = {"organ": "council", "reference": "C-2", "legal_basis": "decree 1"}
FOLLOWING = {"decision": {"reference": "Z-1", "legal_basis": "decree 3", "follows": "town/alpha"}}
ASK = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "until": "2027-03-21", "reason": "promotion"}
DESK = {**ASK, "ranges": ["198.51.100.0/24"], "until": "2026-12-20"}
AGREEMENT = {"ban": "town/alpha", "authority": "zone", "ground": "agreement", "instrument": "A-1", "date": "2026-09-01"}


def _exempted(plane: Plane, request: dict[str, Any]) -> int:
    number: int = plane.done("POST", "/v1/exemptions", request)["number"]
    plane.done("POST", f"/v1/exemptions/{number}/approve", token=plane.other())
    return number


def _desk(town: Plane, **ends: str) -> int:
    """Exempt a range of the zone from the town's ban, which applies there by an agreement; return its number."""
    number = town.done("POST", "/v1/bindings", {**AGREEMENT, **ends})["number"]
    town.done("POST", f"/v1/bindings/{number}/accept")
    return _exempted(town, DESK)


def _codes(read: dict[str, Any]) -> list[tuple[str, int, list[str]]]:
    return [(one["code"], one["exemption"], one["ranges"]) for one in read["warnings"]]


def _message(plane: Plane, ban: str) -> str:
    (warning,) = plane.done("GET", ban)["warnings"]
    return str(warning["message"])


@on_both_databases
def test_a_renewal_names_the_exemption_that_ends_with_the_term_before_and_how_to_extend_it(town: Plane) -> None:
    number = _exempted(town, ASK)
    assert town.done("GET", OWN)["warnings"] == []
    renewed = town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    assert _codes(renewed) == [("exemption_lapsed", number, ["192.0.2.0/24"])]
    message = renewed["warnings"][0]["message"]
    assert f"exemption {number} from town/alpha is in force through 21 March 2027, and the renewal does not" in message
    assert "dnsfilterctl exemption ask town/alpha 192.0.2.0/24 --start 2027-03-22 --for" in message
    assert town.done("GET", OWN)["warnings"] == renewed["warnings"]
    town.clock.now = START + 200 * DAY
    assert _codes(town.done("GET", OWN)) == _codes(renewed)
    town.clock.now = START + 230 * DAY
    assert town.done("GET", OWN)["warnings"] == [], "a month after the renewal began"


def test_an_exemption_that_lapsed_before_the_renewal_is_named_until_there_is_another(town: Plane) -> None:
    number = _exempted(town, {**ASK, "until": "2026-11-01"})
    town.clock.now = START + 60 * DAY
    renewed = town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    assert _codes(renewed) == [("exemption_lapsed", number, ["192.0.2.0/24"])]
    assert (
        f"exemption {number} from town/alpha was in force through 1 November 2026" in renewed["warnings"][0]["message"]
    )
    _exempted(town, {**ASK, "until": "2027-06-30"})
    assert town.done("GET", OWN)["warnings"] == []


def test_a_ban_that_is_off_for_a_time_has_the_warnings_of_the_mode_that_returns(town: Plane) -> None:
    number = _exempted(town, ASK)
    town.done("PATCH", OWN, {"mode": "off", "for": "1 hour"})
    renewed = town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    assert _codes(renewed) == [("exemption_lapsed", number, ["192.0.2.0/24"])]
    town.clock.now += 3600
    assert _codes(town.done("GET", OWN)) == _codes(renewed)
    assert town.done("PATCH", OWN, {"mode": "off"})["warnings"] == []


def test_renewal_does_not_warn_of_an_exemption_that_reaches_into_it(town: Plane) -> None:
    _exempted(town, ASK)
    _exempted(town, {**ASK, "until": "2027-06-30"})
    assert town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})["warnings"] == []


def test_renewal_does_not_warn_of_a_revoked_exemption(town: Plane) -> None:
    number = _exempted(town, ASK)
    town.clock.now = START + 30 * DAY
    town.done("POST", f"/v1/exemptions/{number}/revoke", {"reason": "not used"})
    assert town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})["warnings"] == []


def test_renewal_does_not_warn_of_ranges_that_are_no_longer_bound(town: Plane) -> None:
    _desk(town, until="2026-12-20")
    town.clock.now = START + 120 * DAY
    assert town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})["warnings"] == []


def test_renewal_warns_of_the_exemption_in_a_range_that_is_still_bound(town: Plane) -> None:
    number = _desk(town)
    town.clock.now = START + 120 * DAY
    renewed = town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    assert _codes(renewed) == [("exemption_lapsed", number, ["198.51.100.0/24"])]


def test_the_command_that_extends_an_exemption_has_its_hours(town: Plane) -> None:
    _exempted(town, {**ASK, "hours": ["Mon-Fri 09:00-12:00", "Sat 10:00-11:00"]})
    renewed = town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    assert ' --hours "Mon-Fri 09:00-12:00" --hours "Sat 10:00-11:00" ' in renewed["warnings"][0]["message"]


@on_both_databases
def test_an_adoption_names_the_exemption_from_the_other_ban_that_it_makes_ineffective(town: Plane) -> None:
    number = _desk(town)
    adopted = town.done("PUT", OTHER, FOLLOWING)
    assert _codes(adopted) == [("exemption_from_another_ban", number, ["198.51.100.0/24"])]
    message = adopted["warnings"][0]["message"]
    assert f"exemption {number} is from town/alpha and not from zone/alpha, which applies in 198.51.100.0/24" in message
    assert "dnsfilterctl exemption ask zone/alpha 198.51.100.0/24 --until 2026-12-20 --reason TEXT" in message
    assert town.done("GET", OTHER)["warnings"] == adopted["warnings"]
    _exempted(town, {**DESK, "ban": "zone/alpha"})
    assert town.done("GET", OTHER)["warnings"] == []


def test_an_exemption_from_another_ban_that_has_ended_for_good_gives_no_warning(town: Plane) -> None:
    number = _desk(town, until="2026-11-30")
    town.done("PUT", OTHER, {**FOLLOWING, "terms": [{"until": "2027-12-31"}]})
    town.clock.now = START + 30 * DAY
    assert _codes(town.done("GET", OTHER)) == [("exemption_from_another_ban", number, ["198.51.100.0/24"])]
    town.done("POST", f"{OWN}/end", {"reason": "withdrawn"})
    town.clock.now += 60
    assert town.done("GET", OTHER)["warnings"] == []


@on_both_databases
def test_a_request_that_waits_for_a_decision_is_named_in_place_of_the_command(town: Plane) -> None:
    _desk(town)
    town.done("PUT", OTHER, FOLLOWING)
    ask = {**DESK, "ban": "zone/alpha"}
    hours = town.done("POST", "/v1/exemptions", {**ask, "hours": ["Mon 09:00-10:00"]})["number"]
    assert "dnsfilterctl exemption ask zone/alpha" in _message(town, OTHER), "it asks for less"
    number = town.done("POST", "/v1/exemptions", ask)["number"]
    remedy = f"To exempt them from it too: exemption {number} asks for this and waits for a decision"
    assert _message(town, OTHER).endswith(remedy)
    town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "not needed"})
    assert "dnsfilterctl exemption ask zone/alpha" in _message(town, OTHER), f"only {hours} waits"


def test_a_request_that_waits_for_a_part_leaves_the_command_for_the_other_ranges(town: Plane) -> None:
    more = {"authority": "town", "label": "desk", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/192.0.3.0/24", more)
    _exempted(town, {**ASK, "ranges": ["192.0.2.0/24", "192.0.3.0/24"]})
    town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    further = {**ASK, "start": "2027-03-22", "until": "2027-06-30"}
    first = town.done("POST", "/v1/exemptions", further)["number"]
    assert (
        f"To extend it: exemption {first} asks for this and waits for a decision; for 192.0.3.0/24: "
        "dnsfilterctl exemption ask town/alpha 192.0.3.0/24 --start 2027-03-22 --for" in _message(town, OWN)
    )
    second = town.done("POST", "/v1/exemptions", {**further, "ranges": ["192.0.3.0/24"]})["number"]
    remedy = f"To extend it: exemptions {first}, {second} ask for this and wait for a decision"
    assert _message(town, OWN).endswith(remedy)


def test_the_commands_have_hours_and_dates_in_the_exemptions_own_zone(town: Plane) -> None:
    zoned = {"hours": ["Mon 09:00-10:00"], "time_zone": "Asia/Tokyo"}
    _exempted(town, {**ASK, **zoned})
    town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    command = 'ask town/alpha 192.0.2.0/24 --start 2027-03-22 --for "3 months" --hours "Mon 09:00-10:00"'
    assert _message(town, OWN).endswith(f"{command} --time-zone Asia/Tokyo --reason TEXT")
    town.done("POST", "/v1/bindings", AGREEMENT)
    town.done("POST", "/v1/bindings/1/accept")
    _exempted(town, {**DESK, **zoned})
    town.done("PUT", OTHER, FOLLOWING)
    command = 'ask zone/alpha 198.51.100.0/24 --until 2026-12-20 --hours "Mon 09:00-10:00" --time-zone Asia/Tokyo'
    assert f"{command} --reason" in _message(town, OTHER)


def test_the_zone_that_a_request_has_without_an_option_is_not_in_the_command(town: Plane) -> None:
    _exempted(town, {**ASK, "hours": ["Mon 09:00-10:00"], "time_zone": "Europe/Brussels"})
    town.done("POST", f"{OWN}/terms", {"for": "6 months", "decision": RENEWAL})
    assert "--time-zone" not in _message(town, OWN)


def test_a_ban_that_does_not_refuse_in_the_exempted_range_makes_nothing_ineffective(town: Plane) -> None:
    _desk(town)
    assert town.done("PUT", OTHER, {**FOLLOWING, "mode": "monitor"})["warnings"] == []
    assert town.done("PATCH", OTHER, {"mode": "enforce", "audience": ["pupils"]})["warnings"] == []
    assert len(town.done("PATCH", OTHER, {"audience": ["staff"]})["warnings"]) == 1


def test_a_policy_file_warns_when_it_is_compared_and_when_it_is_applied(town: Plane) -> None:
    _desk(town)
    file = town.call("GET", "/v1/policy").text + (
        '\n[[ban]]\nauthority = "zone"\nservice = "alpha"\nmode = "enforce"\n'
        '[ban.decision]\norgan = "zone"\nreference = "Z-1"\nlegal_basis = "decree 3"\nfollows = "town"\n'
        '[[ban.term]]\nstart = "today"\nfor = "6 months"\n'
    )
    options: Any = {"content": file, "headers": {"Authorization": f"Bearer {town.token}"}}
    options["headers"]["Content-Type"] = "application/toml"
    difference = town.call("POST", "/v1/policy/diff", **options).json()
    assert (difference["faults"], [one["code"] for one in difference["warnings"]]) == (
        [],
        ["exemption_from_another_ban"],
    )
    assert town.call("GET", OTHER).status_code == 404
    assert town.call("POST", "/v1/policy/apply", **options).json()["warnings"] == difference["warnings"]


def test_warnings_are_hidden_without_read_access_to_exemptions(town: Plane) -> None:
    _desk(town)
    town.done("PUT", OTHER, FOLLOWING)
    _, elsewhere = town.account("elsewhere", ("operator", "town"))
    _, reader = town.account("there", ("reader", "zone"))
    assert town.done("GET", OTHER, token=elsewhere)["warnings"] is None
    assert len(town.done("GET", OTHER, token=reader)["warnings"]) == 1
    assert town.done("GET", "/v1/bans?authority=zone")["items"][0]["warnings"] is None
    entry = town.done("GET", "/v1/audit?act=ban.adopt&authority=zone")["items"][0]
    assert "warnings" not in entry["after"]


def test_an_adoption_without_exemptions_warns_of_nothing(town: Plane) -> None:
    assert town.done("PUT", "/v1/authorities/zone/bans/beta", ban())["warnings"] == []
