"""The life cycle of a node: init, run, finalize, and out."""

import gc
import os
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod

from . import _process
from ._identity import identify

STATUS_SOFTWARE = 70
"""Exit status for an exception that escaped, and for a result that is no int (EX_SOFTWARE of sysexits.h)."""


class _Stop(BaseException):
    """Raised by a signal where the node cannot look at `stopping`."""


class BaseNode(ABC):
    """What a node has: three calls, each returning 0, or a status that stops the node in order and becomes its exit status."""

    __slots__ = ("identity",)

    def __init__(self):
        module = os.path.splitext(os.path.basename(sys.argv[0] or "node"))[0]
        self.identity = identify(module)

    @abstractmethod
    def init(self):
        """All that may wait: opening devices, reading files, allocating."""

    @abstractmethod
    def run(self):
        """The node's work, until `stopping`."""

    @abstractmethod
    def finalize(self):
        """Always called: bring the machine to rest, then write what is to be kept."""


class RTNode(BaseNode):
    """A node with its own loop in `run`, which looks at `stopping`.

    ``realtime``, ``policy`` (fifo or rr) and ``priority`` (1 to 98) count when the file is started by hand; under
    ``rt-launch`` the project file decides, and they only say that the node expects to be real-time.
    """

    __slots__ = ("_interruptible", "_looping", "_signals", "policy", "priority", "realtime", "stopping")

    def __init__(self, realtime=True, policy="fifo", priority=40):
        super().__init__()
        if policy not in ("fifo", "rr"):
            raise ValueError(f"policy is fifo or rr, not {policy!r}")
        if not 1 <= priority <= 98:
            raise ValueError(f"priority is from 1 to 98, not {priority!r}")
        self.realtime = realtime
        self.policy = policy
        self.priority = priority
        self.stopping = False
        """True once SIGTERM or SIGINT came."""
        self._interruptible = False
        self._looping = False
        self._signals = 0

    def main(self):
        """Runs the node and leaves the process with its status; never returns."""
        status = self._live()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            # Nobody reads any more, or the node closed it: there is nobody to tell.
            status = status or STATUS_SOFTWARE
        # Tearing the interpreter down would collect once more and touch every page.
        os._exit(status if 0 <= status <= 255 else 255)

    def _live(self):
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        if hasattr(signal, "SIGXCPU"):
            signal.signal(signal.SIGXCPU, self._on_runaway)
        status = self._call("init", self.init)
        if status == 0 and not self.stopping:
            status = self._in_critical_section()
        # Bringing the machine to rest is not cut short by a second SIGTERM.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        last = self._call("finalize", self.finalize)
        # The first status that was not 0 is the one that counts.
        return status or last

    def _in_critical_section(self):
        """`run` with the collector off; what it did nevertheless is said afterwards."""
        if self.realtime:
            lacks = _process.missing(self.policy, self.priority)
            if lacks:
                _process.say(self.identity.node, "not real-time: " + "; ".join(lacks) + "; start it with rt-launch")
        error = _process.limit_run_time()
        if error:
            _process.say(self.identity.node, f"RLIMIT_RTTIME cannot be set: {os.strerror(error)}")
            return STATUS_SOFTWARE
        threshold = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.disable()
        # Libraries switch the collector on again; without a threshold that changes nothing.
        gc.set_threshold(0)
        before = _collections()
        # From here on `run` looks at `stopping`: it is not torn apart in the middle of a step.
        self._looping = True
        status = self._call("run", self.run)
        collected = _collections() - before
        if collected or gc.isenabled():
            _process.say(self.identity.node, f"the collector was switched on in run and ran {collected} times")
        gc.set_threshold(*threshold)
        gc.unfreeze()
        return status

    def _call(self, name, function):
        """A status, whatever the call does; an exception is reported once, here."""
        try:
            self._interruptible = name != "finalize"
            status = function()
            self._interruptible = False
        except _Stop:
            self._interruptible = False
            return 0
        except BaseException as error:  # also SystemExit: finalize must run
            self._interruptible = False
            if isinstance(error, SystemExit) and isinstance(error.code, (int, type(None))):
                return error.code or 0
            _process.say(self.identity.node, f"{name}: {traceback.format_exc().rstrip()}")
            return STATUS_SOFTWARE
        if isinstance(status, int):
            return int(status)
        _process.say(self.identity.node, f"{name} returned {status!r}; it must return an int, 0 for all well")
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
        _process.limit_run_time()
        if self._interruptible:
            raise RuntimeError("ran longer without blocking than its rttime allows (SIGXCPU)")


def _collections():
    return sum(generation["collections"] for generation in gc.get_stats())
