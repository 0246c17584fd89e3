"""What a loop comes to."""

from __future__ import annotations

from typing import NamedTuple


class Times(NamedTuple):
    """Microseconds, each no less than what was measured; 0 when there is nothing."""

    p50: float
    p99: float
    p999: float
    max: float


class Summary(NamedTuple):
    """What a loop came to; rtnode.h says what each member counts. None for what was not counted."""

    cycles: int
    overruns: int
    minor_faults: int
    major_faults: int
    involuntary_switches: int
    migrations: int | None
    collections: int
    wakeup: Times
    execution: Times
