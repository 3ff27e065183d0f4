"""Questions that could not be resolved, remembered for a while (RFC 9520 section 3.2).

No clock: instants are CLOCK_BOOTTIME milliseconds.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.iana import EdeCode

FIRST_HOLD_MS: Final = 1_000
LONGEST_HOLD_MS: Final = 300_000
"""RFC 9520 section 3.2 demands at least a second and at most five minutes."""
MOST_FAILURES: Final = 8_192
MOST_TARGETS: Final = 8
"""Names that a remembered failure may lead to. One with more is not remembered, to bound the memory."""


@dataclass(slots=True)
class Unresolved:
    """Why a question failed, and the names that the answers to its first legs lead to."""

    code: EdeCode | None
    targets: tuple[bytes, ...]
    failed_ms: int
    hold_ms: int
    recoveries: int

    def holds(self, recoveries: int, now_ms: int) -> bool:
        """True until the question may be asked again."""
        hold_ms = self.hold_ms if recoveries == self.recoveries else FIRST_HOLD_MS
        return now_ms < self.failed_ms + hold_ms


class Failures:
    """The last `MOST_FAILURES` questions that failed.

    A failure holds for a second, and twice as long each time the question fails again, up to five minutes. A success
    ends that. `recoveries` counts how often a failing server answered again: since that may have cured the question,
    a failure from before holds for its first second only.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[CacheKey, Unresolved] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: CacheKey, recoveries: int, now_ms: int) -> Unresolved | None:
        """Return the failure of the question while it holds."""
        found = self._known.get(key)
        return found if found is not None and found.holds(recoveries, now_ms) else None

    def note(
        self, key: CacheKey, code: EdeCode | None, targets: tuple[bytes, ...], recoveries: int, now_ms: int
    ) -> None:
        """Remember that the question failed. A failure long after the one before counts as the first."""
        before = self._known.pop(key, None)
        hold_ms = FIRST_HOLD_MS
        if before is not None and now_ms < before.failed_ms + before.hold_ms + LONGEST_HOLD_MS:
            hold_ms = min(2 * before.hold_ms, LONGEST_HOLD_MS)
        self._known[key] = Unresolved(code, targets, now_ms, hold_ms, recoveries)
        if len(self._known) > MOST_FAILURES:
            self._known.popitem(last=False)

    def forget(self, key: CacheKey) -> None:
        """Forget the question: it was resolved."""
        self._known.pop(key, None)
