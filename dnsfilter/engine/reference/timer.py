"""A timer with a file descriptor (timerfd_create(2)). The standard library has one only from Python 3.13 on."""

import ctypes
import errno
import os

_CLOCK_BOOTTIME = 7
_TFD_TIMER_ABSTIME = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


_libc = ctypes.CDLL(None, use_errno=True)


class BootTimer:
    """One alarm at an instant of CLOCK_BOOTTIME. It is readable from then on."""

    def __init__(self) -> None:
        self._fd = _libc.timerfd_create(_CLOCK_BOOTTIME, _FLAGS)
        if self._fd < 0:
            raise _last_error("timerfd_create")

    def fileno(self) -> int:
        return int(self._fd)

    def set(self, at_ms: int) -> None:
        """Fire at `at_ms`, at once if that has passed. Replace the earlier setting."""
        seconds, rest = divmod(max(at_ms, 1), 1000)
        when = _Itimerspec(_Timespec(0, 0), _Timespec(seconds, rest * 1_000_000))
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(when), None) < 0:
            raise _last_error("timerfd_settime")

    def clear(self) -> None:
        """Clear the alarm, so that the descriptor is no longer readable."""
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._fd)


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)} ({errno.errorcode.get(number, number)})")
