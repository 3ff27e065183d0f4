# The time, without Python if the clock is the system's; and the durations of replies.

from dnsfilter.engine.clock import TOLERATED_S, SystemClock
from dnsfilter.telemetry.slots import ANSWER_DURATION

cdef extern from *:
    """
    #include <time.h>
    static inline int64_t nanoseconds_of(int clock) {
        struct timespec at;
        clock_gettime(clock, &at);
        return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
    }
    """
    int64_t nanoseconds_of(int clock) noexcept nogil
    int CLOCK_REALTIME, CLOCK_BOOTTIME

cdef enum:
    NS_PER_S = 1000000000
    NS_PER_MS = 1000000
    MOST_BOUNDS = 64        # of a histogram


@cython.final
cdef class Times:
    """An engine's clock, and the instants to decide by, as `Anchor` returns them."""

    cdef object clock
    cdef bint system
    cdef object anchor
    cdef int64_t trusted_s          # a wall clock before this time is behind
    cdef bint has_reference
    cdef int64_t latest_s, latest_ms    # a wall clock after `latest_s` at the boot time `latest_ms` is ahead

    def __init__(self, clock):
        self.clock, self.system = clock, type(clock) is SystemClock

    def swap(self, anchor):
        """Use `anchor` from now on."""
        reference = anchor.reference
        self.anchor, self.trusted_s, self.has_reference = anchor, anchor.made_s - TOLERATED_S, reference is not None
        if self.has_reference:
            self.latest_s, self.latest_ms = reference.instant + TOLERATED_S, reference.boot_ms

    cdef int64_t boot_ns(self) except? -1:
        return nanoseconds_of(CLOCK_BOOTTIME) if self.system else <int64_t>self.clock.boot_ns()

    cdef int64_t wall_s(self) except? -1:
        return nanoseconds_of(CLOCK_REALTIME) // NS_PER_S if self.system else <int64_t>self.clock.wall_s()

    cdef int64_t alarm_ms(self, int64_t at_ms) except? -1:
        """Return when the alarm has to fire for `at_ms`; -1 is never."""
        return at_ms if self.system or at_ms < 0 else <int64_t>self.clock.alarm_ms(at_ms)

    cdef int64_t instant(self, int64_t wall_s, int64_t boot_ms) except? -1:
        """Return the instant to decide by."""
        if wall_s < self.trusted_s:
            return self.anchor.instant(wall_s, boot_ms)
        if self.has_reference and (wall_s - self.latest_s) * 1000 > boot_ms - self.latest_ms:
            return self.anchor.instant(wall_s, boot_ms)
        return wall_s


@cython.final
cdef class Durations:
    """The histogram of reply durations. One reply in SAMPLE_EVERY is timed."""

    cdef uint64_t[::1] slots
    cdef int first, count
    cdef int64_t[64] bounds_ns
    cdef uint64_t seen

    def __init__(self, slots):
        bounds = ANSWER_DURATION.bounds_ns
        if len(bounds) > MOST_BOUNDS or ANSWER_DURATION.sum >= len(slots):
            raise ValueError(f"histogram of {len(bounds)} bounds does not fit {MOST_BOUNDS} bounds, {len(slots)} slots")
        self.slots, self.first, self.count = slots, ANSWER_DURATION.first, len(bounds)
        for index, bound in enumerate(bounds):
            self.bounds_ns[<int>index] = bound

    cdef uint64_t due(self, uint64_t replies) noexcept nogil:
        """Count replies, and return how many of them are to be timed."""
        cdef uint64_t before = self.seen % SAMPLE_EVERY
        self.seen += replies
        return (before + replies) // SAMPLE_EVERY

    cdef void observe(self, int64_t duration_ns, uint64_t times) noexcept nogil:
        """Count a duration `times` times. A negative one, after the clock was set, counts as 0."""
        cdef int bucket = 0
        duration_ns = max(duration_ns, <int64_t>0)
        while bucket < self.count and self.bounds_ns[bucket] < duration_ns:
            bucket += 1
        self.slots[self.first + bucket] += times
        self.slots[self.first + self.count + 1] += times * <uint64_t>duration_ns
