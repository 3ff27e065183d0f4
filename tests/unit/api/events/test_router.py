"""Routes of webhooks: who may, what is refused, what is shown."""

import pytest

from tests.unit.api.conftest import Plane

URL = "https://siem.example.org/dnsfilter"


def test_secret_is_shown_only_when_the_webhook_is_added(town: Plane) -> None:
    made = town.call("POST", "/v1/webhooks", {"url": URL, "authority": "town", "types": ["notice", "ban", "ban"]})
    assert made.status_code == 201
    secret = made.json().pop("secret")
    shown = town.done("GET", made.headers["location"])
    assert {**shown, "secret": secret} == made.json()
    assert (shown["url"], shown["authority"], shown["types"]) == (URL, "town", ["ban", "notice"])
    assert town.done("GET", "/v1/webhooks") == {"items": [shown], "next": None}
    assert secret.startswith("whsec_")
    assert secret not in str(town.done("GET", "/v1/audit?act=webhook.add"))


def test_adding_and_removing_are_acts_without_a_revision(town: Plane) -> None:
    before = town.done("GET", "/v1/audit?limit=1")["items"][0]["revision"]
    number = town.done("POST", "/v1/webhooks", {"url": URL, "authority": "town"})["number"]
    town.done("DELETE", f"/v1/webhooks/{number}")
    shown = {"url": URL, "authority": "town", "types": []}
    removed, added = town.done("GET", "/v1/audit?act=webhook")["items"]
    assert (added["before"], added["after"], added["authorities"]) == (None, shown, ["town"])
    assert (removed["before"], removed["after"], removed["object"]) == (shown, None, f"webhook/{number}")
    assert removed["revision"] == before
    assert town.call("DELETE", f"/v1/webhooks/{number}").status_code == 404
    assert town.done("POST", "/v1/webhooks", {"url": URL})["number"] == number + 1, "numbers are not used again"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://siem.example.org/", "without TLS"),
        ("https://user:password@siem.example.org/", "leave out user and password"),
        ("https://siem.example.org/#part", "leave out the part after #"),
        ("ftp://siem.example.org/", "not a URL"),
        ("https://", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://siem.example.org:99999/", "not a URL"),
        ("https://siem..example.org/", "not a URL"),
        (f"https://{'a' * 64}.example.org/", "not a URL"),
        ("https://xn--/", "not a URL"),
        ("https://256.1.1.1/", "not a URL"),
        ("siem.example.org", "not a URL"),
    ],
)
def test_unusable_url_is_refused(plane: Plane, url: str, reason: str) -> None:
    answer = plane.call("POST", "/v1/webhooks", {"url": url})
    assert answer.status_code == 422
    assert reason in answer.text
    assert "password@" not in answer.text


def test_unknown_type_and_authority_are_refused_with_a_hint(town: Plane) -> None:
    answer = town.call("POST", "/v1/webhooks", {"url": URL, "types": ["ban.set_of"]})
    assert answer.status_code == 422
    assert "ban.set_off" in answer.text
    assert town.call("POST", "/v1/webhooks", {"url": URL, "authority": "gent"}).status_code == 422


def test_number_of_webhooks_is_limited(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.events.service.MAX_WEBHOOKS", 1)
    town.done("POST", "/v1/webhooks", {"url": URL})
    assert town.call("POST", "/v1/webhooks", {"url": URL}).status_code == 409
