"""What the process is given by the kernel: asked for, read back, and said when it is missing."""

import contextlib
import os
import resource
import sys

_POLICIES = {"other": 0, "fifo": 1, "rr": 2, "deadline": 6}  # linux/sched.h
_RESET_ON_FORK = 0x40000000


def say(node, text):
    """One line on standard error, at once."""
    # When nobody reads any more there is nobody to tell, and finalize still has to run.
    with contextlib.suppress(OSError, ValueError):
        print(f"{node}: {text}", file=sys.stderr, flush=True)


def launched():
    """True when rt-launch started this process: it has applied what the project file says."""
    return os.environ.get("RTNODE_LAUNCHED") == "1"


def _policy_now():
    return os.sched_getscheduler(0) & ~_RESET_ON_FORK


def _locked_kib():
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmLck:"):
                return int(line.split()[1])
    return 0


def _set_policy(policy, priority):
    """Asks for the policy; what came of it is read back by the caller."""
    try:
        os.sched_setscheduler(0, _POLICIES[policy] | _RESET_ON_FORK, os.sched_param(priority))
    except OSError as error:
        return f"policy {policy} priority {priority} was refused ({error.strerror})"
    return f"policy {policy} did not stick"


def missing(policy, priority):
    """What a real-time node has not got, as phrases; empty when it has all."""
    if not hasattr(os, "sched_setscheduler"):
        return ["no real-time scheduling on this system"]
    lacks = []
    if launched():
        if _policy_now() not in (_POLICIES["fifo"], _POLICIES["rr"], _POLICIES["deadline"]):
            lacks.append("the launch options give it no real-time policy")
    else:
        reason = _set_policy(policy, priority)
        if _policy_now() != _POLICIES[policy]:
            lacks.append(reason)
    if not _locked_kib():
        lacks.append("memory is not locked")
    return lacks


def limit_run_time():
    """Start-up is over: RLIMIT_RTTIME becomes what rt-launch was asked for (its --startup). 0 or an errno."""
    text = os.environ.get("RTNODE_RTTIME")
    if text is None:
        return 0
    limit = (int(text), 2 * int(text))
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, limit)
    except OSError as error:
        return error.errno
    return 0
