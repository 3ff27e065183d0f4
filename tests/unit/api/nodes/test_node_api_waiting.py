"""Waiting for snapshots over HTTP: a publication and a stop end the wait."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from dnsfilter.snapshot.signature import verify_manifest
from tests.support.control_planes import Api
from tests.support.nodes import eventually

pytestmark = pytest.mark.heavy
POLICY = """\
[[authority]]
slug = "town"
kind = "municipality"
names = { nl = "Stad" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"

[[ban]]
authority = "town"
service = "tiktok"
mode = "enforce"
provisional = true
[[ban.term]]
start = "today"
for = "72 hours"
"""
BAN = "/v1/authorities/town/bans/tiktok"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Api(tmp_path_factory.mktemp("api"), POLICY) as running:
        yield running


class Waiting:
    """A node that sends requests in its own threads."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        invited = self.person("POST", "/v1/nodes", {"name": name}).json()["enrolment_token"]
        own = _asked(api, invited, "POST", "/v1/nodes/enrol", {"version": "1"}).json()
        self.token, self.key = own["token"], own["key"]
        self.asking = ThreadPoolExecutor(2)

    def ask(self, tag: str = "", wait: int = 0) -> httpx.Response:
        """Request the newest snapshot."""
        return _asked(self.api, self.token, "GET", f"/v1/nodes/self/snapshot?wait={wait}", tag=tag)

    def begin(self, tag: str) -> Future[httpx.Response]:
        """Start to wait half a minute for a newer snapshot than `tag`."""
        begun = threading.Event()

        def ask() -> httpx.Response:
            begun.set()
            return self.ask(tag, 30)

        found = self.asking.submit(ask)
        assert begun.wait(10)
        return found

    def person(self, method: str, path: str, json: Any = None) -> httpx.Response:
        """Send a request of the administrator."""
        return _asked(self.api, self.api.token(), method, path, json)


def _asked(api: Api, token: str, method: str, path: str, json: Any = None, tag: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "If-None-Match": tag}
    with httpx.Client(base_url=api.url, headers=headers, timeout=60, trust_env=False) as client:
        return client.request(method, path, json=json)


def test_toggle_sends_the_next_manifest_to_a_waiting_node(api: Api) -> None:
    node = Waiting(api, "toggled")
    first = node.ask()
    waiting = node.begin(first.headers["etag"])
    assert not eventually(waiting.done, 0.3)
    assert node.person("PATCH", BAN, {"mode": "monitor"}).status_code == 200
    second = waiting.result(timeout=20)
    assert (second.status_code, second.headers["etag"] != first.headers["etag"]) == (200, True)
    verify_manifest(second.content, node.key)
    assert second.json()["revision"] == first.json()["revision"] + 1
    for part in ("names", "ranges", "rules"):
        file = _asked(api, node.token, "GET", f"/v1/nodes/self/files/{second.json()[part]['sha256']}")
        assert (file.status_code, len(file.content)) == (200, second.json()[part]["size"])


def test_wait_without_a_newer_snapshot_times_out(api: Api) -> None:
    node = Waiting(api, "patient")
    tag = node.ask().headers["etag"]
    assert node.ask(tag, wait=1).status_code == 304


def test_node_removed_while_waiting_is_refused(api: Api) -> None:
    node = Waiting(api, "removed")
    tag = node.ask().headers["etag"]
    waiting = node.begin(tag)
    assert not eventually(waiting.done, 0.3)
    assert node.person("DELETE", "/v1/nodes/removed").status_code == 204
    assert waiting.result(timeout=20).status_code == 401
    assert node.ask(tag, wait=30).status_code == 401


def test_stop_does_not_wait_for_waiting_nodes(tmp_path: Path) -> None:
    with Api(tmp_path / "api", POLICY) as running:
        node = Waiting(running, "stopped")
        tag = node.ask().headers["etag"]
        waiting = node.begin(tag)
        assert not eventually(waiting.done, 0.3)
        assert running.stop() == 0
        # A request that is cut off after five seconds has no answer.
        assert waiting.result(timeout=20).status_code == 304
    log = running.log.read_text()
    assert ("route=/v1/nodes " in log, "route=/v1/nodes/self/snapshot" in log) == (True, False)
