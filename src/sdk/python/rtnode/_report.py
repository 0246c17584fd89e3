"""The statistics of a loop as one line."""

from __future__ import annotations

from ._summary import Summary, Times


def _times(what: str, times: Times) -> str:
    return f"{what} p50 {times.p50:.0f}, p99 {times.p99:.0f}, max {times.max:.0f} µs"


def describe(summary: Summary) -> str:
    """What `node.py` says when it ends; the TypeScript SDK says the same."""
    counts = (
        (summary.minor_faults, "minor faults"),
        (summary.major_faults, "major faults"),
        (summary.involuntary_switches, "involuntary switches"),
        (summary.migrations, "migrations"),
        (summary.collections, "collections"),
    )
    parts = [f"{summary.cycles} cycles, {summary.overruns} overruns"]
    if summary.execution.max:
        parts += [_times("wake-up", summary.wakeup), _times("step", summary.execution)]
    parts.append(", ".join(f"{count} {name}" for count, name in counts if count is not None))
    return "; ".join(parts)
