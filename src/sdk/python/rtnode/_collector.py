"""Python's cyclic collector: put away before the loop, and asked at the very end what the loop left for it."""

from __future__ import annotations

import gc

from ._runtime import runtime


def put_away() -> None:
    """Collects what start-up left behind, puts aside all that lives, and keeps the collector off from here on."""
    gc.collect()
    gc.freeze()
    gc.disable()
    # Libraries switch the collector on again; without a threshold that changes nothing.
    gc.set_threshold(0)
    # What runs nevertheless is counted.
    gc.callbacks.append(_count)


def is_back() -> bool:
    """True when something switched it on again."""
    return gc.isenabled()


def garbage() -> int:
    """How many objects are in cycles, which nothing freed; they are collected now."""
    found = gc.collect()
    runtime.count_garbage(found)
    return found


def _count(phase: str, info: dict[str, int]) -> None:
    if phase == "stop":
        runtime.count_collection()
