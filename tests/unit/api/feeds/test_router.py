"""Routes of feeds: who may, what is refused, what is shown and recorded."""

import pytest

from tests.unit.api.conftest import Plane

URL = "https://lists.example.org/games.txt"
SERVICE = "/v1/authorities/town/services/games"
FEED = f"{SERVICE}/feed"


@pytest.fixture
def fed(town: Plane) -> Plane:
    town.done("PUT", SERVICE, {"name": "Games", "domains": ["games.example.org"]})
    return town


def test_feed_is_set_changed_and_removed(fed: Plane) -> None:
    answer = fed.call("PUT", FEED, {"source": URL})
    assert answer.status_code == 201
    found = answer.json()
    assert (found["service"], found["source"], found["format"], found["exact"]) == ("town:games", URL, None, None)
    assert (found["every_hours"], found["fetched"], found["good"], found["update"]) == (24, None, None, None)
    assert fed.done("GET", FEED) == found
    changed = fed.call("PUT", FEED, {"source": "lists/games.txt", "format": "hosts", "exact": True, "every_hours": 6})
    assert changed.status_code == 200
    assert (changed.json()["format"], changed.json()["exact"], changed.json()["every_hours"]) == ("hosts", True, 6)
    assert fed.call("DELETE", FEED).status_code == 204
    gone = fed.call("GET", FEED)
    assert gone.status_code == 404
    assert "town:games has no feed. Type: dnsfilterctl feed set town:games SOURCE" in gone.text
    assert fed.done("GET", "/v1/services/town:games")["tiers"][0]["domains"] == ["games.example.org"]


def test_acts_are_in_the_audit_log_without_a_revision(fed: Plane) -> None:
    before = fed.revision()
    fed.done("PUT", FEED, {"source": URL})
    fed.done("PUT", FEED, {"source": URL})
    fed.done("POST", f"{FEED}/fetch")
    fed.done("DELETE", FEED)
    entries = fed.done("GET", "/v1/audit?act=feed")["items"]
    assert [entry["act"] for entry in entries] == ["feed.remove", "feed.fetch", "feed.set"]
    assert {entry["object"] for entry in entries} == {"feed/town:games"}
    assert entries[-1]["after"] == {"source": URL, "format": "", "exact": None, "every_s": 86_400}
    assert entries[-1]["authorities"] == ["town"]
    assert fed.revision() == before


def test_service_with_a_feed_is_not_removed_before_the_feed(fed: Plane) -> None:
    fed.done("PUT", FEED, {"source": URL})
    answer = fed.call("DELETE", SERVICE)
    assert (answer.status_code, "dnsfilterctl feed remove town:games" in answer.json()["detail"]) == (409, True)
    fed.done("DELETE", FEED)
    fed.done("DELETE", SERVICE)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("http://lists.example.org/games.txt", "a feed is fetched with TLS only"),
        ("ftp://lists.example.org/games.txt", "a feed is fetched with TLS only"),
        ("file:///etc/passwd", "a feed is fetched with TLS only"),
        ("https://user:password@lists.example.org/", "leave out user and password"),
        ("https://lists.example.org/#part", "leave out the part after #"),
        ("https://", "not a URL"),
        ("https://256.1.1.1/", "not a URL"),
        ("https://lists..example.org/", "not a URL"),
        ("/etc/hosts", "a file below the directory of feeds"),
        ("lists/../../games.txt", "a file below the directory of feeds"),
        ("", "source"),
        ("games\n.txt", "source"),
        ("x" * 501, "source"),
    ],
)
def test_unusable_source_is_refused(fed: Plane, source: str, reason: str) -> None:
    answer = fed.call("PUT", FEED, {"source": source})
    assert answer.status_code == 422
    assert reason in answer.text
    assert "password@" not in answer.text


@pytest.mark.parametrize("fields", [{"every_hours": 0}, {"every_hours": 721}, {"format": "dnsmasq"}, {"exact": 3}])
def test_unusable_field_is_refused(fed: Plane, fields: dict[str, object]) -> None:
    assert fed.call("PUT", FEED, {"source": URL, **fields}).status_code == 422


def test_only_own_services_have_feeds(fed: Plane) -> None:
    for path in ("/v1/authorities/town/services/none/feed", "/v1/authorities/town/services/alpha/feed"):
        assert fed.call("PUT", path, {"source": URL}).status_code == 404


@pytest.mark.parametrize(
    ("role", "authority", "may"),
    [
        ("operator", "town", {"GET", "PUT", "POST", "DELETE"}),
        ("approver", "town", {"GET"}),
        ("reader", "town", {"GET"}),
        ("approver", "zone", set()),
        ("operator", "zone", set()),
        ("auditor", None, {"GET"}),
        ("administrator", None, {"GET", "PUT", "POST", "DELETE"}),
    ],
)
def test_who_may_and_who_may_not(fed: Plane, role: str, authority: str | None, may: set[str]) -> None:
    fed.done("PUT", FEED, {"source": URL})
    _, token = fed.account("somebody", (role, authority))
    acts = {
        "GET": (FEED, None),
        "PUT": (FEED, {"source": URL}),
        "POST": (f"{FEED}/fetch", None),
        "DELETE": (FEED, None),
    }
    for method, (path, body) in acts.items():
        status = fed.call(method, path, body, token=token).status_code
        assert (status < 300) == (method in may), (method, status)
        assert status < 300 or status == 403


def test_feed_that_somebody_else_changed_is_not_overwritten(fed: Plane) -> None:
    fed.done("PUT", FEED, {"source": URL})
    headers = {"Authorization": f"Bearer {fed.token}", "If-None-Match": "*"}
    assert fed.call("PUT", FEED, {"source": "lists/other.txt"}, headers=headers).status_code == 412


@pytest.mark.parametrize(
    ("demanded", "roles", "status"),
    [(False, ["operator"], 201), (True, ["operator"], 403), (True, ["operator", "approver"], 201)],
)
def test_operator_sets_a_feed_alone_unless_less_refusing_needs_an_approver(
    fed: Plane, demanded: bool, roles: list[str], status: int
) -> None:
    fed.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": demanded})
    _, token = fed.account("someone", *((role, "town") for role in roles))
    assert fed.call("PUT", FEED, {"source": URL}, token=token).status_code == status
