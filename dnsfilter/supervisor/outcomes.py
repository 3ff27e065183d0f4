"""What became of the last reload and upgrade: for commands on this machine, and for the service manager."""

import time
from dataclasses import replace

from dnsfilter import __version__
from dnsfilter.local.running_node import Failure, RunningConfig
from dnsfilter.telemetry.notify import notify, state_text


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
