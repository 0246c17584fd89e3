"""The life cycle of a node: init, run, finalize, and out."""

import contextlib
import os
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod

from . import _collector, _process
from ._identity import identify
from ._report import describe
from ._runtime import runtime

STATUS_SOFTWARE = 70
"""Exit status for an exception that escaped, and for a result that is no int (EX_SOFTWARE of sysexits.h)."""


class _Stop(BaseException):
    """Raised by a signal where the node cannot look at `stopping`."""


class BaseNode(ABC):
    """What a node has: calls that return 0, or a status that stops the node in order and becomes its exit status."""

    __slots__ = ("identity",)

    def __init__(self):
        module = os.path.splitext(os.path.basename(sys.argv[0] or "node"))[0]
        self.identity = identify(module)

    @abstractmethod
    def init(self):
        """All that may wait: opening devices, reading files, allocating."""

    def warm_up(self):
        """Called after `init`, before anything counts: run here what the loop will, often, without moving anything."""
        return 0

    @abstractmethod
    def run(self):
        """The node's work, until `stopping`."""

    @abstractmethod
    def finalize(self):
        """Always called: bring the machine to rest, then write what is to be kept."""


class RTNode(BaseNode):
    """A node with its own loop in `run`, which looks at `stopping` and calls `alive` in each turn.

    ``realtime``, ``policy`` (fifo or rr; default fifo) and ``priority`` (1 to 98; default 40) count when the file is
    started by hand. Under ``rt-launch`` the project file decides, and the node says where they differ.
    """

    __slots__ = ("_interruptible", "_looping", "_signals", "policy", "priority", "realtime", "stopping")

    def __init__(self, realtime=True, policy=None, priority=None):
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
        self._interruptible = False
        self._looping = False
        self._signals = 0

    def log(self, text):
        """Writes a line to the log; in the loop too, where it costs no system call. It appears within 50 ms. 0, or -ENOBUFS."""
        return runtime.log(f"{self.identity.node}: {text}")

    def alive(self):
        """For a `run` of one's own: a turn of its loop is over. Counts it, and contents systemd's watchdog."""
        runtime.alive()

    def main(self):
        """Runs the node and leaves the process with its status; never returns."""
        status = self._live()
        for stream in (sys.stdout, sys.stderr):
            # None: the process was started without it. Nobody reads any more, or the node closed it: nobody is to be told.
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        runtime.flush()
        # Tearing the interpreter down would collect once more and touch every page.
        os._exit(status if 0 <= status <= 255 else 255)

    def _live(self):
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        if hasattr(signal, "SIGXCPU"):
            signal.signal(signal.SIGXCPU, self._on_runaway)
        status = self._call("init", self.init)
        if status == 0 and not self.stopping:
            self._say_what_differs()
            status = self._call("warm_up", self.warm_up)
        if status == 0 and not self.stopping:
            status = self._in_critical_section()
        # Bringing the machine to rest is not cut short by a second SIGTERM.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        runtime.stopping()
        last = self._call("finalize", self.finalize)
        if self._looping:
            self._say_garbage()
        # The first status that was not 0 is the one that counts.
        return status or last

    def _say(self, text):
        _process.say(self.identity.node, text)

    def _say_what_differs(self):
        lacks = _process.missing(self.policy or "fifo", self.priority or 40) if self.realtime else []
        if lacks:
            self._say("not real-time: " + "; ".join(lacks) + "; start it with rt-launch")
        differs = _process.disagreement(self.realtime, self.policy, self.priority)
        if differs:
            self._say(differs)
        if not runtime.is_native:
            self._say("there is no librtnode.so: Python keeps the time, and topics reach nobody")

    def _in_critical_section(self):
        """`run` with the collector off; what it did nevertheless is counted and said afterwards."""
        # Before `ready`, which shortens RLIMIT_RTTIME: a collection does not block.
        _collector.put_away()
        error = runtime.ready()
        if error:
            self._say(f"rtnode_ready: {os.strerror(-error)}: RLIMIT_RTTIME or the notice to systemd failed")
            return STATUS_SOFTWARE
        error = runtime.count_begin(self.identity.node)
        if error:
            self._say(f"statistics are not published: {os.strerror(-error)}")
        # From here on `run` looks at `stopping`: it is not torn apart in the middle of a step.
        self._looping = True
        status = self._call("run", self.run)
        summary = runtime.count_end()
        if summary.collections or _collector.is_back():
            self._say(f"the collector was switched on in run and ran {summary.collections} times")
        self._say(describe(summary))
        return status

    def _say_garbage(self):
        # Many objects take long, and nothing is left that has to be in time.
        _process.be_ordinary()
        garbage = _collector.garbage()
        if garbage:
            self._say(f"{garbage} objects in cycles, which nothing frees while the collector is off")

    def _call(self, name, function):
        """A status, whatever the call does; an exception is reported once, here."""
        try:
            # A signal that comes right before the end of the inner block is still caught by the outer one.
            try:
                self._interruptible = name != "finalize"
                status = function()
            finally:
                self._interruptible = False
        except _Stop:
            return 0
        except BaseException as error:  # also SystemExit: finalize must run
            if isinstance(error, SystemExit) and isinstance(error.code, (int, type(None))):
                return error.code or 0
            self._say(f"{name}: {traceback.format_exc().rstrip()}")
            return STATUS_SOFTWARE
        if isinstance(status, int):
            return int(status)
        self._say(f"{name} returned {status!r}; it must return an int, 0 for all well")
        return STATUS_SOFTWARE

    def _on_signal(self, number, frame):
        self.stopping = True
        self._signals += 1
        # In `run` the loop looks at `stopping`; a second signal means that it does not.
        if self._interruptible and (not self._looping or self._signals > 1):
            raise _Stop

    def _on_runaway(self, number, frame):
        # Blocking starts RLIMIT_RTTIME anew, and the kernel has raised its soft limit by a second: without both, finalize
        # would be killed at the hard limit.
        time.sleep(0.001)
        runtime.limit_run_time()
        if self._interruptible:
            raise RuntimeError("ran longer without blocking than its rttime allows (SIGXCPU)")
