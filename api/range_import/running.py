"""Progress of imports, in the memory of this process, for callers that poll with their key.

The idempotency table says for a day, and across restarts, that an import was recorded.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request

from api.errors import NotPublished
from api.http import problems
from api.http.dependencies import part_of, request_id
from api.http.idempotency import Answered
from api.http.schemas import ProblemRead
from api.ranges.schemas import ImportProgressRead, Stage

MAX_KEPT = 100


@dataclass(slots=True)
class Import:
    """One import, running or ended."""

    stage: Stage = Stage.CHECKING
    done: int = 0
    total: int = 0
    problem: ProblemRead | None = None

    @property
    def ended(self) -> bool:
        """Return whether the import is done or has failed."""
        return self.stage in (Stage.DONE, Stage.FAILED)

    def enter(self, stage: Stage, total: int) -> None:
        """Begin a stage with `total` rows."""
        self.stage, self.done, self.total = stage, 0, total

    def reach(self, done: int) -> None:
        """Note how many rows are done."""
        self.done = done

    def end(self, problem: ProblemRead | None = None) -> None:
        """Note that the import is recorded."""
        self.stage, self.done, self.problem = Stage.DONE, self.total, problem

    def fail(self, problem: ProblemRead) -> None:
        """Note why nothing is recorded."""
        self.stage, self.problem = Stage.FAILED, problem


class Imports:
    """The newest imports that were sent with a key."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, str], Import] = OrderedDict()
        self._turn = threading.Lock()

    @contextmanager
    def watched(self, request: Request, account: int, key: str | None) -> Iterator[Import]:
        """Watch an import of an account while the block runs. Without a key nobody can ask about it."""
        begun = self._begin(account, key)
        try:
            yield begun
        except Answered:
            begun.end()
            raise
        except NotPublished as error:
            begun.end(_problem(error, request))
            raise
        except Exception as error:
            begun.fail(_problem(error, request))
            raise
        begun.end()

    def find(self, account: int, key: str, *, recorded: bool) -> ImportProgressRead | None:
        """Return the progress of the account's import; None if it is unknown.

        `recorded`: the database has it as done.
        """
        found = self._held.get((account, key))
        # A later request with the same key may have failed. The recorded one is done nevertheless.
        if recorded and (found is None or found.stage is Stage.FAILED):
            found = Import(Stage.DONE)
        if found is None:
            return None
        return ImportProgressRead(stage=found.stage, done=found.done, total=found.total, problem=found.problem)

    def _begin(self, account: int, key: str | None) -> Import:
        begun = Import()
        if key is None:
            return begun
        with self._turn:
            held = self._held.get((account, key))
            # If two have one key, the second waits for the first and gets its answer.
            if held is None or held.ended:
                self._held[account, key] = begun
                self._held.move_to_end((account, key))
            while len(self._held) > MAX_KEPT:
                oldest = next((one for one, kept in self._held.items() if kept.ended), next(iter(self._held)))
                del self._held[oldest]
        return begun


def _problem(error: Exception, request: Request) -> ProblemRead:
    kind, detail, faults = problems.cause(error)
    return ProblemRead(**problems.content(kind, detail, request_id(request), faults))


def imports_of(request: Request) -> Imports:
    """Return the application's imports."""
    return part_of(request, "imports", Imports)
