"""Giving up what a process no longer needs: capabilities(7), and no_new_privs (prctl(2))."""

import ctypes
import os
from collections.abc import Iterable

CAP_NET_BIND_SERVICE = 10
_LAST_CAPABILITY = 63
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)


def keep_only(capabilities: Iterable[int] = ()) -> None:
    """Hold at most these capabilities, now and over every exec. Raises OSError if the kernel refuses."""
    kept = frozenset(capabilities)
    for number in range(_LAST_CAPABILITY + 1):
        if number not in kept:
            # Fails harmlessly for numbers that this kernel does not know, and without CAP_SETPCAP, where there is
            # nothing in the permitted set to regain either.
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, held = _Header(_VERSION_3, 0), (_Data * 2)()
    _must(_libc.capget(ctypes.byref(header), held), "capget")
    for word in range(2):
        mask = sum(1 << (number - 32 * word) for number in kept if number // 32 == word)
        held[word].permitted &= mask
        held[word].effective &= mask
        held[word].inheritable = 0
    _must(_libc.capset(ctypes.byref(header), held), "capset")
    _must(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS")


def _must(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
