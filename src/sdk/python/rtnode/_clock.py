"""Time for loops: CLOCK_MONOTONIC in nanoseconds and an absolute sleep on it."""

import ctypes
import os
import time

_TIMER_ABSTIME = 1  # linux/time.h


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


def _from_library():
    """librtnode's sleep, or None where there is no such library."""
    path = os.environ.get("RTNODE_LIBRARY", "/usr/lib/rtnode/librtnode.so")
    try:
        function = ctypes.CDLL(path).rtnode_sleep_until
    except OSError:
        return None
    function.argtypes = (ctypes.c_uint64,)
    function.restype = ctypes.c_int
    return function


def _from_libc():
    """The same through libc's clock_nanosleep(2), or None where it has none (macOS)."""
    try:
        function = ctypes.CDLL(None).clock_nanosleep
    except (OSError, AttributeError):
        return None
    moment = _Timespec()
    reference = ctypes.byref(moment)
    clock = time.CLOCK_MONOTONIC

    def sleep_until(ns):
        moment.tv_sec, moment.tv_nsec = divmod(ns, 1_000_000_000)
        return function(clock, _TIMER_ABSTIME, reference, None)

    return sleep_until


def _from_python(ns):
    time.sleep(max(0, ns - time.monotonic_ns()) / 1e9)
    return 0


now = time.monotonic_ns
"""Nanoseconds of CLOCK_MONOTONIC."""

sleep_until = _from_library() or _from_libc() or _from_python
"""Sleeps until ``now()`` is at least the argument: 0, or an errno (EINTR when a signal came first)."""
