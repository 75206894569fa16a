from __future__ import annotations

import numpy as np
import pytest

from rt_vla_ros.policies.rt1.convert.sources.crc32c import TABLE, crc32c, masked_crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_known_checksums(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


@pytest.mark.parametrize("length", [1, 5, 17, 255, 4097, 70_001])
def test_lanes_give_what_byte_by_byte_gives(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8)
    plain = 0xFFFFFFFF
    for byte in data.tolist():
        plain = (plain >> 8) ^ int(TABLE[(plain ^ byte) & 0xFF])
    assert crc32c(data) == plain ^ 0xFFFFFFFF


def test_the_mask_is_tensorflows() -> None:
    assert masked_crc32c(b"") == 0xA282EAD8
