"""Two nodes in separate networks and one control plane: what both receive, and how one continues alone."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_planes import ApiWithin
from tests.support.interceptor import Between
from tests.support.namespaces import KnotWithin, Namespace, NodeWithin, link
from tests.support.nodes import EXAMPLE, eventually, program
from tests.support.zone_texts import ZONES

HOME = "203.0.113.1"
"""The control plane's address, which both links lead to."""
GHENT, MECHELEN, FEDERAL = "127.0.5.10", "127.0.7.10", "127.0.1.10"
"""Clients of these authorities, with the same addresses in both networks."""


@dataclass
class Branch:
    """A network with a node and a link to the control plane."""

    space: Namespace
    node: NodeWithin
    gateway: str

    @property
    def name(self) -> str:
        """Return the name of the node and of both ends of the link."""
        return self.node.directory.name

    def join(self) -> None:
        """Connect the link to the control plane."""
        self.space.ip("link", "set", self.name, "up")
        self.space.ip("route", "replace", f"{HOME}/32", "via", self.gateway)

    def cut(self) -> None:
        """Disconnect the link."""
        self.space.ip("link", "set", self.name, "down")

    def rcode(self, client: str = GHENT) -> str:
        """Return the code of the answer to that client."""
        return self.node.dig("www.tiktok.com", bind=client).rcode

    def revision(self) -> int:
        """Return the revision that the node uses."""
        (text,) = self.node.dig("health.dnsfilter.internal", "TXT").rdata("TXT")
        return int("".join(filter(str.isdigit, text)))

    def restart(self) -> None:
        """Stop the node and start it again."""
        self.node.stop()
        self.node.start()


