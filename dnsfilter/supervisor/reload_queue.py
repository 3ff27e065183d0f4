"""Reloads and upgrades of a node, one at a time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from dnsfilter.telemetry import logs

Reload: TypeAlias = Callable[[], Coroutine[Any, Any, str]]
Upgrade: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
_LOG = logging.getLogger("dnsfilter.node")


class ReloadQueue:
    """Run a reload or an upgrade. What is asked for meanwhile waits for its end; several reloads become one.

    `reload` returns why the new configuration does not answer, empty if it does.
    """

    def __init__(self, reload: Reload, upgrade: Upgrade) -> None:
        self._reload = reload
        self._upgrade = upgrade
        self._task: asyncio.Task[None] | None = None
        self._reloads: list[asyncio.Future[str]] = []
        self._upgrade_waits = self._is_upgrading = False

    def ask_reload(self) -> "asyncio.Future[str]":
        """Reload after now. Return what will be the reload's result."""
        result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reloads.append(result)
        self._start()
        return result

    def ask_upgrade(self) -> None:
        """Upgrade after now, unless an upgrade is running."""
        if self._is_upgrading:
            logs.emit(_LOG, logging.WARNING, "signal ignored", reason="an upgrade is still running")
            return
        self._upgrade_waits = True
        self._start()

    def cancel(self) -> None:
        """End what is running."""
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._reloads or self._upgrade_waits:
            if self._upgrade_waits:
                self._upgrade_waits, self._is_upgrading = False, True
                try:
                    await self._upgrade()
                finally:
                    self._is_upgrading = False
                continue
            waiting, self._reloads = self._reloads, []
            try:
                reason = await self._reload()
                for result in waiting:
                    if not result.done():  # the command that waited may have ended
                        result.set_result(reason)
            finally:
                for result in waiting:
                    result.cancel()  # without a result its command would wait until its time is over
