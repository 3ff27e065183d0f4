"""The public register: what it shows to anybody, and what it never shows."""

import pytest

from tests.unit.api.conftest import START, Plane, authority, ban

REGISTER = "/v1/register/town"


def published(plane: Plane) -> Plane:
    """Return the control plane with the register of `town` switched on."""
    plane.done("PATCH", "/v1/authorities/town", {"public_register": True})
    return plane


def test_it_is_off_until_switched_on_and_off_again(town: Plane) -> None:
    assert town.call("GET", REGISTER, headers={}).status_code == 404
    assert town.done("GET", "/v1/register", headers={})["items"] == []
    published(town)
    assert town.done("GET", REGISTER, headers={})["authority"] == "town"
    assert [each["authority"] for each in town.done("GET", "/v1/register", headers={})["items"]] == ["town"]
    town.done("PATCH", "/v1/authorities/town", {"public_register": False})
    assert town.call("GET", REGISTER, headers={}).status_code == 404


def test_an_authority_that_publishes_nothing_looks_like_an_unknown_one(town: Plane) -> None:
    answers = [town.call("GET", f"/v1/register/{slug}", headers={}) for slug in ("town", "nowhere")]
    first, second = ({k: v for k, v in answer.json().items() if k != "request"} for answer in answers)
    assert [answer.status_code for answer in answers] == [404, 404]
    assert first == second


def test_it_shows_bans_with_decision_terms_and_checkpoint(town: Plane) -> None:
    made = town.done("POST", "/v1/audit/checkpoints")
    found = published(town).done("GET", REGISTER, headers={})
    (shown,) = found["bans"]
    assert (shown["service"], shown["service_name"], shown["state"]) == ("alpha", "Alpha", "in_force")
    assert shown["decision"]["legal_basis"] == ban()["decision"]["legal_basis"]
    assert [term["decision"]["reference"] for term in shown["terms"]] == [ban()["decision"]["reference"]]
    assert found["checkpoint"] == {name: value for name, value in made.items() if name != "delivered"}


def test_it_counts_exemptions_and_names_no_range_account_or_reason(town: Plane) -> None:
    reason = "the museum shows the service in an exhibition"
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "1 day", "reason": reason}
    number = town.done("POST", "/v1/exemptions", body)["number"]
    town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    answer = published(town).call("GET", REGISTER, headers={})
    assert answer.json()["bans"][0]["exemptions"]["count"] == 1
    assert answer.json()["bans"][0]["exemptions"]["until"] == "2026-09-22T22:00:00Z"
    for hidden in ("192.0.2", reason, "account", "mode_set", "prefix"):
        assert hidden not in answer.text


def test_a_ban_that_has_not_begun_or_has_ended_is_not_in_it(town: Plane) -> None:
    later = ban(terms=[{"start": "2027-01-01", "for": "1 month"}])
    town.done("PUT", "/v1/authorities/town/bans/beta", later)
    assert [each["service"] for each in published(town).done("GET", REGISTER, headers={})["bans"]] == ["alpha"]
    town.done("POST", "/v1/authorities/town/bans/alpha/end", {"reason": "no longer needed"}, token=town.other())
    town.clock.now += 60
    assert town.done("GET", REGISTER, headers={})["bans"] == []


def test_a_followed_ban_of_an_authority_that_publishes_nothing_is_not_named(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/secret", authority())
    town.done("PUT", "/v1/authorities/secret/bans/beta", ban())
    decision = {"legal_basis": "decree 2", "reference": "C-2", "follows": "secret/beta"}
    town.done("PUT", "/v1/authorities/town/bans/beta", {"decision": decision})
    assert "secret" not in published(town).call("GET", REGISTER, headers={}).text


def test_a_register_is_read_once_a_minute_or_when_something_changed(town: Plane) -> None:
    published(town)
    first = town.done("GET", REGISTER, headers={})
    town.clock.now += 59 - START % 60
    assert town.done("GET", REGISTER, headers={}) == first
    town.clock.now += 1
    assert town.done("GET", REGISTER, headers={})["as_of"] > first["as_of"]
    town.done("PATCH", "/v1/authorities/town", {"contact": "desk@town.example"})
    assert town.done("GET", REGISTER, headers={})["contact"] == "desk@town.example"
    town.done("POST", "/v1/audit/checkpoints")
    assert town.done("GET", REGISTER, headers={})["checkpoint"] is not None


@pytest.mark.parametrize("path", ["/v1/register", REGISTER, "/register", "/register/town", "/register/C-1"])
def test_caches_may_keep_it_for_a_minute(path: str, town: Plane) -> None:
    assert published(town).call("GET", path, headers={}).headers["cache-control"] == "public, max-age=60"
