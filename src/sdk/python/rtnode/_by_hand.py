"""What stands in for librtnode.so where there is none: the same calls, in Python. Nobody else can see the statistics."""

from __future__ import annotations

import errno
import resource
import sys
import time

from ._summary import Summary, Times

_BINS = 100_000  # one per microsecond; the last one holds all that is longer


class _Histogram:
    """Times in microseconds."""

    __slots__ = ("_bins", "_count", "_max")

    def __init__(self) -> None:
        self._bins = [0] * _BINS
        self._count = 0
        self._max = 0

    def add(self, ns: int) -> None:
        self._bins[min(max(-(-ns // 1000) - 1, 0), _BINS - 1)] += 1
        self._count += 1
        self._max = max(self._max, ns)

    def quantile(self, share: float) -> float:
        seen = 0
        for limit, count in enumerate(self._bins, 1):
            seen += count
            if seen and seen >= share * self._count:
                return min(limit, self._max / 1000) if limit < _BINS else self._max / 1000
        return 0

    def times(self) -> Times:
        return Times(self.quantile(0.5), self.quantile(0.99), self.quantile(0.999), self._max / 1000)


class Runtime:
    """See rtnode.h for what each call does."""

    def __init__(self) -> None:
        self._counting = False
        self._cycles = 0

    def ready(self) -> int:
        return 0

    def limit_run_time(self) -> int:
        time.sleep(0.001)
        return 0

    def stopping(self) -> int:
        return 0

    def flush(self) -> None:
        pass

    def log(self, text: str) -> int:
        print(text, file=sys.stderr, flush=True)
        return 0

    def count_begin(self, name: str, identity: str) -> int:
        self._counting = True
        self._cycles = self._overruns = self._collections = self._garbage = 0
        self._wakeup, self._execution = _Histogram(), _Histogram()
        self._usage = self._read_usage()
        return 0

    def count_end(self) -> Summary:
        self._counting = False
        minor, major, switches = (now - before for now, before in zip(self._read_usage(), self._usage))
        times = self._wakeup.times(), self._execution.times()
        return Summary(self._cycles, self._overruns, minor, major, switches, None, self._collections, *times)

    def count_collection(self) -> None:
        if self._counting:
            self._collections += 1

    def count_garbage(self, objects: int) -> None:
        self._garbage = objects

    def alive(self) -> None:
        self._cycles += 1

    def loop_begin(self, period: int, overrun: int) -> int:
        self._period, self._overrun = period, overrun
        self._due = time.monotonic_ns() + period
        self._woken: int | None = None
        self._missed = 0
        return 0

    def wait(self) -> int:
        if self._woken is not None:
            self._end_step(self._woken, time.monotonic_ns())
            if self._missed and self._overrun == 2:
                return -errno.ETIME
        left = self._due - time.monotonic_ns()
        if left > 0:
            # Python goes on sleeping after a signal, which would make the node deaf for a period: short naps.
            time.sleep(min(left / 1e9, 0.1))
            if time.monotonic_ns() < self._due:
                return -errno.EINTR
            self._wakeup.add(time.monotonic_ns() - self._due)
        self._woken = time.monotonic_ns()
        missed, self._missed = self._missed, 0
        return missed

    def _end_step(self, woken: int, now: int) -> None:
        self._execution.add(now - woken)
        self._woken = None
        self._cycles += 1
        self._due += self._period
        late = now - self._due
        if late < 0:
            return
        missed = late // self._period + 1 if self._overrun == 0 else 1
        if self._overrun == 0:
            self._due += missed * self._period
        self._overruns += missed
        self._missed += missed

    @staticmethod
    def _read_usage() -> tuple[int, int, int]:
        usage = resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF))
        return usage.ru_minflt, usage.ru_majflt, usage.ru_nivcsw
