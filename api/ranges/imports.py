"""How far imports are, in the memory of this process: for whoever sent one with a key, and waits."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from fastapi import Request

from api.deps import part_of
from api.schemas import Read

MAX_KEPT = 100


class Stage(StrEnum):
    """What an import does."""

    WAITING = "waiting"
    """It has not begun, or nothing is known of it here."""
    CHECKING = "checking"
    RECORDING = "recording"
    PUBLISHING = "publishing"


class ImportProgressRead(Read):
    """How far an import is: `done` of `total` rows."""

    stage: Stage
    done: int
    total: int


@dataclass(slots=True)
class Import:
    """One import at work."""

    stage: Stage = Stage.WAITING
    done: int = 0
    total: int = 0

    def enter(self, stage: Stage, total: int) -> None:
        """Begin a stage with so many rows."""
        self.stage, self.done, self.total = stage, 0, total

    def reach(self, done: int) -> None:
        """Note how many rows are done."""
        self.done = done


class Imports:
    """The newest imports that were sent with a key."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, str], Import] = OrderedDict()
        self._turn = threading.Lock()

    def begin(self, account: int, key: str | None) -> Import:
        """An import of an account; without a key nobody can ask about it."""
        begun = Import()
        if key is not None:
            with self._turn:
                self._held[account, key] = begun
                while len(self._held) > MAX_KEPT:
                    self._held.popitem(last=False)
        return begun

    def find(self, account: int, key: str) -> ImportProgressRead:
        """How far the account's import is."""
        found = self._held.get((account, key), Import())
        return ImportProgressRead(stage=found.stage, done=found.done, total=found.total)


def imports_of(request: Request) -> Imports:
    """Return the application's imports."""
    return part_of(request, "imports", Imports)
