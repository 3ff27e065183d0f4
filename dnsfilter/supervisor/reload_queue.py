"""Reloads and upgrades of a node, one at a time, and the result of the last for commands and the service manager."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeAlias

from dnsfilter import __version__
from dnsfilter.local.running_node import Failure, RunningConfig
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.notify import notify, state_text

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


class Outcomes:
    """The configuration in force, and the state that the service manager shows. Call `look` with every pass."""

    def __init__(self, text: str) -> None:
        """Initialize with the text of the configuration at the start."""
        self.running = RunningConfig(__version__, text, int(time.time()))
        self._shown: str | None = None

    def look(self, remark: str | None) -> None:
        """Show a node that serves, with a remark. The first call also reports the end of the start."""
        state = self._state(remark)
        if self._shown is None:
            notify("READY=1", state)
        elif state != self._shown:
            notify(state)
        self._shown = state

    def in_force(self, text: str, *, is_another: bool) -> None:
        """Keep the text of a configuration that has come into force. The time stays unless it is another one."""
        since_s = int(time.time()) if is_another else self.running.since_s
        self.running = replace(self.running, text=text, since_s=since_s)

    def end_reload(self, reason: str, remark: str | None) -> None:
        """Report the end of a reload to the service manager. `reason` is why it failed, empty if it did not."""
        self.running = replace(self.running, reload=_failure(reason))
        self._end(remark)

    def end_upgrade(self, reason: str, remark: str | None) -> None:
        """Report the end of an upgrade that failed."""
        self.running = replace(self.running, upgrade=_failure(reason))
        self._end(remark)

    def _end(self, remark: str | None) -> None:
        self._shown = self._state(remark)
        notify("READY=1", self._shown)

    def _state(self, remark: str | None) -> str:
        reload, upgrade = self.running.reload, self.running.upgrade
        return state_text(reload.reason if reload else "", upgrade.reason if upgrade else "", remark or "")


def _failure(reason: str) -> Failure | None:
    return Failure(int(time.time()), reason) if reason else None
