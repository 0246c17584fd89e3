"""A step every period, on absolute time."""

import errno
import os
from abc import abstractmethod

from . import _clock
from ._node import RTNode

# Seconds: the loop counts in whole nanoseconds; the longest is that of the TypeScript SDK.
_SHORTEST = 1e-9
_LONGEST = 9e6

STATUS_OVERRUN = 75
"""Exit status of a node with overrun policy `stop` whose step took longer than its period (EX_TEMPFAIL of sysexits.h)."""


class PeriodicNode(RTNode):
    """Calls `step` every ``period`` seconds until it returns a status other than 0, or the node is to stop.

    ``overrun`` says what happens when a step ends after the next one was due: ``skip`` the steps that were missed and
    keep the rhythm, ``catch-up`` by running them at once, or ``stop`` with STATUS_OVERRUN.
    """

    __slots__ = ("cycles", "overrun", "overruns", "period")

    def __init__(self, period, overrun="skip", realtime=True, policy="fifo", priority=40):
        super().__init__(realtime=realtime, policy=policy, priority=priority)
        if not _SHORTEST <= period <= _LONGEST:
            raise ValueError(f"period is a number of seconds above 0, not {period!r}")
        if overrun not in ("skip", "catch-up", "stop"):
            raise ValueError(f"overrun is skip, catch-up or stop, not {overrun!r}")
        self.period = period
        self.overrun = overrun
        self.cycles = 0
        """Steps that returned 0."""
        self.overruns = 0
        """Steps that did not begin in their own period: skipped, or begun late."""

    @abstractmethod
    def step(self):
        """One cycle. No waiting, no files; 0 to go on."""

    def run(self):
        period = round(self.period * 1e9)
        now, sleep_until, step, policy = _clock.now, _clock.sleep_until, self.step, self.overrun
        due = now() + period
        while not self.stopping:
            error = sleep_until(due)
            if error == errno.EINTR:
                continue
            if error:
                raise OSError(error, os.strerror(error))
            status = step()
            if status != 0:
                return status
            self.cycles += 1
            due += period
            late = now() - due
            if late < 0:
                continue
            if policy == "stop":
                self.overruns += 1
                return STATUS_OVERRUN
            if policy == "skip":
                missed = late // period + 1
                self.overruns += missed
                due += missed * period
            else:
                self.overruns += 1
        return 0
