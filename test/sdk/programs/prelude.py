"""What nodes of the conformance suite find in either language: the SDK, and these functions (prelude.ts has the same)."""

import sys
import time

from rtnode import *  # noqa: F403 - this module stands for the SDK


def say(*words):
    """A line on standard output, at once."""
    print(*words, flush=True)


def say_when(condition, *words):
    if condition:
        say(*words)


def fail():
    raise ValueError("broken")


def when(condition, value):
    """A status on a condition, else 0."""
    return value if condition else 0


def pause(ms):
    """Blocks."""
    time.sleep(ms / 1000)


def write(text, times):
    """A text many times over on standard output, without an end of line, and perhaps not at once."""
    sys.stdout.write(text * times)


def burn(ms):
    """Computes, and does not block."""
    end = time.monotonic() + ms / 1000
    while time.monotonic() < end:
        pass


def linger():
    """Waits much longer than a test does, as a device that does not answer; 0."""
    time.sleep(600)
    return 0


def identity_of(node):
    names = node.identity
    return " ".join([names.node, names.platform_id, str(names.pid), names.unique_id])


def make(kind, *words):
    return kind(*words)


def problem_of(kind, *words):
    """What is said when an object cannot be made."""
    try:
        kind(*words).close()
    except (OSError, ValueError) as error:
        return str(error)
    return "none"
