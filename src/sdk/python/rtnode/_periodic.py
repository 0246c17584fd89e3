"""A step every period, on absolute time."""

from __future__ import annotations

import gc
from abc import abstractmethod

from ._node import RTNode
from ._runtime import INTERRUPTED, OVERRUN, complain, runtime

# Seconds: the loop counts in whole nanoseconds; the longest is that of the TypeScript SDK.
_SHORTEST = 1e-9
_LONGEST = 9e6

_POLICIES = ("skip", "catch-up", "stop")  # enum rtnode_overrun

STATUS_OVERRUN = 75
"""Exit status of a node with overrun policy `stop` whose step took longer than its period (EX_TEMPFAIL of sysexits.h)."""


class PeriodicNode(RTNode):
    """Calls `step` every ``period`` seconds until it returns a status other than 0, or the node is to stop.

    ``overrun`` says what happens when a step ends after the next one was due: ``skip`` the steps that were missed and
    keep the rhythm, ``catch-up`` by running them at once, or ``stop`` with STATUS_OVERRUN.
    """

    __slots__ = ("cycles", "overrun", "overruns", "period")

    def __init__(
        self,
        period: float,
        overrun: str = "skip",
        realtime: bool = True,
        policy: str | None = None,
        priority: int | None = None,
    ) -> None:
        super().__init__(realtime=realtime, policy=policy, priority=priority)
        if not _SHORTEST <= period <= _LONGEST:
            raise ValueError(f"period is a number of seconds above 0, not {period!r}")
        if overrun not in _POLICIES:
            raise ValueError(f"overrun is skip, catch-up or stop, not {overrun!r}")
        self.period = period
        self.overrun = overrun
        self.cycles = 0
        """Steps that returned 0."""
        self.overruns = 0
        """Steps that did not begin in their own period: skipped, or begun late."""

    @abstractmethod
    def step(self) -> int:
        """One cycle. No waiting, no files; 0 to go on."""

    def run(self) -> int:
        complain(runtime.loop_begin(round(self.period * 1e9), _POLICIES.index(self.overrun)), "rtnode_loop_begin")
        wait, step, isenabled = runtime.wait, self.step, gc.isenabled
        while not self.stopping:
            missed = wait()
            if missed:
                if missed == INTERRUPTED:
                    continue
                if missed == OVERRUN:
                    self.overruns += 1
                    return STATUS_OVERRUN
                complain(missed, "rtnode_loop_wait")
                self.overruns += missed
            status = step()
            if status != 0:
                return status
            self.cycles += 1
            if isenabled():
                gc.disable()
                self.log("step switched the collector on; it is off again")
        return 0
