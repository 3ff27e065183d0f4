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

cdef int64_t TRUSTED_S = TOLERATED_S

cdef enum:
    NS_PER_S = 1000000000
    NS_PER_MS = 1000000
    MOST_BOUNDS = 64        # of a histogram


@cython.final
cdef class Times:
    """An engine's clock, and the instants to decide by, as `Anchor` returns them. A clock of a test is Python's."""

    cdef object clock
    cdef bint system
    cdef int64_t made_s, since_ms       # the time of the snapshot, and the boot time that it counts from
    cdef bint has_reference
    cdef int64_t instant_s, instant_ms  # the reference

    def __init__(self, clock):
        self.clock, self.system = clock, type(clock) is SystemClock

    def swap(self, anchor):
        """Use `anchor` from now on."""
        reference = anchor.reference
        self.made_s, self.since_ms, self.has_reference = anchor.made_s, anchor.boot_ms, reference is not None
        if self.has_reference:
            self.instant_s, self.instant_ms = reference.instant, reference.boot_ms

    cdef int64_t boot_ns(self) noexcept nogil:
        if self.system:
            return nanoseconds_of(CLOCK_BOOTTIME)
        with gil:
            return self.clock.boot_ns()

    cdef int64_t wall_s(self) noexcept nogil:
        if self.system:
            return nanoseconds_of(CLOCK_REALTIME) // NS_PER_S
        with gil:
            return self.clock.wall_s()

    cdef int64_t alarm_ms(self, int64_t at_ms) noexcept nogil:
        """Return when the alarm has to fire for `at_ms`; -1 is never."""
        if self.system or at_ms < 0:
            return at_ms
        with gil:
            return self.clock.alarm_ms(at_ms)

    cdef int64_t instant(self, int64_t wall_s, int64_t boot_ms) noexcept nogil:
        """Return the instant to decide by."""
        cdef int64_t latest_s
        if wall_s < self.made_s - TRUSTED_S:
            return self.made_s + seconds_of(boot_ms - self.since_ms)
        latest_s = self.instant_s + seconds_of(boot_ms - self.instant_ms)
        if self.has_reference and wall_s > latest_s + TRUSTED_S:
            return latest_s
        return wall_s


cdef inline int64_t seconds_of(int64_t ms) noexcept nogil:
    """Return the seconds that have passed after this time, which may be negative."""
    return ms // 1000 if ms >= 0 else -((999 - ms) // 1000)


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
