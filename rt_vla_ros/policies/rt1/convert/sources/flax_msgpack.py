"""Reads Flax checkpoints: one msgpack file with arrays as an extension type (reimplements flax.serialization)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.json_file import check_file
from rt_vla_ros.policies.checkpoint.errors import CheckpointError

NDARRAY, SCALAR = 1, 3
CHUNKED = "__msgpack_chunked_array__"
KEPT = ("params", "batch_stats")
Collections = tuple[dict[str, NDArray[Any]], tuple[str, ...]]
"""Arrays of KEPT by name, and the names of the other entries (optimizer state, step counter)."""


def read_flax_msgpack(path: Path) -> Collections:
    """Arrays of the collections `params` and `batch_stats` by name, parts joined by "/"; and the names of the rest.

    Raises CheckpointError for a file that cannot be read, and ImportError if msgpack is not installed.
    """
    import msgpack

    check_file(path, CheckpointError)
    try:
        tree = msgpack.unpackb(path.read_bytes(), ext_hook=_extension, raw=False, strict_map_key=False)
    except (OSError, ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise CheckpointError(f"{path} is not a Flax msgpack checkpoint, or is truncated: {error}") from error
    return kept_collections(tree, path)


def kept_collections(tree: Any, path: Path) -> Collections:
    """Flat arrays of `params` and `batch_stats`, and the names of the rest. Raises CheckpointError without `params`."""
    while isinstance(tree, dict) and "params" not in tree and len(tree) == 1:  # `{"0": {...}}`, `{"state": {...}}`
        tree = next(iter(tree.values()))
    if not isinstance(tree, dict) or "params" not in tree:
        there = f"it contains {', '.join(map(str, list(tree)[:8]))}" if isinstance(tree, dict) else "it is not a tree"
        raise CheckpointError(f"{path} has no `params`; {there}.")
    try:
        leaves = {name: _joined(leaf) for name, leaf in _leaves({key: tree[key] for key in KEPT if key in tree})}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} contains a chunked array with missing or mismatched chunks: {error}") from error
    others = tuple(name for name, _ in _leaves({key: value for key, value in tree.items() if key not in KEPT}))
    return {name: leaf for name, leaf in leaves.items() if isinstance(leaf, np.ndarray)}, others


def _leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All leaves with their names; a chunked array counts as one leaf."""
    if not isinstance(tree, dict) or tree.get(CHUNKED):
        yield prefix, tree
        return
    for key, value in tree.items():
        yield from _leaves(value, f"{prefix}/{key}" if prefix else str(key))


def _joined(leaf: Any) -> Any:
    """Joins the chunks of an array."""
    if not isinstance(leaf, dict):
        return leaf
    shape, chunks = ([leaf[key][str(i)] for i in range(len(leaf[key]))] for key in ("shape", "chunks"))
    return np.concatenate(chunks).reshape(shape)


def _extension(code: int, data: bytes) -> Any:
    import msgpack

    if code not in (NDARRAY, SCALAR):
        return None
    shape, name, buffer = msgpack.unpackb(data, raw=False)
    name = name.decode() if isinstance(name, bytes) else name
    if name == "bfloat16":
        return (np.frombuffer(buffer, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return np.frombuffer(buffer, np.dtype(name)).reshape(shape)
