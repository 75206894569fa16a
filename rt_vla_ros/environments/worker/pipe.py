"""The protocol between the environment's process and its parent over pipes: a JSON header, then raw bytes.

    4 bytes b"RVEN", the length of the header and of the body (uint32 each, little-endian), both.

Each request has one answer: an object, {"error": "a sentence"}, or {"failure": "a sentence"} for a step that raised.
Needs only the standard library.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

HEAD = struct.Struct("<4sII")
MAGIC = b"RVEN"
LONGEST_HEADER, LONGEST_BODY = 1_000_000, 256_000_000  # [bytes]


def pack(header: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes of a message."""
    text = json.dumps(header).encode()
    return HEAD.pack(MAGIC, len(text), len(body)) + text + body


def receive(read: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    """read: returns exactly this many bytes. Raises ValueError for an invalid message, and what `read` raises."""
    magic, header_length, body_length = HEAD.unpack(read(HEAD.size))
    if magic != MAGIC or header_length > LONGEST_HEADER or body_length > LONGEST_BODY:
        raise ValueError("invalid message: wrong protocol")
    header = json.loads(read(header_length))
    if not isinstance(header, dict):
        raise ValueError("invalid message: the header is not an object")
    return header, read(body_length)
