"""The life cycle of a node: init, run, finalize, and out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from types import FrameType
from typing import Callable, NoReturn

from . import _collector, _process
from ._identity import identify
from ._report import describe
from ._runtime import Library, runtime

STATUS_SOFTWARE = 70
"""Exit status for an exception that escaped, and for a result that is no int (EX_SOFTWARE of sysexits.h)."""


class _Stop(BaseException):
    """Raised by a signal where the node cannot look at `stopping`."""


class BaseNode(ABC):
    """What a node has: calls that return 0, or a status that stops the node in order and becomes its exit status."""

    __slots__ = ("identity",)

    def __init__(self) -> None:
        module = os.path.splitext(os.path.basename(sys.argv[0] or "node"))[0]
        self.identity = identify(module)

    @abstractmethod
    def init(self) -> int:
        """All that may wait: opening devices, reading files, allocating."""

    def warm_up(self) -> int:
        """Called after `init`, before anything counts: run here what the loop will, often, without moving anything."""
        return 0

    @abstractmethod
    def run(self) -> int:
        """The node's work, until `stopping`."""

    @abstractmethod
    def finalize(self) -> int:
        """Always called: bring the machine to rest, then write what is to be kept."""


class RTNode(BaseNode):
    """A node with its own loop in `run`, which looks at `stopping` and calls `alive` in each turn.

    ``realtime``, ``policy`` (fifo or rr; default fifo) and ``priority`` (1 to 98; default 40) count when the file is
    started by hand. Under ``rt-launch`` the project file decides, and the node says where they differ.
    """

    # What is the SDK's own has two underscores: it is in the way of no name that a node may choose.
    __slots__ = ("__interruptible", "__looping", "__signals", "policy", "priority", "realtime", "stopping")

    def __init__(self, realtime: bool = True, policy: str | None = None, priority: int | None = None) -> None:
        super().__init__()
        if policy not in (None, "fifo", "rr"):
            raise ValueError(f"policy is fifo or rr, not {policy!r}")
        if priority is not None and not 1 <= priority <= 98:
            raise ValueError(f"priority is from 1 to 98, not {priority!r}")
        self.realtime = realtime
        self.policy = policy
        self.priority = priority
        self.stopping = False
        """True once SIGTERM or SIGINT came."""
        self.__interruptible = False
        self.__looping = False
        self.__signals = 0

    def log(self, text: str) -> int:
        """Writes a line to the log; in the loop too, where it costs no system call. It appears within 50 ms. 0, or -ENOBUFS."""
        return runtime.log(f"{self.identity.node}: {text}")

    def alive(self) -> None:
        """For a `run` of one's own: a turn of its loop is over. Counts it, and contents systemd's watchdog."""
        runtime.alive()

    def main(self) -> NoReturn:
        """Runs the node and leaves the process with its status; never returns."""
        status = self.__live()
        for stream in (sys.stdout, sys.stderr):
            # None: the process was started without it. Nobody reads any more, or the node closed it: nobody is to be told.
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        runtime.flush()
        # Tearing the interpreter down would collect once more and touch every page.
        os._exit(status if 0 <= status <= 255 else 255)

    def __live(self) -> int:
        signal.signal(signal.SIGTERM, self.__on_signal)
        signal.signal(signal.SIGINT, self.__on_signal)
        if hasattr(signal, "SIGXCPU"):
            signal.signal(signal.SIGXCPU, self.__on_runaway)
        status = self.__call("init", self.init)
        if status == 0 and not self.stopping:
            if _process.launched():
                self.__say(f"is {self.identity.unique_id} on {self.identity.platform_id}")
            self.__say_what_differs()
            status = self.__call("warm_up", self.warm_up)
        if status == 0 and not self.stopping:
            status = self.__in_critical_section()
        # Bringing the machine to rest is not cut short by a second SIGTERM.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        runtime.stopping()
        last = self.__call("finalize", self.finalize)
        if self.__looping:
            self.__say_garbage()
        # The first status that was not 0 is the one that counts.
        return status or last

    def __say(self, text: str) -> None:
        _process.say(self.identity.node, text)

    def __say_what_differs(self) -> None:
        lacks = _process.missing(self.policy or "fifo", self.priority or 40) if self.realtime else []
        if lacks:
            self.__say("not real-time: " + "; ".join(lacks) + "; start it with rt-launch")
        differs = _process.disagreement(self.realtime, self.policy, self.priority)
        if differs:
            self.__say(differs)
        if not isinstance(runtime, Library):
            self.__say("there is no librtnode.so: Python keeps the time, and topics reach nobody")

    def __in_critical_section(self) -> int:
        """`run` with the collector off; what it did nevertheless is counted and said afterwards."""
        # Before `ready`, which shortens RLIMIT_RTTIME: a collection does not block.
        _collector.put_away()
        error = runtime.ready()
        if error:
            self.__say(f"rtnode_ready: {os.strerror(-error)}: RLIMIT_RTTIME or the notice to systemd failed")
            return STATUS_SOFTWARE
        error = runtime.count_begin(self.identity.node, self.identity.unique_id)
        if error:
            self.__say(f"statistics are not published: {os.strerror(-error)}")
        # From here on `run` looks at `stopping`: it is not torn apart in the middle of a step.
        self.__looping = True
        status = self.__call("run", self.run)
        summary = runtime.count_end()
        if summary.collections or _collector.is_back():
            self.__say(f"the collector was switched on in run and ran {summary.collections} times")
        self.__say(describe(summary))
        return status

    def __say_garbage(self) -> None:
        # Many objects take long, and nothing is left that has to be in time.
        _process.be_ordinary()
        garbage = _collector.garbage()
        if garbage:
            self.__say(f"{garbage} objects in cycles, which nothing frees while the collector is off")

    def __call(self, name: str, function: Callable[[], int]) -> int:
        """A status, whatever the call does; an exception is reported once, here."""
        try:
            # A signal that comes right before the end of the inner block is still caught by the outer one.
            try:
                self.__interruptible = name != "finalize"
                status = function()
            finally:
                self.__interruptible = False
        except _Stop:
            return 0
        except BaseException as error:  # also SystemExit: finalize must run
            if isinstance(error, SystemExit) and isinstance(error.code, (int, type(None))):
                return error.code or 0
            self.__say(f"{name}: {traceback.format_exc().rstrip()}")
            return STATUS_SOFTWARE
        if isinstance(status, int):
            return int(status)
        self.__say(f"{name} returned {status!r}; it must return an int, 0 for all well")
        return STATUS_SOFTWARE

    def __on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        self.__signals += 1
        # In `run` the loop looks at `stopping`; a second signal means that it does not.
        if self.__interruptible and (not self.__looping or self.__signals > 1):
            raise _Stop

    def __on_runaway(self, number: int, frame: FrameType | None) -> None:
        # Starts RLIMIT_RTTIME anew: without, finalize would be killed at the hard limit.
        runtime.limit_run_time()
        if self.__interruptible:
            raise RuntimeError("ran longer without blocking than its rttime allows (SIGXCPU)")
