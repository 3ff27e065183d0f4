"""Control planes that start in a fraction of a second, to be killed: forks of a process that has imported everything.

Run as a program it reads orders, a JSON object each line, and answers each with a line.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Nursery:
    """Starts and kills control planes. Use it as a context manager; what still runs at its end is killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.forked_planes"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._running: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in tuple(self._running):
            self.kill(pid)
        # Its end of the orders ends it.
        self._process.communicate(timeout=20)

    def start(self, arguments: Sequence[str], log: Path) -> int:
        """Start a control plane with these options, its output added to a file; its process id."""
        pid = self._order({"start": list(arguments), "log": str(log)})
        self._running.add(pid)
        return pid

    def kill(self, pid: int) -> int:
        """End it with SIGKILL at once; its status as `waitpid` has it."""
        self._running.discard(pid)
        return self._order({"kill": pid})

    def _order(self, order: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _run() -> None:
    import api.main

    for line in sys.stdin:
        order = json.loads(line)
        if "kill" in order:
            os.kill(order["kill"], signal.SIGKILL)
            print(os.waitpid(order["kill"], 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            for descriptor in (1, 2):
                os.dup2(log, descriptor)
            os._exit(api.main.main(order["start"]))
        print(pid, flush=True)


if __name__ == "__main__":
    _run()
