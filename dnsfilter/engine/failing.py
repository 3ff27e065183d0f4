"""Questions that nobody is asked about, because the failure is known (RFC 9520 section 3.2)."""

from collections.abc import Sequence

from dnsfilter.cache.answers import Entry
from dnsfilter.cache.failures import Failures
from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine.case import Failed
from dnsfilter.engine.handover import HealthBook
from dnsfilter.wire.iana import EdeCode


def known_failure(
    failures: Failures, health: HealthBook, key: CacheKey, servers: Sequence[int], stale: Entry | None, boot_ms: int
) -> Failed | None:
    """Return why `servers` are not asked now, None if they are.

    The question failed a short while ago, or all servers are dead. In the second case a question without a stale answer
    is asked if none was within the last second.
    """
    found = failures.get(key, health.recoveries, boot_ms)
    if found is not None:
        health.want_probes()
        return Failed(found.code, found.targets, remembered=True)
    if not health.all_dead(servers) or (stale is None and health.may_try(servers, boot_ms)):
        return None
    health.want_probes()
    return Failed(EdeCode.NO_REACHABLE_AUTHORITY, (), remembered=True)
