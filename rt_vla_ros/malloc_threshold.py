"""Prevents memory growth in long-running processes that handle images, with glibc."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3  # of mallopt(3)
THRESHOLD = 128 << 10  # glibc's default [bytes]


def fix_malloc_threshold() -> None:
    """Blocks of 128 KiB and more, such as images, go back to the system as soon as they are freed.

    glibc raises this threshold whenever such a block is freed. Images then lie between small blocks that live longer,
    and the holes between them are never given back: a process that reads and encodes images grows without limit.
    Setting the threshold stops that. Does nothing for another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, THRESHOLD)
