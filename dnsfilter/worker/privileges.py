"""Drop the privileges that a process no longer needs: capabilities(7), and no_new_privs (prctl(2))."""

import ctypes
import errno
import os
import pwd
import signal
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from dnsfilter.errors import UnavailableError

CAP_NET_BIND_SERVICE = 10
DEFAULT_USER = "dnsfilter"
_CAP_SETUID = 7
_LAST_CAPABILITY = 63
_PR_SET_PDEATHSIG = 1
_PR_GET_PDEATHSIG = 2
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_PR_CAP_AMBIENT_RAISE = 2
_PR_SET_KEEPCAPS = 8
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)


def keep_only(capabilities: Iterable[int] = ()) -> None:
    """Drop all but these capabilities, now and for every exec. Raise OSError if the kernel refuses."""
    kept = frozenset(capabilities)
    _limit_bounding_set(kept)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, held = _Header(_VERSION_3, 0), (_Data * 2)()
    _check_result(_libc.capget(ctypes.byref(header), held), "capget")
    for word in range(2):
        mask = sum(1 << (number - 32 * word) for number in kept if number // 32 == word)
        held[word].permitted &= mask
        held[word].effective &= mask
        held[word].inheritable = 0
    _check_result(_libc.capset(ctypes.byref(header), held), "capset")
    _check_result(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS")


def keep_over_exec(capabilities: Iterable[int]) -> None:
    """Keep those of these capabilities that are held across exec(2): make them inheritable and ambient.

    Raise OSError if the kernel refuses.
    """
    header, held = _Header(_VERSION_3, 0), (_Data * 2)()
    _check_result(_libc.capget(ctypes.byref(header), held), "capget")
    kept = [number for number in capabilities if held[number // 32].permitted & 1 << number % 32]
    for number in kept:
        held[number // 32].inheritable |= 1 << number % 32
    _check_result(_libc.capset(ctypes.byref(header), held), "capset")
    for number in kept:
        _check_result(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), "prctl PR_CAP_AMBIENT_RAISE")


def end_with(parent: int) -> bool:
    """Have the kernel send SIGTERM when the parent dies. Return False if `parent` is not the parent (any more).

    This survives exec(2), dropped capabilities and `become`.
    """
    _check_result(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0), "prctl PR_SET_PDEATHSIG")
    return os.getppid() == parent


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Make processes children of this one if their parents end meanwhile, in place of children of init."""
    _check_result(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl PR_SET_CHILD_SUBREAPER")
    try:
        yield
    finally:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def unprivileged_user(configured: str | None) -> pwd.struct_passwd | None:
    """Return the user to become: the configured one, or `dnsfilter` if it exists. None: keep the current user.

    Only root can become another user. Raise UnavailableError if the configured user does not exist.
    """
    if os.geteuid() != 0 or not holds(_CAP_SETUID):
        return None
    user = node_user(configured)
    if user is None and configured is not None:
        raise UnavailableError(f"become user {configured}: no such user: create it, or change the key user")
    return None if user is None or user.pw_uid == 0 else user


def node_user(configured: str | None) -> pwd.struct_passwd | None:
    """Return the user that a node started as root runs as. None if this machine does not have it."""
    try:
        return pwd.getpwnam(configured or DEFAULT_USER)
    except KeyError:
        return None


def become(user: pwd.struct_passwd, capabilities: Iterable[int]) -> None:
    """Become that user, with its groups, and hold at most these capabilities. Raise OSError if that fails."""
    kept = frozenset(capabilities)
    parent, is_tied = os.getppid(), _is_tied()
    _limit_bounding_set(kept)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    _check_result(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl PR_SET_KEEPCAPS")
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    # The change of user cleared the effective set. The permitted set is still there: make these effective again.
    header, held = _Header(_VERSION_3, 0), (_Data * 2)()
    _check_result(_libc.capget(ctypes.byref(header), held), "capget")
    for number in kept:
        held[number // 32].effective |= held[number // 32].permitted & 1 << number % 32
    _check_result(_libc.capset(ctypes.byref(header), held), "capset")
    keep_only(kept)
    if is_tied and not end_with(parent):  # the change of user has cleared it (prctl(2))
        raise ProcessLookupError(errno.ESRCH, "the process that started this one has ended")


def allow_reading_by_own_user() -> None:
    """Let other processes of this user read this one's files in /proc again, which a change of user has stopped."""
    _check_result(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl PR_SET_DUMPABLE")


def _is_tied() -> bool:
    """Return whether `end_with` is in effect."""
    number = ctypes.c_int()
    _check_result(_libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(number), 0, 0, 0), "prctl PR_GET_PDEATHSIG")
    return number.value != 0


def _limit_bounding_set(kept: Collection[int]) -> None:
    """Drop all capabilities but `kept` from the bounding set, so that no exec can gain them."""
    for number in range(_LAST_CAPABILITY + 1):
        if number not in kept:
            # This fails harmlessly for numbers that the kernel does not know. It also fails without CAP_SETPCAP, but
            # then the permitted set has nothing to regain.
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


def holds(capability: int) -> bool:
    """Return whether this process holds a capability now."""
    header, held = _Header(_VERSION_3, 0), (_Data * 2)()
    _check_result(_libc.capget(ctypes.byref(header), held), "capget")
    return bool(held[capability // 32].effective & 1 << capability % 32)


def _check_result(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
