"""Remember questions that could not be resolved, for a limited time (RFC 9520 section 3.2).

It reads no clock: times are CLOCK_BOOTTIME milliseconds.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.iana import EdeCode

FIRST_HOLD_MS: Final = 1_000
LONGEST_HOLD_MS: Final = 300_000
"""RFC 9520 section 3.2 requires at least a second and at most five minutes."""
MOST_FAILURES: Final = 8_192
MOST_TARGETS: Final = 8
"""Maximum number of names that a remembered failure may lead to. One with more is not remembered, to save memory."""


@dataclass(slots=True)
class Unresolved:
    """The cause of a question's failure, and the names that the answers to its first legs lead to."""

    code: EdeCode | None
    targets: tuple[bytes, ...]
    failed_ms: int
    hold_ms: int
    recoveries: int

    def holds(self, recoveries: int, now_ms: int) -> bool:
        """Return True while the question must not be asked again."""
        hold_ms = self.hold_ms if recoveries == self.recoveries else FIRST_HOLD_MS
        return now_ms < self.failed_ms + hold_ms


class Failures:
    """The last `MOST_FAILURES` questions that failed.

    A failure is held for a second, and twice as long each time the question fails again, up to five minutes. A success
    resets this. `recoveries` counts how often a failing server answered again. A recovery may have cured the question,
    so earlier failures are held for their first second only.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[CacheKey, Unresolved] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: CacheKey, recoveries: int, now_ms: int) -> Unresolved | None:
        """Return the failure of the question while it is held."""
        found = self._known.get(key)
        return found if found is not None and found.holds(recoveries, now_ms) else None

    def note(
        self, key: CacheKey, code: EdeCode | None, targets: tuple[bytes, ...], recoveries: int, now_ms: int
    ) -> None:
        """Remember that the question failed. A failure long after the previous one counts as the first."""
        before = self._known.pop(key, None)
        hold_ms = FIRST_HOLD_MS
        if before is not None and now_ms < before.failed_ms + before.hold_ms + LONGEST_HOLD_MS:
            hold_ms = min(2 * before.hold_ms, LONGEST_HOLD_MS)
        self._known[key] = Unresolved(code, targets, now_ms, hold_ms, recoveries)
        if len(self._known) > MOST_FAILURES:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Forget all failures."""
        self._known.clear()

    def forget(self, key: CacheKey) -> None:
        """Forget the question's failure, because it was resolved."""
        self._known.pop(key, None)
