"""CRC-32C (Castagnoli, RFC 3720), fast enough for checkpoints without a C extension: many lanes at a time in numpy.

A checksum that starts at zero is linear: that of A followed by B is that of A, moved on by len(B) zero bytes, xor that
of B. So lanes of equal length are summed side by side, then joined in pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
POLYNOMIAL, ONES, MASK_DELTA = 0x82F63B78, 0xFFFFFFFF, 0xA282EAD8


def _byte_table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    return table


TABLE = _byte_table()


def crc32c(data: bytes | memoryview | NDArray[np.uint8]) -> int:
    """The checksum as RFC 3720 defines it; that of b"123456789" is 0xE3069283."""
    array = data if isinstance(data, np.ndarray) else np.frombuffer(data, dtype=np.uint8)
    lanes = 1
    while lanes * lanes * 16 < len(array) and lanes < 1 << 16:
        lanes *= 2
    length = -(-len(array) // lanes)
    padded = np.zeros(lanes * length, dtype=np.uint8)
    padded[len(padded) - len(array) :] = array  # zeros in front change nothing
    sums = np.zeros(lanes, dtype=np.uint32)
    for column in np.ascontiguousarray(padded.reshape(lanes, length).T):
        sums = (sums >> 8) ^ TABLE[(sums ^ column) & 0xFF]
    move: Words = _moved_by(length)
    while len(sums) > 1:
        sums = _apply(move, sums[0::2]) ^ sums[1::2]
        move = _apply(move, move)
    start = _apply(_moved_by(len(array)), np.array([ONES], dtype=np.uint32))
    return int(sums[0] ^ start[0] ^ np.uint32(ONES))


def masked_crc32c(data: bytes | memoryview | NDArray[np.uint8]) -> int:
    """As TensorFlow stores it: rotated and moved, so that the checksum of a checksum is none."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & ONES


def _moved_by(count: int) -> Words:
    """What `count` zero bytes do to each bit of a checksum, shape (32,)."""
    bits: Words = np.uint32(1) << np.arange(32, dtype=np.uint32)
    result: Words = bits
    power: Words = (bits >> 8) ^ TABLE[bits & 0xFF]
    while count:
        if count & 1:
            result = _apply(power, result)
        power = _apply(power, power)
        count >>= 1
    return result


def _apply(operator: Words, sums: Words) -> Words:
    """operator: (32,), the image of every bit. sums: (N,) -> (N,)."""
    out: Words = np.zeros_like(sums)
    for bit in range(32):
        np.bitwise_xor(out, np.where((sums >> np.uint32(bit)) & 1, operator[bit], np.uint32(0)), out=out)
    return out
