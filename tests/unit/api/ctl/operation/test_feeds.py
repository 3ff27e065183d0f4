"""dnsfilterctl feed: set, show, fetch and remove."""

import json
from pathlib import Path
from threading import Event, Thread

import pytest

from api.ctl.operation import feeds
from api.feeds.feed_job import FeedJob
from api.feeds.fetching import Fetcher
from tests.support.documents import commands
from tests.unit.api.conftest import Plane
from tests.unit.api.ctl.conftest import Ctl, listening

pytestmark = pytest.mark.heavy
SERVICE = "/v1/authorities/town/services/games"


def test_feed_is_set_fetched_shown_and_removed(
    town: Plane, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "LOOK_S", 0.05)
    town.done("PUT", SERVICE, {"name": "Games", "domains": ["games.example.org"]})
    (tmp_path / "games.txt").write_text("games.example.org\nplay.example.org\n")
    job, over = FeedJob(town.database, town.publisher, Fetcher(directory=tmp_path), town.clock), Event()

    def look() -> None:
        while not over.wait(0.05):
            town.clock.now += 1
            job.round()

    looking = Thread(target=look)
    with listening(town.app) as url:

        def run(*words: str, code: int = 0) -> str:
            found = ctl("--api", url, "--token-file", str(town.settings.token_path), *words)
            assert found.code == code, found.err
            return found.out

        for program, *words in commands("docs/tasks/feed-an-own-service.md"):
            if program == "dnsfilterctl":
                run(*(word.replace("ghent:", "town:") for word in words))
        shown = run("feed", "set", "town:games", "games.txt", "--format", "domains", "--below", "--every-hours", "6")
        assert "themselves and all names below" in shown
        assert "none yet" in shown
        found = json.loads(run("--json", "feed", "show", "town:games"))
        assert (found["format"], found["exact"], found["every_hours"]) == ("domains", False, 6)
        looking.start()
        try:
            fetched = run("feed", "fetch", "town:games")
            assert "2 names, 0 lines skipped" in fetched
            assert "dnsfilterctl update show 1" in fetched
            (tmp_path / "games.txt").unlink()
            failed = run("feed", "fetch", "town:games", code=1)
            assert "1 failures: cannot read games.txt" in failed
        finally:
            over.set()
            looking.join()
            job.stop()
        assert run("feed", "remove", "town:games") == "removed the feed of town:games\n"
        run("feed", "show", "town:games", code=2)


@pytest.mark.parametrize("service", ["games", "town/games", "town:", ":games", "town:Games"])
def test_service_must_be_an_own_one(ctl: Ctl, service: str) -> None:
    done = ctl("feed", "show", service)
    assert done.code == 2
    assert "is not an own service. Write for example ghent:games" in done.err
