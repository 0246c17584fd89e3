"""What counts and times the loop: librtnode.so through ctypes, or, where there is none, Python itself."""

from __future__ import annotations

import ctypes
import errno
import os
import platform

from . import _by_hand
from ._process import launched
from ._summary import Summary, Times


class _Times(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in Times._fields]


class _Summary(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in Summary._fields[:-2]] + [("wakeup", _Times), ("execution", _Times)]


def _library_path() -> str:
    """$RTNODE_LIBRARY, else the board's, else what `make` left in the source tree that this file is part of."""
    named = os.environ.get("RTNODE_LIBRARY")
    if named is not None:
        return named
    on_board = "/usr/lib/rtnode/librtnode.so"
    if os.path.exists(on_board):
        return on_board
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")
    source = os.path.join(os.path.dirname(__file__), "..", "..", "..", "..")
    return os.path.join(source, "build", "device", architecture, "librtnode.so")


class Library:
    """The functions of rtnode.h by their names; results are 0 or a number, or -errno."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self.ready = library.rtnode_ready
        self.limit_run_time = library.rtnode_limit_run_time
        self.stopping = library.rtnode_stopping
        self.flush = library.rtnode_flush
        self.flush.restype = None
        self._count_begin = library.rtnode_count_begin
        self._count_begin.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
        self._count_end = library.rtnode_count_end
        self._count_end.argtypes = (ctypes.POINTER(_Summary),)
        self.count_collection = library.rtnode_count_collection
        self.count_collection.restype = None
        self.count_garbage = library.rtnode_count_garbage
        self.count_garbage.argtypes = (ctypes.c_uint64,)
        self.count_garbage.restype = None
        self.loop_begin = library.rtnode_loop_begin
        self.loop_begin.argtypes = (ctypes.c_uint64, ctypes.c_int)
        self.wait = library.rtnode_loop_wait
        self.alive = library.rtnode_alive
        self.alive.restype = None
        self._log = library.rtnode_log
        self._log.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
        self.topic_open = library.rtnode_topic_open
        self.topic_open.argtypes = (
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_char_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_int,
        )
        self.publish = library.rtnode_publish
        self.publish.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        self.receive = library.rtnode_receive
        self.receive.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self.topic_close = library.rtnode_topic_close
        self.topic_close.argtypes = (ctypes.c_void_p,)
        self.topic_close.restype = None

    def count_begin(self, name: str, identity: str) -> int:
        return self._count_begin(name.encode(), identity.encode())

    def count_end(self) -> Summary:
        found = _Summary()
        self._count_end(ctypes.byref(found))
        counts = [getattr(found, name) for name in Summary._fields[:-2]]
        times = [Times(*(getattr(part, name) for name in Times._fields)) for part in (found.wakeup, found.execution)]
        return Summary(*counts, *times)

    def log(self, text: str) -> int:
        line = text.encode("utf-8", "replace")
        return self._log(line, len(line))


def _choose() -> Library | _by_hand.Runtime:
    try:
        return Library(_library_path())
    except (OSError, AttributeError):
        # Not there, or of another version. On a board nothing stands in for it: nobody would see the node's statistics,
        # its topics or its signs of life. By hand it runs all the same, and says what it has not got.
        if launched():
            raise
        return _by_hand.Runtime()


runtime = _choose()
"""The one of this process."""


def complain(result: int, what: str) -> None:
    """Raises OSError for a result that is -errno."""
    if result < 0:
        raise OSError(-result, os.strerror(-result), what)


INTERRUPTED = -errno.EINTR
OVERRUN = -errno.ETIME
