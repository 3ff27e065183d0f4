"""Run a test that is a coroutine function."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import ParamSpec

Arguments = ParamSpec("Arguments")


def on_a_loop(test: Callable[Arguments, Coroutine[None, None, None]]) -> Callable[Arguments, None]:
    """Return the test, which runs on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run
