"""`dnsfilter-api` that brings a list into force: `python -m tests.bench.lists_plane OPTIONS`.

When the file `wanted` appears in the current directory, its path is read as a list, which replaces the names of a
service as an update does. Then `STAGES` has the seconds of each stage as JSON.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from api.db.models import ListRow, ServiceRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.feeds.feed_job import NICENESS
from api.main import main
from api.publish.service import Publisher
from api.publish.service_lists import ServiceList, list_of
from blocklists.guard import load_guard
from blocklists.list_file import load_list
from dnsfilter.policy.model import Service, Tier

SLUG = "tiktok"
WANTED, STAGES = "wanted", "stages.json"
LOOK_S = 0.02


class ListPublisher(Publisher):
    """A publisher that brings a list into force when it is asked to."""

    def start(self) -> None:
        """Start waiting for the list too."""
        super().start()
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while not Path(WANTED).exists():
            time.sleep(LOOK_S)
        taken: dict[str, float] = {}

        @contextmanager
        def stage(name: str) -> Iterator[None]:
            begun, used = time.monotonic(), time.thread_time()
            yield
            taken[name], taken[f"{name}, CPU"] = time.monotonic() - begun, time.thread_time() - used

        def worked_out() -> ServiceList:
            with stage("read and merge"):
                names = load_list(Path(Path(WANTED).read_text())).names
            with stage("compare with the guard"):
                load_guard().hits(names.domains, is_host=False)
            with stage("write the list, compile the names"):
                service = Service(SLUG, "Large", (Tier(1, names.domains, names.hosts),))
                made = list_of(service)
                self.prepare(service, made.digest)
            return made

        # As a feed does.
        with ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICENESS,)) as giving_way:
            made = giving_way.submit(worked_out).result()
        with stage("act"), self._database.writing() as session:
            unit = UnitOfWork(session, LOCAL, int(self._clock()))
            session.add(ListRow(digest=made.digest, service=SLUG, body=made.body))
            session.flush()
            revision = unit.new_revision()
            session.add(ServiceRow(slug=SLUG, name="Large", category="", digest=made.digest, revision=revision))
            unit.record("service.update", f"service/{SLUG}", None, {"digest": made.digest})
            policy = self.check(unit)
        with stage("publish"):
            self.publish(policy)
        Path(STAGES).write_text(json.dumps(taken))


if __name__ == "__main__":
    with patch("api.serving.Publisher", ListPublisher):
        sys.exit(main())
