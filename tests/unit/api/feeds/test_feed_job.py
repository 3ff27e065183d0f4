"""Feeds bring names into force, and no failure of a source changes what is in force."""

import os
import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from api.db.models import FeedRow
from api.errors import NotPublished
from api.feeds import fetching
from api.feeds.failures import Failure
from api.feeds.feed_job import NICENESS, FeedJob
from api.feeds.fetching import Fetcher
from api.feeds.state import FIRST_PAUSE_S, REPEATED
from dnsfilter.engine.interface import Miss, Reply
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Policy
from dnsfilter.wire.names import parse_name
from tests.support.engines import KINDS, Rig, query
from tests.support.engines import running as running_engine
from tests.support.feed_server import GOOD, METADATA, PAGE, FeedServer
from tests.support.opened_snapshot import opened
from tests.support.scripted import Scripted, silent
from tests.unit.api.conftest import START, Plane, ban

CLIENT = "192.0.2.10"
SERVICE = "/v1/authorities/town/services/games"
FEED = f"{SERVICE}/feed"
HOUR_S, DAY_S, PENDING_S = 3600, 86_400, 72 * 3600
MANY = b"".join(f"game{number}.example.org\n".encode() for number in range(100))


class Fed:
    """A town that bans an own service, which has a feed, and what fetches it."""

    def __init__(self, plane: Plane, server: FeedServer, names: bytes = b"games.example.org old.example.org") -> None:
        self.plane = plane
        self.server = server
        self.fetcher = Fetcher((ip_network("127.0.0.0/8"),), plane.settings.state_dir)
        self.job = FeedJob(plane.database, plane.publisher, self.fetcher, plane.clock, lambda: 0.5)
        plane.done("PUT", SERVICE, {"name": "Games", "domains": names.decode().split()})
        plane.done("PUT", "/v1/authorities/town/bans/town:games", ban())

    def set(self, path: str = "good", **fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.plane.done("PUT", FEED, {"source": self.server.url(path), **fields})
        return found

    def fetch(self, later_s: int = 0) -> dict[str, Any]:
        """Let the job look after some time. Return the feed as it is then."""
        self.plane.clock.now += later_s
        self.job.round()
        self.job.finish_round()
        found: dict[str, Any] = self.plane.done("GET", FEED)
        return found

    def verdict(self, name: str) -> Verdict:
        """Return what nodes do with a client's query for a name now."""
        at = int(self.plane.clock.now)
        return opened(self.plane.store).decide(ip_address(CLIENT), parse_name(name), at).verdict


@pytest.fixture
def fed(town: Plane, server: FeedServer) -> Iterator[Fed]:
    made = Fed(town, server)
    yield made
    made.job.stop()


def test_new_names_of_a_feed_are_tried_and_then_refused(fed: Fed) -> None:
    fed.set()
    found = fed.fetch()
    assert (found["names"], found["skipped"], found["message"], found["good"]) == (2, 0, "", found["fetched"])
    assert fed.verdict("games.example.org") is Verdict.REFUSE
    assert fed.verdict("play.example.net") is Verdict.MONITOR
    assert fed.verdict("old.example.org") is Verdict.PASS
    fed.plane.clock.now += PENDING_S
    assert fed.verdict("play.example.net") is Verdict.REFUSE
    entry = fed.plane.done("GET", "/v1/audit?act=service.update&limit=1")["items"][0]
    assert (entry["object"], entry["account"], entry["access"]) == ("service/town:games", 0, "feed")
    assert entry["authorities"] == ["town"]


@pytest.fixture
def engine() -> Iterator[Rig]:
    with running_engine(KINDS[-1], Policy(1), Scripted(silent), made_s=START, wall_s=START) as rig:
        yield rig


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("missing", Failure.STATUS),
        ("failing", Failure.STATUS),
        ("truncated", Failure.DAMAGED),
        ("gzip-truncated", Failure.DAMAGED),
        ("not-http", Failure.DAMAGED),
        ("page", Failure.CONTENT),
        ("empty", Failure.CONTENT),
        ("bomb", Failure.SIZE),
        ("endless", Failure.SIZE),
        ("slow", Failure.TIMEOUT),
        ("moved-in-a-circle", Failure.REDIRECT),
        ("moved-to-metadata", Failure.PRIVATE_ADDRESS),
        ("good", None),
        ("moved", None),
        ("gzip", None),
    ],
)
def test_resolver_refuses_and_answers_as_before_after_each_behaviour_of_a_server(
    fed: Fed, engine: Rig, monkeypatch: pytest.MonkeyPatch, path: str, failure: Failure | None
) -> None:
    look_up = socket.getaddrinfo

    def metadata_or_real(host: str, port: int, **options: int) -> Sequence[object]:
        return look_up("169.254.169.254" if host == METADATA else host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", metadata_or_real)
    for limit, value in (("MAX_SENT", 50_000), ("MAX_CONTENT", 50_000), ("FETCH_S", 0.5)):
        monkeypatch.setattr(fetching, limit, value)
    fed.set()
    before = fed.fetch()
    fed.set(path)
    found = fed.fetch(PENDING_S)
    assert found["failure"] == failure
    assert (found["good"] == before["good"]) == (failure is not None)
    assert bool(found["message"]) == (failure is not None)
    engine.engine.swap(opened(fed.plane.store))
    later_s = int(fed.plane.clock.now) - START
    for name in ("games.example.org", "www.games.example.org", "play.example.net"):
        assert isinstance(engine.judge(query(name), CLIENT, later_s=later_s), Reply), name
    for name in ("example.org", "old.example.org", "play.example.com"):
        assert isinstance(engine.judge(query(name), CLIENT, later_s=later_s), Miss), name


def test_unchanged_list_is_good_and_changes_nothing(fed: Fed) -> None:
    fed.set()
    fed.fetch()
    revision = fed.plane.revision()
    found = fed.fetch(25 * HOUR_S)
    assert fed.server.asked[-1][1]["if-none-match"] == fed.server.etag
    assert found["good"] == found["fetched"]
    assert fed.plane.revision() == revision


def test_list_that_changes_follows(fed: Fed) -> None:
    fed.set()
    fed.fetch()
    fed.server.content = b"play.example.net\nnext.example.com\n"
    fed.fetch(DAY_S + HOUR_S)
    assert fed.verdict("games.example.org") is Verdict.PASS
    assert fed.verdict("play.example.net") is Verdict.MONITOR
    fed.plane.clock.now += PENDING_S
    assert fed.verdict("next.example.com") is Verdict.REFUSE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (MANY[: MANY.index(b"game50")], "shrinks"),
        (MANY + b"co.uk\n", "guarded"),
        (MANY + b"one.example.com\n" + b"not a name\n" * 20, "unreadable"),
        (MANY + MANY.replace(b"game", b"play") + MANY.replace(b"game", b"win"), "grows"),
    ],
)
def test_doubtful_list_is_held_back_once(town: Plane, server: FeedServer, content: bytes, reason: str) -> None:
    fed = Fed(town, server, MANY)
    fed.server.content = content
    fed.set()
    number = fed.fetch()["update"]
    update = fed.plane.done("GET", f"/v1/updates/{number}")
    assert (update["state"], [found["reason"] for found in update["reasons"]]) == ("held_back", [reason])
    fed.plane.done("POST", f"{FEED}/fetch")
    assert fed.fetch(1)["update"] == number
    for name in ("game0.example.org", "game99.example.org"):
        assert fed.verdict(name) is Verdict.REFUSE
    assert fed.verdict("example.co.uk") is Verdict.PASS
    fed.job.stop()


