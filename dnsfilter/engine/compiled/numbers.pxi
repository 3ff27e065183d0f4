# Numbers that the reference engine has too. Their home is there: they are read once, when this module is loaded.

cdef int MAX_STEPS
cdef uint32_t MAX_HOPS_PER_NAME
cdef uint32_t LONGEST_DENIAL_S, LONGEST_S, LONGEST_TTL_S, MAX_EDE_TEXT, MAX_OPTIONS, MIN_LIMIT, MIN_RECORD, OUR_PAYLOAD
cdef uint32_t MOST_HANDSHAKES, PADDING_BLOCK
cdef int32_t CONCERNED_TTL_S, FIRST_HOLD_MS, LONGEST_HOLD_MS, SAMPLE_EVERY, STALE_TTL_S
cdef int CROWDED_FROM, LONG_ENOUGH_MS, LOOKS, MOST_EXCHANGES, MOST_OVERTAKEN, OLD_MS, SWEEP_MS
cdef int LIFETIME_MS, LOWEST_PORT, POOL_SIZE, SECRET_MS
cdef uint32_t MS_UNTIL_PREFETCH, POPULAR_HITS
cdef uint32_t HEAVY, LIFETIME_SENDS, MOST_WAITERS
cdef uint32_t CLIENT_COOKIE, SERVER_COOKIE, VARIED_BYTES
cdef int64_t MAX_AGE_S, MAX_AHEAD_S, PERIOD_S, RENEW_AFTER_S
cdef int LONGEST_FIRST_WAIT_MS, SHORTEST_FIRST_WAIT_MS
cdef uint64_t EXPLORE_EVERY
cdef int64_t CASE_REMEMBERED_MS, CHANGES_TO_LOWER, COOKIE_EXPECTED_MS, EDNS_REMEMBERED_MS, FAILURES_TO_BACK_OFF
cdef int64_t FIRST_BACK_OFF_MS, LONGEST_BACK_OFF_MS, LONGEST_WAIT_MS, PROBE_EVERY_MS, SHORTEST_QUIET_MS, SHORTEST_WAIT_MS
cdef int64_t SILENCE_TO_BE_GONE_MS, UNANSWERED_TO_BE_QUIET, UNKNOWN_QUIET_MS, UNKNOWN_WAIT_MS, USELESS_TO_RECOVER

from dnsfilter.cache.answer_cache import LONGEST_S, MS_UNTIL_PREFETCH, POPULAR_HITS
from dnsfilter.cache.failure_cache import FIRST_HOLD_MS, LONGEST_HOLD_MS
from dnsfilter.engine.interoperable_cookie import (
    CLIENT_COOKIE,
    MAX_AGE_S,
    MAX_AHEAD_S,
    RENEW_AFTER_S,
    SERVER_COOKIE,
)
from dnsfilter.engine.limits import MOST_HANDSHAKES
from dnsfilter.engine.reference.overtaken import LONG_ENOUGH_MS, MOST_OVERTAKEN
from dnsfilter.engine.reference.own_table import SWEEP_MS
from dnsfilter.engine.reference.pool import LIFETIME_MS, LIFETIME_SENDS, LOWEST_PORT, POOL_SIZE, SECRET_MS
from dnsfilter.engine.reference.room import CROWDED_FROM, MOST_EXCHANGES, MOST_WAITERS
from dnsfilter.engine.reference.shares import HEAVY, LOOKS, OLD_MS
from dnsfilter.engine.rules.stale import STALE_TTL_S
from dnsfilter.engine.rules.ttl_cap import CONCERNED_TTL_S
from dnsfilter.engine.server_cookies import PERIOD_S
from dnsfilter.engine.slow_path.forwarder import SAMPLE_EVERY
from dnsfilter.engine.slow_path.varied_case import VARIED_BYTES
from dnsfilter.policy.fleets import FLEET_HALF
from dnsfilter.upstream.attempt import LONGEST_FIRST_WAIT_MS, SHORTEST_FIRST_WAIT_MS
from dnsfilter.upstream.health import (
    CASE_REMEMBERED_MS,
    CHANGES_TO_LOWER,
    COOKIE_EXPECTED_MS,
    EDNS_REMEMBERED_MS,
    EXPLORE_EVERY,
    FAILURES_TO_BACK_OFF,
    FIRST_BACK_OFF_MS,
    LONGEST_BACK_OFF_MS,
    LONGEST_WAIT_MS,
    PROBE_EVERY_MS,
    SHORTEST_QUIET_MS,
    SHORTEST_WAIT_MS,
    SILENCE_TO_BE_GONE_MS,
    UNANSWERED_TO_BE_QUIET,
    UNKNOWN_QUIET_MS,
    UNKNOWN_WAIT_MS,
    USELESS_TO_RECOVER,
)
from dnsfilter.wire.answer import LONGEST_DENIAL_S
from dnsfilter.wire.chain import MAX_STEPS
from dnsfilter.wire.checker import LONGEST_TTL_S
from dnsfilter.wire.edns import MAX_EDE_TEXT, MAX_OPTIONS, OUR_PAYLOAD, PADDING_BLOCK
from dnsfilter.wire.names import MAX_HOPS_PER_NAME
from dnsfilter.wire.query import MIN_RECORD
from dnsfilter.wire.reply import MIN_LIMIT
