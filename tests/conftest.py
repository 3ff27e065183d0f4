"""Settings for every test."""

import gc
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# No deadlines: how long an example takes says how busy the machine is. CI draws the same examples each time.
# DNSFILTER_EXAMPLES draws more, where a test does not say how many itself.
settings.register_profile(
    "dnsfilter",
    parent=settings.get_profile("ci" if os.environ.get("CI") == "true" else "default"),
    deadline=None,
    max_examples=int(os.environ.get("DNSFILTER_EXAMPLES", "25")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dnsfilter")


LONGEST = ("integration", "conformance")
"""The directories whose files take longest: begun first, none of them runs alone at the end.

Those of `fuzz` are not among them: their engines bind thousands of random ports, and servers that start at the same
time would find theirs taken.
"""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage meanwhile: modules and tests stay, and to go through them takes a third of the time.

    Then collect it rarely: Python's default, after 700 new objects, is a tenth of what a control plane's tests cost.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, in an order that is random otherwise, and mark what PostgreSQL runs as slow."""
    items.sort(key=lambda item: not any(part in LONGEST for part in item.path.parts))
    for item in items:
        callspec = getattr(item, "callspec", None)
        if "server" in getattr(item, "fixturenames", ()) or (
            callspec and callspec.params.get("backend") == "postgresql"
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """Undo what a program's `main` sets: its handler writes to a standard error that ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def zone_here() -> Iterator[Callable[[str], None]]:
    """Sets this machine's time zone, by its IANA name, until the test is over."""
    with pytest.MonkeyPatch.context() as patch:

        def set_zone(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()

        yield set_zone
    time.tzset()
