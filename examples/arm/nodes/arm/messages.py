"""The messages between controller and planner; the layout is in README.md, and messages.ts has the same."""

import struct
from typing import NamedTuple, Optional

_VERSION = 1
_SET_POINT = 1
_JOINT_STATE = 2
_SET_POINT_LAYOUT = struct.Struct("<HHIdd")
_JOINT_STATE_LAYOUT = struct.Struct("<HHIddd")


class SetPoint(NamedTuple):
    sequence: int
    position: float
    velocity: float


def unpack_set_point(buffer, length) -> Optional[SetPoint]:
    """The set-point in the first `length` bytes, or None when they are none."""
    if length != _SET_POINT_LAYOUT.size:
        return None
    kind, version, sequence, position, velocity = _SET_POINT_LAYOUT.unpack_from(buffer)
    return SetPoint(sequence, position, velocity) if (kind, version) == (_SET_POINT, _VERSION) else None


def pack_joint_state(buffer, sequence, position, velocity, effort):
    """Writes a joint state to the start of the buffer; returns its length."""
    _JOINT_STATE_LAYOUT.pack_into(buffer, 0, _JOINT_STATE, _VERSION, sequence, position, velocity, effort)
    return _JOINT_STATE_LAYOUT.size