def test_file_is_fed_and_exact_names_are_only_themselves(fed: Fed) -> None:
    (fed.plane.settings.state_dir / "games.txt").write_bytes(GOOD)
    fed.plane.done("PUT", FEED, {"source": "games.txt", "format": "domains", "exact": True})
    found = fed.fetch()
    assert (found["names"], found["failures"]) == (2, 0)
    fed.plane.clock.now += PENDING_S
    assert fed.verdict("play.example.net") is Verdict.REFUSE
    assert fed.verdict("www.play.example.net") is Verdict.PASS


def test_exceptions_are_lines_that_can_be_read(fed: Fed) -> None:
    fed.server.content = b"||games.example.org^\n@@||www.games.example.org^\n@@||old.example.org^\n||old.example.org^\n"
    fed.set()
    found = fed.fetch()
    assert (found["names"], found["skipped"]) == (1, 0)
    assert fed.plane.done("GET", f"/v1/updates/{found['update']}")["reasons"] == []
    assert fed.verdict("www.games.example.org") is Verdict.REFUSE
    assert fed.verdict("old.example.org") is Verdict.PASS


def test_failures_are_tried_again_sooner_at_first_and_no_more_often_than_a_good_feed(fed: Fed) -> None:
    fed.set("missing", every_hours=2)
    pauses = []
    for count in range(1, 7):
        found = fed.fetch(2 * HOUR_S)
        assert found["failures"] == count
        with fed.plane.database.reading() as session:
            pauses.append(session.get_one(FeedRow, "town:games").next_s - int(fed.plane.clock.now))
    assert pauses == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 2 * HOUR_S, 2 * HOUR_S, 2 * HOUR_S]
    assert fed.job.failures()[Failure.STATUS] == 6
    fed.set("good", every_hours=2)
    assert (fed.fetch()["failures"], fed.fetch()["message"]) == (0, "")


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)])
def test_pauses_are_spread(fed: Fed, share: float, expected: float) -> None:
    fed.set()
    fed.job._share = lambda: share
    fed.fetch()
    with fed.plane.database.reading() as session:
        assert session.get_one(FeedRow, "town:games").next_s - fed.plane.clock.now == round(expected * DAY_S)


