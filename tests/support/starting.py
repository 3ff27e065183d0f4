"""The fixtures that give a test an engine of every kind; a conftest imports `kind` and `start` from here."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from dnsfilter.policy.model import Policy
from tests.support.engines import KINDS, Rig, running
from tests.support.scripted import Scripted


class Start(Protocol):
    """Start an engine for the rest of the test; arguments as `running` takes them."""

    def __call__(self, policy: Policy, *upstreams: Scripted, **settings: Any) -> Rig: ...


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of engine under test."""
    return str(request.param)


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Start]:
    """Starts engines of that kind."""
    with ExitStack() as stack:

        def start(policy: Policy, *upstreams: Scripted, **settings: Any) -> Rig:
            place = tmp_path / str(len(list(tmp_path.iterdir())))
            place.mkdir()
            return stack.enter_context(running(kind, policy, *upstreams, directory=place, **settings))

        yield start
