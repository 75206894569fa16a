"""The sorted string table in which TensorFlow keeps a checkpoint's index (LevelDB's table format, uncompressed)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rt_vla_ros.policies.checkpoint.errors import CheckpointError

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER, TRAILER, MASK_DELTA = 48, 5, 0xA282EAD8


class TruncatedError(ValueError):
    """A number or a block goes beyond the end of the data."""


def masked_crc32c(data: bytes) -> int:
    """The checksum (Castagnoli) as TensorFlow stores it: rotated, and a constant added."""
    import google_crc32c

    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A little-endian base-128 number and the position after it. Raises TruncatedError."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise TruncatedError("a number goes beyond the end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def read_sstable(path: Path) -> dict[bytes, bytes]:
    """All entries. Raises CheckpointError for a file that is no table, or damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if len(data) < FOOTER or data[-8:] != MAGIC:
        raise CheckpointError(
            f"{path} is no index of a TensorFlow checkpoint, or cut short (its last bytes are not a table's)."
        )
    try:
        _, _, at = _handle(data[-FOOTER:], 0)  # of the meta index, which TensorFlow leaves empty
        offset, size, _ = _handle(data[-FOOTER:], at)
        entries: dict[bytes, bytes] = {}
        for _, handle in _entries(_block(data, offset, size)):
            block_offset, block_size, _ = _handle(handle, 0)
            entries.update(_entries(_block(data, block_offset, block_size)))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    return entries


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return offset, size, at


def _block(data: bytes, offset: int, size: int) -> bytes:
    block, trailer = data[offset : offset + size], data[offset + size : offset + size + TRAILER]
    if len(trailer) < TRAILER:
        raise TruncatedError(f"a block at byte {offset} goes beyond the end")
    if trailer[0] != 0:
        raise ValueError(f"a block at byte {offset} is compressed (kind {trailer[0]}), expected none")
    if int.from_bytes(trailer[1:], "little") != masked_crc32c(block + trailer[:1]):
        raise ValueError(f"the checksum of the block at byte {offset} is wrong")
    return block


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys share the beginning of the one before."""
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise TruncatedError("a block is shorter than its own table of restarts")
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or at + unshared + length > end:
            raise TruncatedError("an entry goes beyond its block")
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield key, block[at : at + length]
        at += length
