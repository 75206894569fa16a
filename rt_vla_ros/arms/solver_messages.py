"""The messages between a node and the process of a solver over a pipe: small and binary.

    header   4 bytes b"RVIK", the kind (uint32), the number of the request (uint64), the length of what follows (uint32)
    SETUP    answered by READY with a text (UTF-8) about the solver, or by REFUSED with a sentence (UTF-8)
    SOLVE    answered by SOLVED, or by REFUSED

All numbers are little-endian. An invalid message ends the connection.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct("<4sIQI")
MAGIC = b"RVIK"
LONGEST = 32_000_000  # [bytes]


class Kind(IntEnum):
    """Of a message."""

    SETUP = 1
    READY = 2
    REFUSED = 3
    SOLVE = 4
    SOLVED = 5


class SolverMessage(NamedTuple):
    """One message."""

    kind: Kind
    number: int
    payload: bytes


def frame(message: SolverMessage) -> bytes:
    """The bytes of a message."""
    return HEADER.pack(MAGIC, message.kind, message.number, len(message.payload)) + message.payload


def take(buffer: bytearray) -> SolverMessage | None:
    """Takes the first message out of the received bytes; None while it is incomplete. Raises ValueError."""
    if len(buffer) < HEADER.size:
        return None
    magic, kind, number, length = HEADER.unpack_from(buffer)
    if magic != MAGIC or length > LONGEST:
        raise ValueError("received an invalid message")
    end = HEADER.size + length
    if len(buffer) < end:
        return None
    payload = bytes(buffer[HEADER.size : end])
    del buffer[:end]
    return SolverMessage(Kind(kind), number, payload)
