"""Loading a signed catalogue: what takes effect, what is refused, and which catalogue is in force."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from api.catalogue.service import follow_release
from api.chain.checkpoint import public_text
from blocklists.signed_catalogue import MAX_BYTES
from blocklists.update_review import PENDING_S
from tests.unit.api.catalogue.signed_files import ALPHA, KEY, OTHER, put, signed, text_of, trust
from tests.unit.api.conftest import START, Plane, ban
from tests.unit.api.updates.proposals import in_force

WAITS = START + PENDING_S
CDN = {**ALPHA, 1: ["alpha1.example.org", "cdn.alpha.example"]}


def loaded(plane: Plane, number: int, **texts: str) -> Any:
    """Load a catalogue that must be accepted. Return the answer."""
    response = put(trust(plane), signed(number, texts))
    assert response.status_code == 200, response.text
    return response.json()


def test_new_names_are_pending_and_the_catalogue_is_in_force(town: Plane) -> None:
    done = loaded(town, 7, alpha=text_of("alpha", CDN))
    assert in_force(town, "alpha") == {
        "alpha1.example.org": None,
        "alpha2.example.org": None,
        "cdn.alpha.example": WAITS,
    }
    [update] = done["updates"]
    assert (update["service"], update["state"], update["source"]) == ("alpha", "pending", "catalogue")
    assert (update["added"], update["pending"]) == (1, 1)
    shown = town.done("GET", "/v1/catalogue")
    assert (shown["number"], shown["packaged"]["number"], shown["last_loaded"]["number"]) == (7, 0, 7)
    assert shown["trusted_key"] == shown["last_loaded"]["key"] == public_text(KEY)
    [entry] = town.done("GET", "/v1/audit?act=catalogue.load")["items"]
    assert (entry["object"], entry["before"], entry["after"]["updates"]) == ("catalogue/7", {"number": 0}, [1])


def test_forty_new_names_are_answered_for_72_hours_and_then_refused(town: Plane) -> None:
    few, many = ([f"n{number}.alpha.example" for number in range(count)] for count in (19, 59))
    loaded(town, 7, alpha=text_of("alpha", {**ALPHA, 1: ["alpha1.example.org", *few]}))
    [update] = loaded(town, 8, alpha=text_of("alpha", {**ALPHA, 1: ["alpha1.example.org", *many]}))["updates"]
    assert (update["state"], update["added"]) == ("pending", 40)
    question = f"/v1/decision?client=192.0.2.10&name={many[58]}"
    assert town.done("GET", question)["verdict"] == "monitor"
    town.clock.now = WAITS
    assert town.done("GET", question)["verdict"] == "refuse"


def test_service_with_a_mistake_is_held_back_and_the_others_take_effect(town: Plane) -> None:
    wrong = text_of("alpha", {1: ["alpha1.example.org", "akamaiedge.net"], 2: ["alpha2.example.org"]})
    done = loaded(town, 7, alpha=wrong, beta=text_of("beta", {1: ["beta1.example.org", "cdn.beta.example"]}))
    states = {
        each["service"]: (each["state"], [held["reason"] for held in each["reasons"]]) for each in done["updates"]
    }
    assert states == {"alpha": ("held_back", ["guarded"]), "beta": ("pending", [])}
    assert in_force(town, "alpha") == {"alpha1.example.org": None, "alpha2.example.org": None}
    assert in_force(town, "beta") == {"beta1.example.org": None, "cdn.beta.example": WAITS}


def test_services_are_shown_with_the_names_and_the_category_in_force(town: Plane) -> None:
    loaded(town, 7, alpha=text_of("alpha", CDN), gamma=text_of("gamma", {1: ["gamma.example"]}))
    listed = {each["slug"]: each for each in town.done("GET", "/v1/services?category=video")["items"]}
    assert {slug: (each["names"], each["tiers"]) for slug, each in listed.items()} == {
        "alpha": (3, [1, 2]),
        "beta": (1, [1]),
        "gamma": (1, [1]),
    }
    alpha = town.done("GET", "/v1/services/alpha")
    assert [(tier["title"], tier["domains"]) for tier in alpha["tiers"]] == [
        ("tier 1", ["alpha1.example.org", "cdn.alpha.example"]),
        ("tier 2", ["alpha2.example.org"]),
    ]
    assert alpha["reviewed"] == "2026-09-01"
    gamma = town.done("GET", "/v1/services/gamma")
    assert (gamma["source"], gamma["category"]) == ("catalogue 7 of 2026-12-20", "video")


def test_service_without_a_change_has_no_update_and_a_missing_one_stays(town: Plane) -> None:
    done = loaded(town, 7, alpha=text_of("alpha", ALPHA))
    assert (done["updates"], done["new_services"]) == ([], [])
    assert in_force(town, "beta") == {"beta1.example.org": None}


def test_new_service_can_be_banned_at_once_and_is_banned_by_nobody(town: Plane) -> None:
    done = loaded(town, 7, gamma=text_of("gamma", {1: ["gamma.example"]}))
    assert done["new_services"] == [{"slug": "gamma", "name": "Gamma", "category": "video"}]
    assert in_force(town, "gamma") == {"gamma.example": None}
    assert [each["service"] for each in town.done("GET", "/v1/bans")["items"]] == ["alpha"]
    town.done("PUT", "/v1/authorities/town/bans/gamma", ban())


def test_new_service_with_a_mistake_is_held_back(town: Plane) -> None:
    done = loaded(town, 7, gamma=text_of("gamma", {1: ["akamaiedge.net"]}), beta=text_of("beta", {1: ["b.example"]}))
    assert {each["service"]: each["state"] for each in done["updates"]} == {"gamma": "held_back", "beta": "pending"}
    assert in_force(town, "gamma") == {}


def test_load_after_another_one_fails_with_the_tag_of_before(town: Plane) -> None:
    tag = trust(town).call("GET", "/v1/catalogue").headers["ETag"]
    loaded(town, 7, alpha=text_of("alpha", CDN))
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/octet-stream", "If-Match": tag}
    stale = town.call("PUT", "/v1/catalogue", content=signed(8, {"alpha": text_of("alpha", ALPHA)}), headers=headers)
    assert stale.status_code == 412


def test_later_catalogue_replaces_the_earlier_one(town: Plane) -> None:
    loaded(town, 7, alpha=text_of("alpha", CDN))
    town.clock.now = WAITS
    loaded(town, 9, alpha=text_of("alpha", ALPHA, name="Alpha Two"))
    assert in_force(town, "alpha") == {"alpha1.example.org": None, "alpha2.example.org": None}
    assert town.publisher.services()["alpha"].name == "Alpha Two"
    assert town.done("GET", "/v1/catalogue")["number"] == 9


@pytest.mark.parametrize(
    ("data", "status", "reason", "text"),
    [
        (signed(7, {"alpha": text_of("alpha", CDN)}, OTHER), 422, "other_key", "this installation trusts"),
        (signed(7, {"alpha": text_of("alpha", CDN)})[:-9], 422, "damaged", "Get it again"),
        (b"\xff\xfe", 422, "damaged", "not JSON"),
        (b'{"format": 1, "key": "\\ud800"}', 422, "other_key", "this installation trusts"),
        (signed(7, {"alpha": text_of("alpha", CDN)}).replace(b"cdn.", b"cdm."), 422, "signature", "is not valid"),
        (b" " * (MAX_BYTES + 1), 422, "too_large", f"at most {MAX_BYTES}"),
        (signed(6, {"alpha": text_of("alpha", CDN)}), 409, "not_newer", "already has 6"),
        (signed(5, {"alpha": text_of("alpha", CDN)}), 409, "not_newer", "already has 6"),
    ],
)
def test_refused_catalogue_is_reported_and_changes_nothing(
    town: Plane, data: bytes, status: int, reason: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    loaded(town, 6, alpha=text_of("alpha", ALPHA))
    before, services = town.revision(), town.publisher.services()
    with caplog.at_level(logging.WARNING, "dnsfilter.api"):
        response = put(town, data)
    assert response.status_code == status
    assert text in response.text
    [record] = caplog.records
    assert record.__dict__["dnsfilter_fields"]["reason"] == reason
    count = town.registry.get_sample_value("dnsfilter_api_catalogue_refused_total", {"reason": reason})
    assert count == 1
    assert (town.revision(), town.publisher.services()) == (before, services)


def test_without_a_trusted_key_nothing_is_loaded(town: Plane) -> None:
    response = put(trust(town, ""), signed(7, {"alpha": text_of("alpha", CDN)}))
    assert (response.status_code, "no key is trusted" in response.text) == (409, True)


def test_only_an_administrator_loads_a_catalogue_and_everybody_reads_its_number(town: Plane) -> None:
    _, token = town.account("approver", ("approver", "town"))
    assert put(trust(town), signed(7, {"alpha": text_of("alpha", CDN)}), token).status_code == 403
    assert town.call("GET", "/v1/catalogue", token=token).status_code == 200


def upgraded(plane: Plane, number: int) -> None:
    """Start a release whose catalogue has that number and the packaged names, as the process does."""
    held = plane.app.state.runtime
    plane.app.state.runtime = replace(held, catalogue=replace(held.catalogue, number=number))
    follow_release(plane.app.state.runtime)
    plane.publisher.publish_current()


def test_release_with_a_newer_catalogue_counts_again(town: Plane) -> None:
    wrong = text_of("beta", {1: ["beta1.example.org", "akamaiedge.net"]})
    loaded(town, 7, alpha=text_of("alpha", CDN), beta=wrong, gamma=text_of("gamma", {1: ["gamma.example"]}))
    upgraded(town, 6)
    assert "cdn.alpha.example" in in_force(town, "alpha")
    upgraded(town, 7)
    assert in_force(town, "alpha") == {"alpha1.example.org": None, "alpha2.example.org": None}
    assert in_force(town, "gamma") == {"gamma.example": None}
    states = {each["service"]: each["state"] for each in town.done("GET", "/v1/updates")["items"]}
    assert states == {"alpha": "replaced", "beta": "replaced", "gamma": "in_force"}
    assert put(town, signed(7, {"alpha": text_of("alpha", CDN)})).status_code == 409
    loaded(town, 8, alpha=text_of("alpha", CDN))
    assert in_force(town, "alpha")["cdn.alpha.example"] == WAITS


def test_objection_to_a_name_outlives_a_release_that_has_it(town: Plane) -> None:
    [update] = loaded(town, 7, alpha=text_of("alpha", CDN))["updates"]
    town.done(
        "POST", f"/v1/updates/{update['number']}/object", {"names": ["cdn.alpha.example"], "reason": "our own shop"}
    )
    loaded(town, 8, alpha=text_of("alpha", {1: ["alpha1.example.org"], 2: ["alpha2.example.org", "cdn.alpha.example"]}))
    assert "cdn.alpha.example" not in in_force(town, "alpha")
    upgraded(town, 9)
    assert "cdn.alpha.example" not in in_force(town, "alpha")