def test_feed_that_is_not_due_is_left_alone(fed: Fed) -> None:
    fed.set()
    fed.fetch()
    fed.fetch(23 * HOUR_S)
    assert len(fed.server.asked) == 1
    fed.fetch(2 * HOUR_S)
    assert len(fed.server.asked) == 2


def test_clock_that_was_set_back_keeps_no_feed_waiting(fed: Fed) -> None:
    fed.plane.clock.now += 30 * DAY_S
    fed.set()
    fed.fetch()
    fed.fetch(-30 * DAY_S)
    assert len(fed.server.asked) == 2


def test_feed_of_a_closed_authority_is_not_fetched(fed: Fed) -> None:
    fed.set()
    fed.plane.done("POST", "/v1/authorities/town/close", {"reason": "for a test of feeds"})
    fed.plane.clock.now += DAY_S
    fed.job.round()
    fed.job.finish_round()
    assert fed.server.asked == []


@pytest.mark.parametrize("change", ["removed", "another source"])
def test_feed_that_changes_while_it_is_fetched_brings_nothing(
    fed: Fed, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    fed.set()
    fetch = fed.fetcher.fetch

    def meanwhile(*arguments: Any) -> Any:
        found = fetch(*arguments)
        if change == "removed":
            fed.plane.done("DELETE", FEED)
        else:
            fed.set("missing")
        return found

    monkeypatch.setattr(fed.fetcher, "fetch", meanwhile)
    fed.job.round()
    fed.job.finish_round()
    assert fed.verdict("old.example.org") is Verdict.REFUSE
    assert fed.verdict("play.example.net") is Verdict.PASS


def test_lists_are_worked_out_in_threads_that_give_way_to_acts(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[str, int]] = []

    def noting(name: str) -> None:
        work = getattr(fed.plane.publisher, name)

        def noted(*given: Any) -> Any:
            found.append((name, os.getpriority(os.PRIO_PROCESS, 0)))
            return work(*given)

        monkeypatch.setattr(fed.plane.publisher, name, noted)

    own = os.getpriority(os.PRIO_PROCESS, 0)
    fed.set()
    for name in ("prepare", "check"):
        noting(name)
    fed.fetch()
    assert found == [("prepare", min(own + NICENESS, 19)), ("check", own)]


def test_names_that_cannot_be_published_at_once_are_published_later(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    fed.set()

    def fail(_policy: Policy) -> None:
        raise NotPublished("for a test")

    with monkeypatch.context() as patched:
        patched.setattr(fed.plane.publisher, "publish", fail)
        found = fed.fetch()
    assert found["failures"] == 0
    assert fed.verdict("play.example.net") is Verdict.PASS
    fed.plane.publisher.catch_up()
    assert fed.verdict("play.example.net") is Verdict.MONITOR


def test_figures_say_how_old_the_last_good_fetch_is(fed: Fed) -> None:
    fed.set()
    fed.fetch(100)
    fed.set("missing")
    for _ in range(REPEATED):
        (before,) = fed.job.figures()
        assert not before.is_failing
        fed.fetch(DAY_S)
    (found,) = fed.job.figures()
    assert (found.authority, found.service, found.good_age_s) == ("town", "town:games", REPEATED * DAY_S)
    assert found.is_failing


def test_page_is_said_to_be_one(fed: Fed) -> None:
    fed.server.content = PAGE
    fed.set()
    assert "it is a web page" in fed.fetch()["message"]
