"""The 33 bytes that rmw_zenoh attaches to every message: sequence number, source time, identity of the sender."""

from __future__ import annotations

import struct
import time
from typing import NamedTuple

_LAYOUT = struct.Struct("<qqB16s")
_GID_SIZE = 16


class Attachment(NamedTuple):
    """Sequence number from 1, source time [ns since the epoch], 16-byte gid of the sender."""

    sequence: int
    source_time_ns: int
    gid: bytes

    def pack(self) -> bytes:
        """Serialize."""
        return _LAYOUT.pack(self.sequence, self.source_time_ns, _GID_SIZE, self.gid)

    @classmethod
    def now(cls, sequence: int, gid: bytes) -> Attachment:
        """An attachment with the current time."""
        return cls(sequence, time.time_ns(), gid)

    @classmethod
    def unpack(cls, raw: bytes) -> Attachment:
        """Deserialize.

        Raises:
            ValueError: if it is not 33 bytes with a 16-byte gid.
        """
        if len(raw) != _LAYOUT.size:
            raise ValueError(f"attachment of {len(raw)} bytes: expected {_LAYOUT.size}")
        sequence, source_time_ns, size, gid = _LAYOUT.unpack(raw)
        if size != _GID_SIZE:
            raise ValueError(f"attachment with a gid of {size} bytes: expected {_GID_SIZE}")
        return cls(sequence, source_time_ns, gid)
