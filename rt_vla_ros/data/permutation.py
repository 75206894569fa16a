"""A shuffled order of any length, computed on demand: no memory, no state, platform-independent."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

WORD = (1 << 64) - 1
ROUNDS = 6
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # SplitMix64's
FACTORS, SHIFTS = np.array([FIRST, SECOND], np.uint64), np.array([30, 27, 31], np.uint64)

Words = NDArray[np.uint64]


def mixed(*numbers: int) -> int:
    """Hash of integers, 0 ... 2^64 - 1; only the lowest 64 bits are used."""
    state = 0
    for number in numbers:
        state = (state + (number & WORD) + STEP) & WORD
        state = ((state ^ (state >> 30)) * FIRST) & WORD
        state = ((state ^ (state >> 27)) * SECOND) & WORD
        state ^= state >> 31
    return state


def shuffled(places: NDArray[np.int64], size: int, key: int) -> NDArray[np.int64]:
    """Elements at `places`, (N,), of a permutation of 0 ... size - 1 that depends on the key.

    A Feistel network permutes the cells of a nearly square table; cells past the end are permuted again.
    Raises ValueError for a place outside.
    """
    if len(places) and not 0 <= places.min() <= places.max() < size:
        raise ValueError(f"Places must be in 0 ... {size - 1}.")
    rows = math.isqrt(max(0, size - 1)) + 1
    shape = np.array([rows, -(-size // rows)], np.uint64)
    keys = np.array([mixed(key, number) for number in range(ROUNDS)], np.uint64)
    found, again = places.astype(np.uint64), np.arange(len(places))
    while len(again):
        found[again] = _permuted(found[again], shape, keys)
        again = again[found[again] >= np.uint64(size)]
    return found.astype(np.int64)


def _permuted(numbers: Words, shape: Words, keys: Words) -> Words:
    """Moves the cell of each number alternately along its column and its row, by a hash."""
    row, column = numbers // shape[1], numbers % shape[1]
    for number in range(0, ROUNDS, 2):
        row = (row + _hash(column ^ keys[number]) % shape[0]) % shape[0]
        column = (column + _hash(row ^ keys[number + 1]) % shape[1]) % shape[1]
    cells: Words = row * shape[1] + column
    return cells


def _hash(state: Words) -> Words:
    """SplitMix64's finalizer; arrays of numbers wrap around silently."""
    state = (state ^ (state >> SHIFTS[0])) * FACTORS[0]
    state = (state ^ (state >> SHIFTS[1])) * FACTORS[1]
    final: Words = state ^ (state >> SHIFTS[2])
    return final
