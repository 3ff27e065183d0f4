# The one alarm: a descriptor that becomes readable at an instant of CLOCK_BOOTTIME, as in engine/reference/timer.py.

cdef extern from *:
    """
    #include <sys/timerfd.h>
    static int open_alarm(void) { return timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC); }
    static int set_alarm_at(int fd, int64_t at_ms) {
        struct itimerspec when = {{0, 0}, {at_ms / 1000, at_ms % 1000 * 1000000}};
        return timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
    }
    static void clear_alarm(int fd) {
        uint64_t fired;
        if (read(fd, &fired, sizeof fired) < 0) { /* it has not fired */ }
    }
    """
    int open_alarm() nogil
    int set_alarm_at(int fd, int64_t at_ms) nogil
    void clear_alarm(int fd) nogil


@cython.final
cdef class Alarm:
    """An alarm whose descriptor is readable from its instant on, until it is cleared."""

    cdef readonly int fd
    cdef int64_t at_ms          # -1: not set

    def __cinit__(self):
        self.at_ms = -1
        self.fd = open_alarm()
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def close(self):
        """Close the descriptor. Do not use the alarm afterwards."""
        os.close(self.fd)

    cdef int set(self, int64_t at_ms) except -1:
        """Fire at `at_ms`, at once if that has passed. A value below 0 changes nothing."""
        if at_ms < 0 or at_ms == self.at_ms:
            return 0
        if set_alarm_at(self.fd, max(at_ms, <int64_t>1)) < 0:
            raise OSError(errno, os.strerror(errno))
        self.at_ms = at_ms
        return 0

    cdef void clear(self) noexcept nogil:
        """Clear the alarm, so that the descriptor is no longer readable."""
        clear_alarm(self.fd)
        self.at_ms = -1
