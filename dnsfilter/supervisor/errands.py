"""Reloads and upgrades of a node, one at a time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from dnsfilter.telemetry import logs

Reload: TypeAlias = Callable[[], Coroutine[Any, Any, str]]
Upgrade: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
_LOG = logging.getLogger("dnsfilter.node")


class Errands:
    """Run a reload or an upgrade. Reloads that are asked for meanwhile wait for its end, and become one.

    `reload` returns why the new configuration does not answer, empty if it does.
    """

    def __init__(self, reload: Reload, upgrade: Upgrade) -> None:
        self._reload = reload
        self._upgrade = upgrade
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[str]] = []

    def ask_reload(self) -> "asyncio.Future[str]":
        """Reload after now. Return what will be the reload's result."""
        result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(result)
        if not self._is_running:
            self._start(self._reload_waiting())
        return result

    def ask_upgrade(self) -> None:
        """Upgrade now, unless a reload or an upgrade is running."""
        if self._is_running:
            logs.emit(_LOG, logging.WARNING, "signal ignored", reason="a reload or upgrade is still running")
        else:
            self._start(self._upgrade())

    def cancel(self) -> None:
        """End what is running."""
        if self._task is not None:
            self._task.cancel()

    @property
    def _is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def _start(self, first: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(first))

    async def _work(self, first: Coroutine[Any, Any, None]) -> None:
        await first
        await self._reload_waiting()

    async def _reload_waiting(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            reason = await self._reload()
            for result in waiting:
                if not result.done():  # the command that waited may have ended
                    result.set_result(reason)
