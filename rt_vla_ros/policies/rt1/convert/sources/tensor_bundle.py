"""Reads TensorFlow's tensor bundles: `PREFIX.index` and `PREFIX.data-0000i-of-0000n` (tensor_bundle.proto).

The index is a sorted string table in LevelDB's format, uncompressed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.json_file import MEGABYTE, check_file
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.protocol_buffers import TruncatedError, fields, masked_crc32c, varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER, TRAILER = 48, 5
LARGEST_INDEX, LONGEST_KEY, MOST_SHARDS = 16 * MEGABYTE, 4096, 1000
"""Limits: bytes, bytes and files; the index of RT-1 has 60,000 bytes."""


def read_sstable(path: Path) -> dict[bytes, bytes]:
    """All entries of a table. Raises CheckpointError for a file that is not a table, or is damaged."""
    check_file(path, CheckpointError, LARGEST_INDEX)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if len(data) < FOOTER or data[-8:] != MAGIC:
        raise CheckpointError(
            f"{path} is not the index of a TensorFlow checkpoint, or is truncated (the table's footer is missing)."
        )
    try:
        _, _, at = _handle(data[-FOOTER:], 0)  # handle of the meta index, which TensorFlow leaves empty
        offset, size, _ = _handle(data[-FOOTER:], at)
        entries: dict[bytes, bytes] = {}
        left = len(data)
        for _, handle in _entries(_block(data, offset, size)):
            block_offset, block_size, _ = _handle(handle, 0)
            left -= block_size + TRAILER
            if left < 0:
                raise ValueError("its blocks overlap")
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
        raise TruncatedError(f"a block at byte {offset} extends beyond the end of the file")
    if trailer[0] != 0:
        raise ValueError(f"a block at byte {offset} is compressed (kind {trailer[0]}), expected no compression")
    if int.from_bytes(trailer[1:], "little") != masked_crc32c(block + trailer[:1]):
        raise ValueError(f"the checksum of the block at byte {offset} is wrong")
    return block


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Decodes the prefix-compressed entries of a block."""
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise TruncatedError("a block is shorter than its restart array")
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        if shared + unshared > LONGEST_KEY:
            raise ValueError(f"a name has {shared + unshared:,} bytes, expected at most {LONGEST_KEY:,}")
        if shared > len(key) or at + unshared + length > end:
            raise TruncatedError("an entry extends beyond its block")
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield key, block[at : at + length]
        at += length


ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"
BFLOAT16 = 14
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?"}
TYPES |= {17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8"}
"""DataType of types.proto -> NumPy dtype; BFLOAT16 is read as the upper half of a float32."""


FIELDS = {"dtype": 1, "shard": 3, "offset": 4, "size": 5, "crc": 6}
"""Field numbers of BundleEntryProto."""


@dataclass
class Entry:
    """The location of a tensor."""

    dtype: int
    shard: int
    offset: int
    size: int
    crc: int
    shape: list[int]
    sliced: bool


def read_tensor_bundle(prefix: Path) -> dict[str, NDArray[Any]]:
    """Arrays by the names of an object-based checkpoint (`agent/net/kernel`), without strings.

    Every tensor's checksum is verified. Raises CheckpointError for files that are missing, truncated or damaged.
    """
    entries = read_sstable(prefix.with_name(prefix.name + ".index"))
    header = entries.pop(b"", None)
    if header is None:
        raise CheckpointError(f"{prefix}.index has no header; it is not a TensorFlow checkpoint.")
    try:
        shards, endianness = (dict(fields(header)).get(number, 0) for number in (1, 2))  # fields of BundleHeaderProto
        where = {key.decode(errors="replace"): _entry(value) for key, value in entries.items()}
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{prefix}.index is damaged: {error}") from error
    if endianness != 0:
        raise CheckpointError(f"{prefix}.index was written on a big-endian machine, which is not supported.")
    if shards > MOST_SHARDS:
        raise CheckpointError(f"{prefix}.index names {shards:,} files, expected at most {MOST_SHARDS:,}.")
    files = [prefix.with_name(f"{prefix.name}.data-{i:05d}-of-{shards:05d}") for i in range(shards)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise CheckpointError(f"The checkpoint {prefix} lacks {', '.join(missing)} beside its index.")
    data = [
        np.memmap(file, dtype=np.uint8, mode="r") if file.stat().st_size else np.zeros(0, np.uint8) for file in files
    ]
    for name, entry in where.items():
        if entry.shard >= len(files) or entry.offset + entry.size > len(data[entry.shard]):
            file = files[min(entry.shard, len(files) - 1)]
            raise CheckpointError(f"{file} is truncated: {name} should end at byte {entry.offset + entry.size}.")
    if sum(entry.size for entry in where.values()) > sum(map(len, data)):
        raise CheckpointError(f"{prefix}.index is damaged: its tensors overlap.")
    return {
        name.removesuffix(ATTRIBUTE): _array(name, entry, data, files)
        for name, entry in where.items()
        if entry.dtype in TYPES or entry.dtype == BFLOAT16
    }


def _array(name: str, entry: Entry, data: list[Any], files: list[Path]) -> NDArray[Any]:
    if entry.sliced:
        raise CheckpointError(f"{name} is stored in slices (a partitioned variable), which RT-1 does not use.")
    raw = np.array(data[entry.shard][entry.offset : entry.offset + entry.size])
    if masked_crc32c(raw.tobytes()) != entry.crc:
        raise CheckpointError(f"{files[entry.shard]} is damaged: the checksum of {name} is wrong.")
    if entry.dtype == BFLOAT16:
        array: NDArray[Any] = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        array = raw.view(TYPES[entry.dtype])
    if array.size != math.prod(entry.shape):
        raise CheckpointError(f"{name} has {array.size} numbers, which does not match its shape {tuple(entry.shape)}.")
    return array.reshape(entry.shape)


def _entry(data: bytes) -> Entry:
    found = dict(fields(data))
    numbers = {name: int(found.get(number, 0)) for name, number in FIELDS.items()}
    shape = [dict(fields(value)).get(1, 0) for n, value in fields(found.get(2, b"")) if n == 2]
    return Entry(**numbers, shape=shape, sliced=7 in found)
