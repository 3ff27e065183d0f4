"""Settings for every test."""

import asyncio
import gc
import inspect
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator
from itertools import chain, groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dnsfilter.worker.engine_loop import EngineLoop
from tests.support.engines import KINDS

# No deadlines: how long an example takes depends on the load of the machine. CI draws the same examples each time.
# DNSFILTER_EXAMPLES sets the number of examples for tests that do not set it themselves.
settings.register_profile(
    "dnsfilter",
    parent=settings.get_profile("ci" if os.environ.get("CI") == "true" else "default"),
    deadline=None,
    max_examples=int(os.environ.get("DNSFILTER_EXAMPLES", "25")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dnsfilter")


LONG = ("integration", "conformance")
"""The directories whose tests wait for servers and clocks."""
LONGEST = frozenset(
    {
        "api/console/bans/test_terms_page.py",
        "api/console/test_router.py",
        "api/ctl/test_parser_json.py",
        "api/attention/test_matters.py",
        "api/bans/test_service.py",
        "api/lists/test_service.py",
        "cli/doctor/test_node_files.py",
        "contract/test_upstream.py",
        "engine/compiled/policy/test_snapshot.py",
        "integration/test_alerts.py",
        "integration/test_bench_smoke.py",
        "integration/test_captures.py",
        "integration/test_decisions.py",
        "integration/test_firewall.py",
        "integration/test_guide.py",
        "integration/test_node.py",
        "integration/test_setup.py",
        "integration/test_two_nodes.py",
        "integration/test_workers.py",
        "unit/server/test_stream.py",
    }
)
"""The ends of the paths of files that take more than half a minute each. A core that begins one last works alone."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Disable garbage collection during the collection of tests. Afterwards, run it less often.

    Modules and tests stay, and scanning them takes a third of the time. Python's default, a run after 700 new objects,
    takes a tenth of the time of a control plane's tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files and spread the other long ones, so that cores work while tests wait.

    End with `fuzz`: its engines bind thousands of random ports, and servers that start at the same time would find
    their ports taken. Keep the random order otherwise.

    Mark what the tiers of the Makefile choose by: tests in `fuzz`, tests with PostgreSQL as heavy, and as slow those
    that SQLite has passed already, and long ones and `fuzz` that the compiled engine has passed already.
    """
    files = [list(tests) for _, tests in groupby(items, lambda item: item.path)]
    short = [tests for tests in files if not _is_long(tests[0].path)]
    long = [tests for tests in files if _is_long(tests[0].path)]
    long.sort(key=lambda tests: not _is_longest(tests[0].path))
    short.sort(key=lambda tests: "fuzz" in tests[0].path.parts)
    between = len(short) * 8 // 10 // max(len(long), 1)  # the last fifth has no long ones
    mixed: list[list[pytest.Item]] = []
    for number, tests in enumerate(long):
        mixed += [tests, *short[number * between :][:between]]
    items[:] = chain.from_iterable((*mixed, *short[len(long) * between :]))
    for item in items:
        if _is_repeated(item):
            item.add_marker(pytest.mark.slow)
        elif "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.heavy)
        if "fuzz" in item.path.parts:
            item.add_marker(pytest.mark.fuzz)


def _is_repeated(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if not callspec:
        return False
    by_reference = "reference" in callspec.params.values() and _is_in((*LONG, "fuzz"), item.path)
    return callspec.params.get("backend") == "postgresql" or (by_reference and len(KINDS) > 1)


def _is_long(path: Path) -> bool:
    return _is_longest(path) or _is_in(LONG, path)


def _is_in(directories: tuple[str, ...], path: Path) -> bool:
    return not set(directories).isdisjoint(path.parts)


def _is_longest(path: Path) -> bool:
    return any(path.match(end) for end in LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine on the event loop that workers use."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    with asyncio.Runner(loop_factory=EngineLoop) as runner:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """Undo the changes that a program's `main` makes to the root logger.

    Its handler writes to a standard error that closes at the end of the test.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def zone_here() -> Iterator[Callable[[str], None]]:
    """Return a function that sets the process's time zone, by its IANA name, until the test ends."""
    with pytest.MonkeyPatch.context() as patch:

        def set_zone(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()

        yield set_zone
    time.tzset()
