"""Committed policies are published in order, before the caller gets the answer."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.errors import NotPublished
from api.publish import service
from api.publish.startup_check import raise_above
from dnsfilter.errors import PolicyError, UnavailableError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.contents import RELEASED_S
from dnsfilter.wire.names import parse_name
from tests.support.direct_requests import answer_of
from tests.support.opened_snapshot import opened
from tests.unit.api.conftest import Plane, authority, make_plane, on_both_databases

BAN = "/v1/authorities/town/bans/alpha"


def _stored(plane: Plane) -> int | None:
    return plane.publisher.stored_revision()


def test_act_is_published_before_its_answer(town: Plane) -> None:
    for mode in ("off", "enforce", "monitor"):
        revision = town.done("PATCH", BAN, {"mode": mode})["revision"]
        assert _stored(town) == revision == town.revision()


def test_toggle_does_not_change_names_and_ranges_files(town: Plane) -> None:
    before = town.store.read_current()
    town.done("PATCH", BAN, {"mode": "off"})
    after = town.store.read_current()
    assert (before.names, before.ranges) == (after.names, after.ranges)
    assert before.rules != after.rules


def test_exemption_that_ended_a_day_ago_is_in_the_policy_but_not_in_snapshots(town: Plane) -> None:
    other = {"authority": "town", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", other)
    never = town.store.read_current()
    wanted = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "reason": "an election", "for": "2 hours"}
    number = town.done("POST", "/v1/exemptions", wanted)["number"]
    town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    ranges = []
    for passed_s in (7200, 86_399, 1):
        town.clock.now += passed_s
        town.done("PATCH", BAN, {"mode": "off"})
        town.done("PATCH", BAN, {"mode": "enforce"})
        ranges.append(town.store.read_current().ranges == never.ranges)
    assert ranges == [False, False, True]
    assert town.store.read_current().rules == never.rules
    assert "[[exemption]]" in town.call("GET", "/v1/policy").text
    assert town.done("GET", f"/v1/exemptions/{number}")["state"] == "lapsed"


@on_both_databases
def test_the_snapshot_decides_as_the_api_says(town: Plane) -> None:
    decision = town.done("GET", "/v1/decision?client=192.0.2.10&name=www.alpha1.example.org")
    assert (decision["verdict"], decision["rcode"], decision["ede"], decision["winner"]["suffix"]) == (
        Verdict.REFUSE,
        "REFUSED",
        15,
        "alpha1.example.org",
    )
    assert decision["text"].startswith("C-1; ict@example.org")


@on_both_databases
def test_failing_commit_is_a_503_and_nothing_is_recorded(town: Plane) -> None:
    revision = town.revision()

    def refuse(_connection: Any) -> None:
        raise OperationalError("COMMIT", None, Exception("disk I/O error"))

    event.listen(town.database.engine, "commit", refuse)
    try:
        response = town.call("PATCH", BAN, {"mode": "off"})
    finally:
        event.remove(town.database.engine, "commit", refuse)
    assert (response.status_code, response.json()["type"]) == (503, "/problems/database-unavailable")
    assert town.revision() == revision == _stored(town)
    assert town.done("GET", BAN)["mode"] == "enforce"


def test_policy_that_cannot_be_compiled_is_a_422_and_not_recorded(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> Any:
        raise PolicyError("compile snapshot: beyond the format")

    revision = town.revision()
    with monkeypatch.context() as patch:
        patch.setattr(service, "compile_policy", refuse)
        response = town.call("PATCH", BAN, {"mode": "off"})
    assert (response.status_code, response.json()["faults"]) == (
        422,
        [{"location": "policy", "message": "compile snapshot: beyond the format"}],
    )
    assert town.revision() == revision == _stored(town)
    assert town.done("PATCH", BAN, {"mode": "off"})["revision"] == revision + 1 == _stored(town)


@pytest.fixture
def doubting(tmp_path: Path) -> Iterator[Plane]:
    """Return a control plane with the clock check of the program. Its clock starts in 1970."""
    made = make_plane(tmp_path / "state", doubting=True)
    made.clock.now = 0
    made.publisher.publish_current()
    yield made
    made.database.close()


def _made_s(plane: Plane) -> int:
    return opened(plane.store).made_s


def test_implausible_clock_is_replaced_by_the_release_date_then_by_the_newest_snapshot(doubting: Plane) -> None:
    assert _made_s(doubting) == RELEASED_S
    doubting.done("PUT", "/v1/authorities/town", authority())
    assert (_made_s(doubting), _dates(doubting)) == (RELEASED_S, {"2026-11-01T00:00:00Z"})
    doubting.clock.now = RELEASED_S + 86_400
    doubting.publisher.publish_current()
    doubting.clock.now = 5
    doubting.publisher.publish_current()
    doubting.done("PATCH", "/v1/authorities/town", {"contact": "help@example.org"})
    assert _made_s(doubting) == RELEASED_S + 86_400
    assert _dates(doubting) == {"2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"}


def _dates(plane: Plane) -> set[str]:
    return {entry["time"] for entry in plane.done("GET", "/v1/audit")["items"]}


def test_term_that_begins_when_recorded_in_1970_is_in_force(doubting: Plane) -> None:
    doubting.done("PUT", "/v1/authorities/town", authority())
    registered = {"authority": "town", "funding": "public", "audience": "staff"}
    doubting.done("PUT", "/v1/ranges/default/192.0.2.0/24", registered)
    doubting.done("PUT", "/v1/authorities/town/bans/alpha", {"provisional": True, "mode": "enforce"})
    snapshot = opened(doubting.store)
    client, name = ip_address("192.0.2.10"), parse_name("www.alpha1.example.org")
    verdicts = [snapshot.decide(client, name, RELEASED_S + hours * 3_600).verdict for hours in (0, 71, 72)]
    assert verdicts == [Verdict.REFUSE, Verdict.REFUSE, Verdict.PASS]


@pytest.mark.parametrize("days", [40 * 365, -1])
def test_publishing_again_uses_a_plausible_clock(doubting: Plane, days: int) -> None:
    right = RELEASED_S + 5 * 86_400
    for now in (right + days * 86_400, right):
        doubting.clock.now = now
        doubting.publisher.publish_current()
        assert _made_s(doubting) == now


def test_act_compiles_once(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []

    def counting(policy: Policy, *arguments: Any, **options: Any) -> Any:
        compiled.append(policy.revision)
        return compile_policy(policy, *arguments, **options)

    monkeypatch.setattr(service, "compile_policy", counting)
    revision = town.done("PATCH", BAN, {"mode": "off"})["revision"]
    assert compiled == [revision] == [_stored(town)]


def test_act_is_dated_when_its_transaction_begins(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = town.database.writing

    @contextmanager
    def waiting() -> Iterator[Session]:
        with writing() as session:
            town.clock.now += 60
            yield session

    monkeypatch.setattr(town.database, "writing", waiting)
    town.done("PATCH", BAN, {"mode": "off"})
    assert town.done("GET", "/v1/audit?limit=1")["items"][0]["time"] == "2026-09-21T14:14:20Z"


def test_failed_publication_is_reported_and_retried(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_compiled: object) -> bool:
        raise UnavailableError("publish: no space left on device")

    revision = town.revision()
    with monkeypatch.context() as patch:
        patch.setattr(town.store, "publish", full)
        response = town.call("PATCH", BAN, {"mode": "off"})
        assert (response.status_code, response.json()["type"]) == (503, "/problems/not-published")
        assert f"revision {revision + 1} is recorded" in response.json()["detail"]
        assert town.call("GET", "/readyz").json() == {
            "ready": False,
            "reason": f"revision {revision + 1} is not published yet",
            "database": True,
            "revision": revision + 1,
            "published": revision,
            "suspensions": 0,
            "nodes": 0,
            "nodes_in_force": 0,
            "learning_until": None,
        }
    assert town.done("GET", BAN)["mode"] == "off"
    town.publisher.start()
    for _ in range(200):
        if _stored(town) == revision + 1:
            break
        threading.Event().wait(0.05)
    town.publisher.stop()
    assert _stored(town) == revision + 1
    assert town.call("GET", "/readyz").status_code == 200


def test_older_policy_is_never_published_over_a_newer(town: Plane) -> None:
    newest = town.revision()
    town.publisher.publish(Policy(newest - 1))
    assert _stored(town) == newest
    assert town.done("GET", BAN)["mode"] == "enforce"


@on_both_databases
def test_concurrent_toggles_end_in_the_newest_revision(town: Plane) -> None:
    revision = town.revision()
    modes = ["off", "monitor", "enforce", "off", "monitor", "enforce"]
    headers = {"Authorization": f"Bearer {town.token}"}

    async def toggle_all() -> list[httpx.Response]:
        # In one event loop, as in a server: requests that wait for their turn wake each other.
        requests = [
            httpx.Request("PATCH", f"http://testserver{BAN}", json={"mode": mode}, headers=headers) for mode in modes
        ]
        return await asyncio.gather(*(answer_of(town.app, request, "127.0.0.1") for request in requests))

    assert [answer.status_code for answer in asyncio.run(toggle_all())] == [200] * len(modes)
    assert revision < town.revision() == _stored(town)
    seen = [entry["revision"] for entry in town.done("GET", "/v1/audit?object=ban/town/alpha")["items"]]
    assert seen == sorted(set(seen), reverse=True)


def test_database_next_to_newer_snapshots_continues_above_them(tmp_path: Path, town: Plane) -> None:
    fresh = make_plane(tmp_path / "fresh")
    try:
        assert raise_above(fresh.database, 41, 0)
        assert fresh.revision() == 42
        assert not raise_above(fresh.database, 42, 0)
        assert not raise_above(fresh.database, 41, 0, foreign=True)
        assert raise_above(fresh.database, 42, 0, foreign=True)
        assert fresh.revision() == 43
        assert not raise_above(fresh.database, None, 0)
    finally:
        fresh.database.close()


def test_unreadable_database_causes_no_publication(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError("SELECT", None, Exception("away"))

    monkeypatch.setattr(plane.database, "reading", away)
    with pytest.raises(NotPublished, match="the database cannot be read"):
        plane.publisher.publish_current()
    response = plane.call("GET", "/readyz")
    assert (response.status_code, response.json()["database"]) == (503, False)


ACTS: list[tuple[str, str, Any, str]] = [
    ("PUT", "/v1/authorities/third", authority(), "authority.register"),
    ("PATCH", "/v1/authorities/town", {"group": "coast"}, "authority.change"),
    ("PUT", "/v1/sites/depot", {"name": "Depot"}, "site.register"),
    (
        "PUT",
        "/v1/ranges/default/203.0.113.0/24",
        {"authority": "town", "funding": "private", "audience": "public"},
        "range.register",
    ),
    ("PATCH", "/v1/ranges/default/192.0.2.0/24", {"label": "offices"}, "range.change"),
    ("DELETE", "/v1/ranges/default/198.51.100.0/24", None, "range.remove"),
    ("PUT", "/v1/authorities/town/bans/beta", {"provisional": True}, "ban.adopt_provisionally"),
    ("PATCH", BAN, {"mode": "monitor"}, "ban.set_monitor"),
    ("PATCH", BAN, {"reply": "nxdomain"}, "ban.change"),
    ("PATCH", BAN, {"tiers": [1]}, "ban.set_scope"),
    ("POST", f"{BAN}/terms", {"start": "2027-03-01", "for": "6 months", "decision": {"reference": "C-2"}}, "ban.renew"),
    ("POST", f"{BAN}/end", {"reason": "lifted"}, "ban.end"),
    (
        "POST",
        "/v1/bindings",
        {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "law 1", "date": "2026-09-01"},
        "binding.bind",
    ),
    (
        "POST",
        "/v1/exemptions",
        {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "1 day", "reason": "promotion"},
        "exemption.request",
    ),
]


@on_both_databases
@pytest.mark.parametrize(("method", "path", "body", "act"), ACTS, ids=[act for *_, act in ACTS])
def test_each_act_raises_the_revision_is_audited_and_published(
    town: Plane, method: str, path: str, body: Any, act: str
) -> None:
    revision = town.revision()
    town.clock.now += 60
    town.done(method, path, body)
    newest = town.done("GET", "/v1/audit?limit=1")["items"][0]
    assert (newest["act"], newest["revision"], newest["account"], newest["access"]) == (act, revision + 1, 1, "token")
    assert newest["time"] == "2026-09-21T14:14:20Z"
    assert newest["before"] != newest["after"]
    assert town.revision() == revision + 1 == _stored(town)
