"""An event loop that waits inside an engine, which answers meanwhile without Python.

The engine waits for the loop's descriptors together with its own, in one system call. It returns for these, for the
next timer, for a signal, and for what only Python can do.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, Protocol, TypeVarTuple, Unpack, runtime_checkable

Arguments = TypeVarTuple("Arguments")


@runtime_checkable
class Serving(Protocol):
    """An engine that can wait; `dnsfilter/engine/_engine.pyi` describes the methods."""

    def fileno(self) -> int: ...
    def watch(self, fd: int) -> None: ...
    def unwatch(self, fd: int) -> None: ...
    def serve(self, wait_ns: int) -> tuple[bool, bool]: ...


class _Selector(selectors.EpollSelector):
    """Waits inside the engine, once there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.engine: Serving | None = None
        self.has_work: Callable[[], object] = lambda: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.engine is None:
            return super().select(timeout)
        readable, work = self.engine.serve(-1 if timeout is None else max(round(timeout * 1e9), 0))
        if work:
            self.has_work()
        return super().select(0) if readable else []


class EngineLoop(asyncio.SelectorEventLoop):
    """An event loop that waits inside an engine while its descriptor has a reader."""

    def __init__(self) -> None:
        self._selector_of_engine = _Selector()
        self._serving: Serving | None = None
        super().__init__(self._selector_of_engine)

    def wait_in(self, engine: Serving) -> None:
        """Wait inside this engine as soon as its descriptor gets a reader. Other engines are read as any descriptor."""
        self._serving = engine

    def add_reader(self, fd: Any, callback: Callable[[Unpack[Arguments]], Any], *args: *Arguments) -> None:
        """Call `callback` when the descriptor is readable, for the engine: when its `poll` has work."""
        if self._serving is None or fd != self._serving.fileno():
            super().add_reader(fd, callback, *args)
            return
        self._serving.watch(self._selector_of_engine.fileno())
        self._selector_of_engine.has_work = lambda: self.call_soon(callback, *args)
        self._selector_of_engine.engine = self._serving

    def remove_reader(self, fd: Any) -> bool:
        """Stop waiting for the descriptor. Return whether it had a reader."""
        if self._selector_of_engine.engine is None or fd != self._selector_of_engine.engine.fileno():
            return super().remove_reader(fd)
        self._selector_of_engine.engine.unwatch(self._selector_of_engine.fileno())
        self._selector_of_engine.engine = None
        return True
