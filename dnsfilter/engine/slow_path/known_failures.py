"""Questions that are not sent upstream because they are known to fail (RFC 9520 section 3.2)."""

from collections.abc import Sequence
from typing import Protocol

from dnsfilter.cache.answer_cache import Entry
from dnsfilter.cache.failure_cache import Unresolved
from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.slow_path.case import Failed
from dnsfilter.engine.slow_path.pending_table import HealthBook
from dnsfilter.wire.iana import EdeCode


class FailureBook(Protocol):
    """The interface of `cache.failures.Failures`, which its twin in C has too."""

    def get(self, key: CacheKey, recoveries: int, now_ms: int) -> Unresolved | None: ...
    def note(
        self, key: CacheKey, code: EdeCode | None, targets: tuple[bytes, ...], recoveries: int, now_ms: int
    ) -> None: ...
    def forget(self, key: CacheKey) -> None: ...
    def clear(self) -> None: ...


def known_failure(
    failures: FailureBook, health: HealthBook, key: CacheKey, servers: Sequence[int], stale: Entry | None, boot_ms: int
) -> Failed | None:
    """Return why `servers` are not asked now; None if they are.

    Do not ask if the question failed recently, or all servers are dead and there is a stale answer. Without a stale
    answer, ask until they are gone, and one question per second from then on.
    """
    found = failures.get(key, health.recoveries, boot_ms)
    if found is not None:
        health.want_probes()
        return Failed(found.code, found.targets, remembered=True)
    if not health.all_dead(servers):
        return None
    if stale is None and (not health.all_gone(servers, boot_ms) or health.may_try(servers, boot_ms)):
        return None
    health.want_probes()
    return Failed(EdeCode.NO_REACHABLE_AUTHORITY, (), remembered=True)