@dataclass
class World:
    """A control plane and two branches."""

    api: ApiWithin
    one: Branch
    two: Branch

    def set_mode(self, mode: str, authority: str = "ghent") -> int:
        """Change the mode of a ban on TikTok. Return the revision that is published with it."""
        self.api("PATCH", f"/v1/authorities/{authority}/bans/tiktok", {"mode": mode})
        return self.published()

    def published(self) -> int:
        """Return the revision that every node must get."""
        return int(self.api("GET", "/v1/decision?client=127.0.5.10&name=www.tiktok.com")["revision"])

    def shown(self, branch: Branch) -> Any:
        """Return the node as the control plane shows it."""
        return self.api("GET", f"/v1/nodes/{branch.name}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run a control plane and two branches. Enrol both nodes by command, because their connection is not encrypted."""
    directory = tmp_path_factory.mktemp("world")
    with ExitStack() as stack:
        centre = stack.enter_context(Namespace())
        centre.add_address(f"{HOME}/32")
        branches = [
            _branch(stack, centre, directory / name, f"198.51.100.{first}", f"198.51.100.{first + 1}")
            for name, first in (("one", 1), ("two", 5))
        ]
        api = stack.enter_context(ApiWithin(centre, directory / "api", EXAMPLE.read_text(), HOME))
        for branch in branches:
            made = api("POST", "/v1/nodes", {"name": branch.name})
            (branch.node.directory / "token").write_text(made["enrolment_token"])
        for branch in branches:
            _enrol_by_hand(branch)
            stack.enter_context(branch.node)
        yield World(api, *branches)


def _branch(stack: ExitStack, centre: Namespace, directory: Path, gateway: str, address: str) -> Branch:
    space = stack.enter_context(Namespace(neighbour=centre))
    link(centre, space, [f"{gateway}/30"], [f"{address}/30"], directory.name)
    upstream = stack.enter_context(KnotWithin(space, ZONES))
    config = f'[control_plane]\nurl = "http://{HOME}:8080"\n'
    node = NodeWithin(space, directory, upstream.hostport, policy=None, config=config)
    made = Branch(space, node, gateway)
    made.join()
    return made


def _enrol_by_hand(branch: Branch) -> None:
    files = ["--config", str(branch.node.config), "--token-file", str(branch.node.directory / "token")]
    plain = branch.space.run(program("dnsfilter"), "enrol", *files)
    assert (plain.returncode, "exposes the token" in plain.stderr) == (1, True)
    files.append("--allow-plain")
    done = branch.space.run(program("dnsfilter"), "enrol", *files)
    assert (done.returncode, "enrolled at" in done.stdout) == (0, True), done.stderr
    again = branch.space.run(program("dnsfilter"), "enrol", *files)
    assert (again.returncode, "it refuses this token" in again.stderr) == (1, True)


@pytest.fixture
def joined(world: World) -> Iterator[World]:
    """Yield the world with both nodes connected and at the newest revision. Connect node two again afterwards."""
    for branch in (world.one, world.two):
        branch.join()
    revision = max(world.set_mode("enforce"), world.set_mode("enforce", "mechelen"))
    for branch in (world.one, world.two):
        assert eventually(lambda at=branch: at.revision() == revision)  # type: ignore[misc]
    yield world
    world.two.join()


def test_a_toggle_is_in_force_on_both(joined: World, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = joined.one, joined.two
    taken = []
    for mode, expected in 3 * (("off", "NOERROR"), ("enforce", "REFUSED")):
        begun = time.monotonic()
        revision = joined.set_mode(mode)
        assert eventually(lambda rcode=expected: (one.rcode(), two.rcode()) == (rcode, rcode))  # type: ignore[misc]
        taken.append(1000 * (time.monotonic() - begun))
    for branch in (one, two):
        assert eventually(lambda at=branch: joined.shown(at)["revision"] == revision)  # type: ignore[misc]
        assert (joined.shown(branch)["state"], joined.shown(branch)["trouble"]) == ("current", "")
    with capsys.disabled():
        print(f"\nfrom the request until both nodes' digs saw it: {', '.join(f'{ms:.0f}' for ms in taken)} ms")


@pytest.mark.slow
def test_a_node_that_is_cut_off_and_restarted_decides_by_the_last_and_ends_a_term_on_time(joined: World) -> None:
    one, two = joined.one, joined.two
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    body = {"at": end.isoformat(), "reason": "the council withdrew it"}
    joined.api("POST", "/v1/authorities/federal/bans/tiktok/end", body)
    revision = joined.published()
    assert eventually(lambda: two.revision() == revision)
    two.cut()
    two.restart()
    joined.set_mode("off", "mechelen")
    assert eventually(lambda: one.rcode(MECHELEN) == "NOERROR")
    assert (two.rcode(MECHELEN), two.revision()) == ("REFUSED", revision)
    before = [branch.rcode(FEDERAL) for branch in (one, two)]
    assert before == ["REFUSED", "REFUSED"] or datetime.now(UTC) >= end
    assert eventually(lambda: datetime.now(UTC) >= end)
    assert [branch.rcode(FEDERAL) for branch in (one, two)] == ["NOERROR", "NOERROR"]
    assert two.rcode(MECHELEN) == "REFUSED"
    two.join()
    assert eventually(lambda: two.rcode(MECHELEN) == "NOERROR")
    assert eventually(lambda: two.node.logged('event="snapshot pulled"', f"revision={joined.published()}"))


def unaltered(_path: str, body: bytes) -> bytes:
    """Return the body as it is."""
    return body


def unsigned(path: str, body: bytes) -> bytes:
    """Remove the signature of manifests."""
    return json.dumps({**json.loads(body), "signature": ""}).encode() if "/snapshot" in path else body


def resigned(path: str, body: bytes) -> bytes:
    """Replace the signature of manifests with an invalid one."""
    return json.dumps({**json.loads(body), "signature": 128 * "a"}).encode() if "/snapshot" in path else body


def spoilt(path: str, body: bytes) -> bytes:
    """Change the last byte of files."""
    return body[:-1] + bytes([body[-1] ^ 1]) if "/files/" in path else body


@pytest.fixture
def between(joined: World) -> Iterator[Between]:
    """Run a proxy between node two and the control plane, which has the control plane's address in that network."""
    space = joined.two.space
    space.add_address(f"{HOME}/32")
    sock = space.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((HOME, 8080))
    with Between(sock, joined.api.connection) as proxy:
        joined.two.restart()
        yield proxy
    space.ip("address", "delete", f"{HOME}/32", "dev", "lo")
    joined.two.restart()


def test_what_somebody_in_between_alters_is_refused_and_named(joined: World, between: Between) -> None:
    one, two = joined.one, joined.two
    # A node does not fetch rules again, so the proxy could not alter them. After this change all rules are new.
    joined.api("PATCH", "/v1/authorities/ghent", {"contact": "security@ghent.example"})
    assert eventually(lambda: two.revision() == joined.published())
    steps = [
        (unsigned, "off", "NOERROR", "it has no signature"),
        (resigned, "enforce", "REFUSED", "its signature is not valid for"),
        (spoilt, "monitor", "NOERROR", "do not match its size or its digest"),
    ]
    for alter, mode, expected, reason in steps:
        before = two.rcode(), two.revision()
        between.alter = alter
        refused = f"revision {joined.set_mode(mode)} refused"
        assert eventually(lambda rcode=expected: one.rcode() == rcode)  # type: ignore[misc]
        assert eventually(lambda why=reason: why in joined.shown(two)["trouble"]), reason  # type: ignore[misc]
        assert joined.shown(two)["trouble"].startswith(refused)
        assert two.node.logged('event="snapshot refused"', refused, reason)
        assert (two.rcode(), two.revision()) == before
        between.alter = unaltered
        assert eventually(lambda rcode=expected: two.rcode() == rcode)  # type: ignore[misc]
        assert eventually(lambda: joined.shown(two)["trouble"] == "")


def test_a_revision_chosen_on_the_spot_is_shown_as_that_until_the_next_change(joined: World) -> None:
    before = joined.published()
    newest = joined.set_mode("off")
    assert eventually(lambda: joined.two.revision() == newest)
    command = ("snapshot", "use", str(before), "--reason", "a test", "--config", str(joined.two.node.config))
    chosen = joined.two.space.run(program("dnsfilter"), *command)
    assert chosen.returncode == 0, chosen.stderr
    assert eventually(lambda: joined.shown(joined.two)["state"] == "held")
    shown = joined.shown(joined.two)
    assert (shown["revision"], shown["held_up_to"], shown["trouble"]) == (before, newest, "")
    newer = joined.set_mode("monitor")
    assert eventually(lambda: joined.shown(joined.two)["revision"] == newer)
    shown = joined.shown(joined.two)
    assert (shown["state"], shown["held_up_to"]) == ("current", None)
