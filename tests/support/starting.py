"""Fixtures that several directories share: a conftest imports those of its tests from here."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from dnsfilter.policy.model import Policy
from tests.support.engines import KINDS, Rig, running
from tests.support.knot import Knot
from tests.support.nodes import Node
from tests.support.scripted import Scripted
from tests.support.zones import OFFICE_ZONES, ZONES


class Start(Protocol):
    """Start an engine for the rest of the test; arguments as `running` takes them."""

    def __call__(self, policy: Policy, *upstreams: Scripted, **settings: Any) -> Rig: ...

    def close(self) -> None:
        """End the engines that run; others may be started."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of engine under test."""
    return str(request.param)


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Start]:
    """Starts engines of that kind."""
    with closing(_Starting(kind, tmp_path)) as starting:
        yield starting


class _Starting:
    """Engines of one kind, each with a directory of its own below `directory`."""

    def __init__(self, kind: str, directory: Path) -> None:
        self._kind = kind
        self._directory = directory
        self._numbers = count()
        self._stack = ExitStack()

    def __call__(self, policy: Policy, *upstreams: Scripted, **settings: Any) -> Rig:
        place = self._directory / str(next(self._numbers))
        place.mkdir()
        return self._stack.enter_context(running(self._kind, policy, *upstreams, directory=place, **settings))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def authority() -> Iterator[Knot]:
    """A real authoritative server with the zones of public names."""
    with Knot(ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def office() -> Iterator[Knot]:
    """Another one with the zones of an office."""
    with Knot(OFFICE_ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, authority: Knot, office: Knot) -> Iterator[Node]:
    """A resolver by the example policy, with a conditional zone for the office."""
    zones = f'[[zone]]\nsuffix = "corp.local"\nservers = ["{office.hostport}"]\n'
    with Node(tmp_path_factory.mktemp("node"), authority.hostport, config=zones) as running:
        yield running


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps tests that load the machine from running side by side: each wants the processor."""
    with (tmp_path_factory.getbasetemp().parent / "load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
