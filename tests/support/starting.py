"""Fixtures that several directories share. A conftest imports those that its tests need."""

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
from tests.support.zone_texts import OFFICE_ZONES, ZONES


class Start(Protocol):
    """Start an engine for the rest of the test. The arguments are those of `running`."""

    def __call__(self, policy: Policy, *upstreams: Scripted, **settings: Any) -> Rig: ...

    def close(self) -> None:
        """End the running engines. Others may be started later."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of engine under test."""
    return str(request.param)


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Start]:
    """Yield a callable that starts engines of that kind."""
    with closing(_Starting(kind, tmp_path)) as starting:
        yield starting


class _Starting:
    """Engines of one kind, each with its own directory below `directory`."""

    def __init__(self, kind: str, directory: Path) -> None:
        self._kind = kind
        self._directory = directory
        self._numbers = count()
        self._stack = ExitStack()

    def __call__(self, policy: Policy, *upstreams: Scripted, **settings: Any) -> Rig:
        directory = self._directory / str(next(self._numbers))
        directory.mkdir()
        return self._stack.enter_context(running(self._kind, policy, *upstreams, directory=directory, **settings))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def authority() -> Iterator[Knot]:
    """Run a real authoritative server with the zones of public names."""
    with Knot(ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def office() -> Iterator[Knot]:
    """Run a real authoritative server with the zones of an office."""
    with Knot(OFFICE_ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, authority: Knot, office: Knot) -> Iterator[Node]:
    """Run a resolver with the example policy, and with a conditional zone for the office."""
    zones = f'[[zone]]\nsuffix = "corp.local"\nservers = ["{office.hostport}"]\n'
    made = Node(tmp_path_factory.mktemp("node"), authority.hostport, config=zones)
    made.is_forked = True
    with made as running:
        yield running


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prevent tests that load the machine from running at the same time: each needs the processor."""
    with (tmp_path_factory.getbasetemp().parent / "load.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
