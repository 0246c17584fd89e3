"""What the process is given by the kernel: asked for, read back, and said when it is missing."""

from __future__ import annotations

import contextlib
import os
import sys

_POLICIES = {"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5, "deadline": 6}  # linux/sched.h
_REALTIME = ("fifo", "rr", "deadline")
_RESET_ON_FORK = 0x40000000


def say(node: str, text: str) -> None:
    """One line on standard error, at once."""
    if sys.stderr is None:  # started without it, and print() would take standard output
        return
    # When nobody reads any more there is nobody to tell, and finalize still has to run.
    with contextlib.suppress(OSError, ValueError):
        print(f"{node}: {text}", file=sys.stderr, flush=True)


def launched() -> bool:
    """True when rt-launch started this process: it has applied what the project file says."""
    return os.environ.get("RTNODE_LAUNCHED") == "1"


def _scheduling() -> tuple[str, int]:
    """The policy's name and the priority that the kernel has for this thread."""
    number = os.sched_getscheduler(0) & ~_RESET_ON_FORK
    name = next((name for name, value in _POLICIES.items() if value == number), str(number))
    return name, os.sched_getparam(0).sched_priority


def _locked_kib() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmLck:"):
                return int(line.split()[1])
    return 0


def _set_policy(policy: str, priority: int) -> str | None:
    """Asks for the policy; a phrase when it was refused or did not stick."""
    try:
        os.sched_setscheduler(0, _POLICIES[policy] | _RESET_ON_FORK, os.sched_param(priority))
    except OSError as error:
        return f"policy {policy} priority {priority} was refused ({error.strerror})"
    return None if _scheduling() == (policy, priority) else f"policy {policy} did not stick"


def be_ordinary() -> None:
    """Gives up a real-time policy, and its RLIMIT_RTTIME with it."""
    # Where there is no such policy there is nothing to give up.
    with contextlib.suppress(OSError, AttributeError):
        # Without the flag it would be a request for more rights (sched(7)).
        os.sched_setscheduler(0, _POLICIES["other"] | _RESET_ON_FORK, os.sched_param(0))


def missing(policy: str, priority: int) -> list[str]:
    """What a real-time node has not got, as phrases; empty when it has all."""
    if not hasattr(os, "sched_setscheduler"):
        return ["no real-time scheduling on this system"]
    lacks = []
    if launched():
        if _scheduling()[0] not in _REALTIME:
            lacks.append("the launch options give it no real-time policy")
    else:
        refused = _set_policy(policy, priority)
        if refused:
            lacks.append(refused)
    if not _locked_kib():
        lacks.append("memory is not locked")
    return lacks


def disagreement(realtime: bool, policy: str | None, priority: int | None) -> str | None:
    """Where the project file, whose word holds, and the constructor say different things: a sentence, or None."""
    if not launched() or not hasattr(os, "sched_getscheduler"):
        return None
    now, now_priority = _scheduling()
    if not realtime:
        asked = None if now not in _REALTIME else "not real-time"
    else:
        differs = now in _REALTIME and (policy not in (None, now) or priority not in (None, now_priority))
        asked = f"{policy or now} {priority or now_priority}" if differs else None
    return asked and f"the project file's {now} {now_priority} holds; the constructor says {asked}"
