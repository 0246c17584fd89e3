"""Topics: the latest record, from one node to many, through memory that they share."""

from __future__ import annotations

import ctypes
import errno
from typing import Any, Mapping, Sequence, Union

from ._runtime import Library, complain, runtime

Kind = Union[str, Sequence[Any]]
"""A member's type: ``"f64"``, or ``["f64", 3]`` for an array."""

_TYPES = {
    "i8": ctypes.c_int8,
    "u8": ctypes.c_uint8,
    "i16": ctypes.c_int16,
    "u16": ctypes.c_uint16,
    "i32": ctypes.c_int32,
    "u32": ctypes.c_uint32,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}

_library = runtime if isinstance(runtime, Library) else None

_SUBSCRIBER, _PUBLISHER = 0, 1  # enum rtnode_role


def _member(name: str, kind: Kind) -> tuple[Any, str]:
    """A member's ctypes type and its text in the layout, from ``"f64"`` or ``["f64", 3]``."""
    word, count = (kind, None) if isinstance(kind, str) else kind
    if word not in _TYPES:
        raise ValueError(f"{name}: {word!r} is none of {', '.join(_TYPES)}")
    if count is None:
        return _TYPES[word], f"{name}:{word}"
    return _TYPES[word] * count, f"{name}:{word}[{count}]"


class _Topic:
    __slots__ = ("_address", "_handle", "_published", "_published_address", "message", "name")

    def __init__(self, name: str, record: Mapping[str, Kind], role: int) -> None:
        self.name = name
        members = {member: _member(member, kind) for member, kind in record.items()}
        fields = [(member, kind) for member, (kind, _) in members.items()]
        structure = type("Message", (ctypes.Structure,), {"_fields_": fields, "__slots__": ()})
        self.message: Any = structure()
        """The record; its members are attributes."""
        self._address = ctypes.addressof(self.message)
        self._published = ctypes.c_uint64()
        self._published_address = ctypes.addressof(self._published)
        self._handle: ctypes.c_void_p | None = None
        if _library is not None:
            handle = ctypes.c_void_p()
            layout = ",".join(text for _, text in members.values())
            size = ctypes.sizeof(structure)
            result = _library.topic_open(ctypes.byref(handle), name.encode(), layout.encode(), size, role)
            if result == -errno.EBUSY:
                raise OSError(errno.EBUSY, "another node publishes it already", name)
            if result == -errno.EPROTO:
                raise OSError(errno.EPROTO, "a running node has it with other members", name)
            complain(result, f"topic {name}")
            self._handle = handle

    def close(self) -> None:
        """Lets go of the topic; what was published last stays there, and what is published later reaches nobody."""
        if _library is not None and self._handle is not None:
            _library.topic_close(self._handle)
            self._handle = None


class Publisher(_Topic):
    """The one node that says what is the latest: it sets the members of `message`, and calls `publish`.

    ``record`` describes the members: ``{"position": "f64", "torques": ["f32", 3]}``, best read from one JSON file by all
    nodes of both languages. Types: i8, u8, i16, u16, i32, u32, f32, f64.
    """

    __slots__ = ()

    def __init__(self, name: str, record: Mapping[str, Kind]) -> None:
        super().__init__(name, record, _PUBLISHER)

    def publish(self) -> int:
        """Makes `message` the latest. No system call, no waiting. 0."""
        if _library is None or self._handle is None:
            return 0
        return _library.publish(self._handle, self._address)


class Subscriber(_Topic):
    """Sees the latest record of a topic in `message`, after `receive`. Nothing is lost by whoever is slow but the past."""

    __slots__ = ()

    def __init__(self, name: str, record: Mapping[str, Kind]) -> None:
        super().__init__(name, record, _SUBSCRIBER)

    def receive(self) -> int:
        """1: `message` is another one than the last time; 0: the same; -ENODATA: nobody has published yet."""
        if _library is None or self._handle is None:
            return -errno.ENODATA
        return _library.receive(self._handle, self._address, self._published_address)

    @property
    def published(self) -> int:
        """When `message` was published: nanoseconds of CLOCK_MONOTONIC, as time.monotonic_ns(); 0 before the first."""
        return self._published.value
