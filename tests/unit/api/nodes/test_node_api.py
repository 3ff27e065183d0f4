"""Routes that send nodes the signed manifest and the files of snapshots."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from api.http.quota import Quota
from api.nodes.fleet import Fleet
from api.server.request_limits import SLOTS
from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.file_changes import apply_changes
from dnsfilter.snapshot.manifest import FileRef, parse_manifest
from dnsfilter.snapshot.signature import verify_manifest
from tests.unit.api.conftest import Plane, make_plane, on_both_databases
from tests.unit.api.nodes.conftest import Machine, crowd

pytestmark = pytest.mark.heavy

WAITING = 3 * sum(most for most, _ in SLOTS.values())


def _fleet(plane: Plane) -> Fleet:
    found = plane.app.state.fleet
    assert isinstance(found, Fleet)
    return found


def test_node_gets_the_stored_manifest_signed_with_its_pinned_key(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    answer = machine.call("GET", "snapshot")
    assert answer.content == town.store.read_current().manifest
    assert answer.headers["etag"] == f'"{sha256(answer.content).hexdigest()}"'
    verify_manifest(answer.content, machine.key)
    with pytest.raises(SnapshotError, match="its signature is not valid for"):
        verify_manifest(answer.content.replace(b'"made_s":1', b'"made_s":2'), machine.key)


def test_snapshot_published_after_a_restart_is_signed_with_the_same_key(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    town.database.close()
    again = make_plane(town.settings.state_dir, url=town.settings.database)
    again.clock.now += 5
    again.publisher.publish_current()
    machine.plane = again
    verify_manifest(machine.call("GET", "snapshot").content, machine.key)
    again.database.close()


def test_snapshot_that_the_node_has_is_not_sent_again(machine: Machine) -> None:
    tag = machine.call("GET", "snapshot").headers["etag"]
    for sent in (tag, f'"x", {tag}', f"W/{tag}"):
        again = machine.call("GET", "snapshot", tag=sent)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    machine.plane.done("PUT", "/v1/sites/depot", {"name": "depot"})
    newer = machine.call("GET", "snapshot", tag=tag)
    assert (newer.status_code, newer.headers["etag"] != tag) == (200, True)


def test_before_the_first_publication_there_is_no_snapshot(tmp_path: Path) -> None:
    plane = make_plane(tmp_path / "state")
    machine = Machine.enrolled(plane, "office-1")
    answer = machine.call("GET", "snapshot")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-published")
    plane.publisher.publish_current()
    assert machine.call("GET", "snapshot").status_code == 200
    plane.database.close()


@pytest.mark.parametrize("wait", ["-1", "31", "long"])
def test_wait_above_thirty_seconds_is_rejected(machine: Machine, wait: str) -> None:
    assert machine.call("GET", f"snapshot?wait={wait}").status_code == 422


def test_files_of_the_newest_and_of_kept_manifests_are_sent(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    old = parse_manifest(town.store.read_current().manifest)
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    files = town.store.read_current()
    new = parse_manifest(files.manifest)
    assert old.rules.digest != new.rules.digest
    for part, content in ((new.names, files.names), (new.ranges, files.ranges), (new.rules, files.rules)):
        answer = machine.call("GET", f"files/{part.digest.hex()}")
        assert (answer.status_code, answer.content) == (200, bytes(content))
        assert answer.headers["content-length"] == str(part.size)
    assert sha256(machine.call("GET", f"files/{old.rules.digest.hex()}").content).digest() == old.rules.digest


def test_names_are_sent_as_changes_since_those_that_the_node_has(town: Plane) -> None:
    machine, path = Machine.enrolled(town, "office-1"), "/v1/authorities/town/services"
    town.done("PUT", f"{path}/large", {"name": "L", "domains": [f"n{number}.example.org" for number in range(2_000)]})
    old = town.store.read_current()
    town.done("PUT", f"{path}/small", {"name": "S", "domains": ["games.example.net"]})
    new = town.store.read_current()
    before, after = parse_manifest(old.manifest), parse_manifest(new.manifest)

    def asked(part: FileRef, since: str) -> tuple[int, bytes]:
        answer = machine.call("GET", f"files/{part.digest.hex()}?since={since}")
        return answer.status_code, answer.content

    status, changes = asked(after.names, before.names.digest.hex())
    assert (status, apply_changes(old.names, changes, after.names.size)) == (226, bytes(new.names))
    assert len(changes) < after.names.size // 10
    # Nothing in common, no such file, or no names file: the complete file.
    assert asked(after.names, "0" * 64) == (200, bytes(new.names))
    assert asked(after.names, before.rules.digest.hex()) == (200, bytes(new.names))
    assert asked(after.rules, before.rules.digest.hex()) == (200, bytes(new.rules))
    assert asked(replace(after.names, digest=bytes(32)), before.names.digest.hex())[0] == 404
    assert asked(after.names, "odd")[0] == 422


def test_file_that_no_manifest_names_is_not_sent_although_it_exists(machine: Machine) -> None:
    directory = machine.plane.settings.snapshot_dir
    left = sha256(b"left").hexdigest()
    (directory / f"{left}.names").write_bytes(b"left")
    assert machine.call("GET", f"files/{left}").status_code == 404
    assert machine.call("GET", f"files/{'0' * 64}").status_code == 404
    for odd in ("current", "..%2Fadmin-token", left.upper(), left[:-1]):
        assert machine.call("GET", f"files/{odd}").status_code in (404, 422)


def test_downloads_are_limited_and_each_frees_its_slot(machine: Machine) -> None:
    fleet = _fleet(machine.plane)
    digest = parse_manifest(machine.call("GET", "snapshot").content).names.digest.hex()
    fleet.downloads = Quota("files on their way", 1, 1)
    for _ in range(3):
        assert machine.call("GET", f"files/{digest}").status_code == 200
        assert machine.call("GET", f"files/{'0' * 64}").status_code == 404
    with fleet.downloads.held(7):
        busy = machine.call("GET", f"files/{digest}")
    assert (busy.status_code, busy.json()["type"], busy.headers["retry-after"]) == (503, "/problems/overloaded", "1")


def test_node_downloads_at_most_two_files_at_once(machine: Machine) -> None:
    other = Machine.enrolled(machine.plane, "office-2")
    fleet = _fleet(machine.plane)
    digest = parse_manifest(machine.call("GET", "snapshot").content).names.digest.hex()
    with fleet.downloads.held(1):
        with fleet.downloads.held(1):
            busy = machine.call("GET", f"files/{digest}")
            assert (busy.status_code, busy.json()["type"], busy.headers["retry-after"]) == (
                429, "/problems/too-many-at-once", "1",
            )  # fmt: skip
            assert other.call("GET", f"files/{digest}").status_code == 200
        assert machine.call("GET", f"files/{digest}").status_code == 200


@on_both_databases
def test_more_nodes_can_wait_than_requests_run_and_all_are_woken(town: Plane) -> None:
    tokens = crowd(town, WAITING)
    newest = _fleet(town).announcements.newest
    assert newest is not None

    async def run() -> tuple[int, set[int], int]:
        transport = httpx.ASGITransport(town.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
            polls: list[asyncio.Task[httpx.Response]] = []
            for token in tokens:
                headers = {"Authorization": f"Bearer {token}", "If-None-Match": f'"{newest.digest}"'}
                poll = client.get("/v1/nodes/self/snapshot?wait=30", headers=headers)
                polls.append(asyncio.create_task(poll))
            while _fleet(town).announcements.waiting < len(polls):
                await asyncio.sleep(0.01)
            person = {"Authorization": f"Bearer {town.token}"}
            toggled = await client.patch("/v1/authorities/town/bans/alpha", json={"mode": "off"}, headers=person)
            answers = await asyncio.gather(*polls)
            return toggled.status_code, {answer.status_code for answer in answers}, len(answers)

    assert asyncio.run(run()) == (200, {200}, WAITING)
    assert _fleet(town).announcements.waiting == 0


def test_token_of_a_node_does_not_allow_large_request_bodies_elsewhere(machine: Machine) -> None:
    read: list[bytes] = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            read.append(b"#" * 64 * 1024)
            yield read[-1]

    headers = {"Authorization": f"Bearer {machine.token}", "Content-Type": "text/csv"}
    sized = {**headers, "Content-Length": str(100 * 64 * 1024)}
    answer = machine.plane.call("POST", "/v1/ranges/import", headers=sized, content=parts())
    assert (answer.status_code, read) == (401, [])
