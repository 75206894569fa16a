"""Seeded parameters for RT-1's parity tests, made by numpy alone: the golden data were made with the same ones.

Every tensor has its own legacy stream, `RandomState(crc32("seed:path"))`, which numpy keeps frozen.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

Shapes = dict[str, tuple[int, ...]]


def gen(tree: Mapping[str, tuple[int, ...]], seed: int = 0, conv_gain: float = 1.25) -> dict[str, np.ndarray]:
    """Float32 arrays by path; the rule follows from the last part of the path, Flax' and Keras' names alike.

    Kernels are normal over the square root of the fan-in, times `conv_gain` for convolutions and 0.5 for FiLM (which is
    zero in the reference's initialisation, so mistakes in it would not show).
    """
    return {
        path: _array(path, tuple(shape), seed, conv_gain).astype(np.float32) for path, shape in sorted(tree.items())
    }


def _array(path: str, shape: tuple[int, ...], seed: int, conv_gain: float) -> np.ndarray:
    kind = path.rstrip("/").split("/")[-1]
    random = np.random.RandomState(zlib.crc32(f"{seed}:{path}".encode()))
    if kind in ("kernel", "depthwise_kernel"):
        return random.standard_normal(shape) * (_gain(path, shape, conv_gain) / np.sqrt(_fan(path, kind, shape)))
    if kind in ("bias", "beta", "mean", "moving_mean"):
        return 0.1 * random.standard_normal(shape)
    if kind in ("scale", "gamma"):
        return 1.0 + 0.1 * random.standard_normal(shape)
    if kind in ("var", "moving_variance"):
        return 0.75 + 0.5 * random.random_sample(shape)
    raise ValueError(path)


def _fan(path: str, kind: str, shape: tuple[int, ...]) -> int:
    if kind == "depthwise_kernel":
        return shape[0] * shape[1]
    if len(shape) == 3:
        return shape[0] * shape[1] if "/out/" in path or "_output_dense" in path else shape[0]
    return int(np.prod(shape[:-1]))


def _gain(path: str, shape: tuple[int, ...], conv_gain: float) -> float:
    if "FilmConditioning" in path or "_projection_" in path or "film" in path:
        return 0.5
    return conv_gain if len(shape) == 4 else 1.0


def parse_tree(lines: Iterable[str]) -> Shapes:
    """Lines "name (2, 3) float32" or "name f32 (2, 3)" -> shapes by name; lines with # are remarks."""
    tree = {}
    for line in lines:
        if line.strip() and not line.startswith("#"):
            name, rest = line.split(" ", 1)
            inside = rest[rest.index("(") + 1 : rest.index(")")]
            tree[name] = tuple(int(n) for n in inside.split(",") if n.strip())
    return tree


def read_tree(path: Path) -> Shapes:
    return parse_tree(path.read_text().splitlines())


def inputs(steps: int, seed: int = 1, size: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (steps, size, size, 3), coarse noise and gradients; an embedding (512,) of length 1, like USE's."""
    random = np.random.RandomState(seed)
    low = random.randint(0, 256, (steps, 25, 25, 3)).astype(np.uint8)
    times = -(-size // 25)
    images = np.repeat(np.repeat(low, times, 1), times, 2)[:, :size, :size]
    at = np.arange(size)
    gradient = (at[None, :, None, None] + 2 * at[None, None, :, None]) % 64
    images = ((images.astype(np.int32) * 3 // 4) + gradient).astype(np.uint8)
    embedding = random.standard_normal(512)
    return images, (embedding / np.linalg.norm(embedding)).astype(np.float32)
