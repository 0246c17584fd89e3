"""Who is who in the system."""

from __future__ import annotations

import os
import platform
import uuid
from typing import NamedTuple


class Identity(NamedTuple):
    """The names of one running node."""

    node: str
    """Its name in the project file, or its module's name when started by hand."""
    platform_id: str
    """The machine: /etc/machine-id (machine-id(5)), else the host name."""
    pid: int
    unique_id: str
    """``UUID:module:hardware address``: another one at every start, on every machine."""


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _hardware_address() -> str:
    """The address of the first network interface that has one; uuid.getnode() would start other programs."""
    try:
        names = sorted(os.listdir("/sys/class/net"))
    except OSError:
        names = []
    for name in names:
        address = _first_line(f"/sys/class/net/{name}/address")
        if len(address) == 17 and address != "00:00:00:00:00:00":
            return address
    return ":".join(f"{uuid.getnode():012x}"[i : i + 2] for i in range(0, 12, 2))


def identify(module: str) -> Identity:
    """The identity of this process, whose entry is the named module."""
    return Identity(
        node=os.environ.get("RTNODE_NAME", module),
        platform_id=_first_line("/etc/machine-id") or platform.node(),
        pid=os.getpid(),
        unique_id=f"{uuid.uuid4()}:{module}:{_hardware_address()}",
    )
