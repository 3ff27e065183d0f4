"""A feed that fails repeatedly causes one notice to its authority, each time that it begins to."""

import pytest

from api.feeds.failures import Failure, FetchError
from api.feeds.feed_job import FeedJob
from api.feeds.fetching import Fetched, Fetcher, Validators
from api.feeds.state import REPEATED
from api.notices.kinds import Kind
from api.notices.letters import Names, letter
from tests.unit.api.conftest import START, Plane
from tests.unit.api.notices.support import begun, new_kinds, rows

DAY_S = 86_400


class Scripted(Fetcher):
    """Fetch what a test says, without a server."""

    fails = False

    def fetch(self, source: str, known: Validators) -> Fetched | None:
        if self.fails:
            raise FetchError(Failure.STATUS, f"{source} answered 404")
        return None


@pytest.mark.heavy
def test_feed_that_begins_to_fail_causes_one_notice(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/services/games", {"name": "Games", "domains": ["games.example.org"]})
    town.done("PUT", "/v1/authorities/town/services/games/feed", {"source": "games.txt"})
    fetcher = Scripted()
    job, notices = FeedJob(town.database, town.publisher, fetcher, town.clock, lambda: 0.5), begun(town)

    def made_after(fetches: int) -> list[tuple[str, str | None]]:
        for _ in range(fetches):
            town.clock.now += DAY_S + 60
            job.round()
            job.finish_round()
        return new_kinds(town, notices.look)

    fetcher.fails = True
    assert made_after(REPEATED - 1) == []
    assert made_after(1) == [("feed_failing", "town")]
    assert made_after(3) == []
    fetcher.fails = False
    assert made_after(1) == []
    fetcher.fails = True
    assert made_after(REPEATED) == [("feed_failing", "town")]
    job.stop()
    facts = rows(town)[0].facts
    assert facts == {"feed": "town:games", "at_s": START + 1 + DAY_S + 60}
    assert "dnsfilterctl feed show town:games" in letter(Kind.FEED_FAILING, facts, None, Names({}, {})).text
