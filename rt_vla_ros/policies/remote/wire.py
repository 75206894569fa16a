"""One message between a robot and its policy server: a fixed header, a JSON object, and bytes such as pixels.

    4 bytes   b"RTVL"
    1 byte    version of the protocol
    1 byte    kind
    2 bytes   zero
    4 bytes   number of the request; the same in its answer
    4 bytes   length of the JSON object, UTF-8
    4 bytes   length of the rest
    ...       the JSON object, then the rest

All lengths are checked before anything else is read. Nothing in a message is executed: no pickle, no classes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NoReturn

MAGIC, VERSION = b"RTVL", 1
HEADER = struct.Struct(">4sBBHIII")
MOST_META = 1 << 18  # [bytes]
LARGEST_BODY = 1 << 28  # [bytes]; enough for the cameras of any served action card


class RemoteWireError(ValueError):
    """The message is invalid or too large."""


class MessageKind(IntEnum):
    """The kind of a message. HELLO, RESET, ACT and ASK are sent by a robot, the others by a server."""

    HELLO = 1
    RESET = 2
    ACT = 3
    ASK = 4
    WELCOME = 17
    DONE = 18
    CHUNK = 19
    ANSWER = 20
    LATE = 21
    REFUSED = 22


@dataclass(frozen=True)
class RemoteMessage:
    """number: of the request; the same in its answer. meta: a JSON object without NaN and infinity."""

    kind: MessageKind
    number: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""


def pack(message: RemoteMessage) -> bytes:
    """Raises RemoteWireError for a message that is too long or contains numbers that are not finite."""
    try:
        meta = json.dumps(message.meta, separators=(",", ":"), allow_nan=False).encode()
    except ValueError as error:
        raise RemoteWireError(f"A number to be sent is not finite ({error}).") from error
    if len(meta) > MOST_META or len(message.body) > LARGEST_BODY:
        raise RemoteWireError(
            f"A message of {len(meta)} bytes of text and {len(message.body)} bytes of images is too large to send, "
            f"at most {MOST_META} and {LARGEST_BODY} are allowed."
        )
    header = HEADER.pack(MAGIC, VERSION, message.kind, 0, message.number, len(meta), len(message.body))
    return header + meta + message.body


def unpack(data: bytes, most_body: int) -> RemoteMessage:
    """most_body: largest number of bytes after the JSON object. Raises RemoteWireError."""
    if len(data) < HEADER.size:
        raise RemoteWireError(f"The message has {len(data)} bytes, expected a header of {HEADER.size}.")
    magic, version, kind, zero, number, meta_length, body_length = HEADER.unpack_from(data)
    if magic != MAGIC or zero:
        raise RemoteWireError("The message does not start with this protocol's header.")
    if version != VERSION:
        raise RemoteWireError(
            f"The other side uses protocol version {version}, this one version {VERSION}: install the "
            "same version of rt_vla_ros on both."
        )
    if meta_length > MOST_META:
        raise RemoteWireError(f"The header announces {meta_length} bytes of text, at most {MOST_META} are accepted.")
    if body_length > most_body:
        raise RemoteWireError(f"The header announces {body_length} bytes of images, at most {most_body} are accepted.")
    if len(data) != HEADER.size + meta_length + body_length:
        raise RemoteWireError(
            f"The message has {len(data)} bytes, the header announces {HEADER.size + meta_length + body_length}."
        )
    try:
        known = MessageKind(kind)
    except ValueError as error:
        raise RemoteWireError(f"The message has the unknown kind {kind}.") from error
    meta = _object(data[HEADER.size : HEADER.size + meta_length])
    return RemoteMessage(known, number, meta, data[HEADER.size + meta_length :])


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        meta = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RemoteWireError(f"The message's text is not valid JSON: {str(error)[:120]}.") from error
    if not isinstance(meta, dict):
        raise RemoteWireError("The message's text is JSON, but not an object.")
    return meta


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")
