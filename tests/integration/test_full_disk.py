"""A full disk: on a node, revisions and local suspensions hold in memory; the control plane says what it refuses."""

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from dnsfilter.local.unwritten_acts import UnwrittenActs
from dnsfilter.policy.model import Mode
from tests.integration.test_pulling import CLIENT, NAME, answers, snapshot
from tests.support.fake_control_plane import ONE_TIME, Played
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, eventually
from tests.support.small_disk import SmallApi, SmallDisk, fill


@pytest.fixture
def plane() -> Iterator[Played]:
    with Played() as made:
        made.publish(snapshot(1))
        yield made


@pytest.fixture
def node(plane: Played, tmp_path: Path, authority: Knot) -> Iterator[SmallDisk]:
    (tmp_path / "token").write_text(ONE_TIME)
    config = f'[control_plane]\nurl = "{plane.url}"\ntoken = "token"\n'
    with SmallDisk(tmp_path, authority.hostport, policy=None, config=config) as running:
        assert answers(running, "REFUSED")
        yield running


def readiness(node: SmallDisk) -> str:
    with urllib.request.urlopen(node.ready_url(), timeout=60) as response:
        return str(response.read().decode())


def unwritten(node: SmallDisk) -> bool:
    return node.metrics()["dnsfilter_unwritten"] == 1


def stored(node: SmallDisk) -> int:
    return int((node.disk / "node" / "snapshots" / "current").read_text().split()[0])


def test_a_newer_revision_holds_in_memory_until_the_disk_takes_it(node: SmallDisk, plane: Played) -> None:
    filler = fill(node.disk)
    plane.publish(snapshot(2, Mode.OFF))
    assert answers(node, "NOERROR")
    assert eventually(lambda: unwritten(node) and node.metrics()["dnsfilter_snapshot_revision"] == 2)
    assert readiness(node).startswith("ready; revision 2 is in force, but only in memory: receive revision 2:")
    assert eventually(lambda: node.logged("snapshot is only in memory", "revision=2", "No space left on device"))
    assert eventually(lambda: "only in memory" in plane.reports[-1]["trouble"])
    plane.publish(snapshot(3))
    assert answers(node, "REFUSED")
    assert stored(node) == 1
    os.kill(node.worker_pid(), 9)
    assert node.dig(NAME, bind=CLIENT, extra=["+tries=5"]).rcode == "REFUSED"
    filler.unlink()
    plane.publish(snapshot(4, Mode.OFF))
    assert answers(node, "NOERROR")
    assert eventually(lambda: stored(node) == 4 and not unwritten(node))
    assert readiness(node) == "ready\n"
    assert eventually(lambda: plane.reports[-1]["trouble"] == "")


@pytest.mark.slow
def test_a_local_suspension_and_its_end_hold_in_memory_until_the_disk_takes_them(node: SmallDisk) -> None:
    filler = fill(node.disk)
    done = node.run("suspend", "--for", "1h", "--reason", "the disk is full, and nobody can pay")
    assert (done.returncode, "No space left on device" in done.stderr) == (0, True), done.stderr
    assert "holds in memory" in done.stderr
    assert answers(node, "NOERROR")
    assert eventually(lambda: unwritten(node))
    assert "local acts are only in memory" in readiness(node)
    assert "nobody can pay" in node.run("suspend", "--list").stdout
    ended = node.run("suspend", "--end")
    assert ended.returncode == 0, ended.stderr
    assert answers(node, "REFUSED")
    assert node.run("suspend", "ghent", "--for", "1h", "--reason", "again").returncode == 0
    assert answers(node, "NOERROR")
    journal = node.disk / "node" / "journal.jsonl"
    assert not journal.exists() or journal.read_text() == ""
    filler.unlink()
    assert eventually(lambda: not unwritten(node))
    assert eventually(lambda: node.logged("local acts are on disk now", "acts=3"))
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    acts = [(line["act"], line["authority"]) for line in lines if "act" in line]
    assert acts == [("suspend", None), ("end_suspension", None), ("suspend", "ghent")]
    assert answers(node, "NOERROR")
    memory = UnwrittenActs(node.disk / "node").directory
    assert not [path for path in memory.iterdir() if path.suffix != ".lock"]
    shutil.rmtree(memory)
    assert node.run("suspend", "ghent", "--end").returncode == 0
    assert answers(node, "REFUSED")


def test_the_control_plane_says_that_its_disk_is_full(tmp_path: Path) -> None:
    with SmallApi(tmp_path, EXAMPLE.read_text()) as api:
        token = (api.disk / "admin-token").read_text().strip()
        with httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:

            def toggle(mode: str) -> httpx.Response:
                return client.patch("/v1/authorities/ghent/bans/tiktok", json={"mode": mode})

            assert client.get("/readyz").json()["reason"] is None
            filler = fill(api.disk)
            modes = cycle(["off", "enforce"])
            assert eventually(lambda: toggle(next(modes)).json().get("type") == "/problems/database-unavailable")
            assert toggle("off").json()["detail"].startswith("nothing was recorded: disk full. ")
            assert eventually(lambda: client.get("/readyz").status_code == 503)
            assert "is full" in client.get("/readyz").json()["reason"]
            assert client.get("/v1/authorities/ghent/bans/tiktok").status_code == 200
            filler.unlink()
            assert eventually(lambda: client.get("/readyz").status_code == 200)
            assert toggle("off").status_code == 200
