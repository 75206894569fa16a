"""Reads Orbax checkpoints: a directory of Zarr arrays, plain or in an OCDBT store, with tensorstore (no JAX)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.rt1.convert.sources.flax_msgpack import KEPT, Collections

METADATA = "_METADATA"
MARKERS = ("manifest.ocdbt", METADATA, "params*/.zarray")
ZARR3 = "zarr.json"
MOST_NUMBERS = 1 << 30
"""Limit for all arrays; RT-1-X has 57 million weights. A file of a few bytes can declare any number of zeros."""
DRIVERS = {".zarray": "zarr", ZARR3: "zarr3"}
ZEROS_STORED = "store_array_data_equal_to_fill_value"
"""Key in _METADATA: all-zero chunks are written too. Older Orbax omitted them in Zarr 3, so they may be missing."""


def find_orbax(directory: Path) -> Path | None:
    """The directory of the arrays: this one, or the only one up to two levels below (`STEP/default`)."""
    for candidates in ((directory,), directory.glob("*"), directory.glob("*/*")):
        found = [p for p in candidates if p.is_dir() and any(next(p.glob(marker), None) for marker in MARKERS)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(sorted(str(path.relative_to(directory)) for path in found))
            raise CheckpointError(f"{directory} contains several checkpoints: {names}. Give the path of one.")
    return None


def read_orbax(directory: Path) -> Collections:
    """Arrays of the collections `params` and `batch_stats` by name, parts joined by "/"; and the names of the rest.

    Raises CheckpointError for unreadable files, and ImportError if tensorstore is not installed.
    """
    import tensorstore as ts

    ocdbt = (directory / "manifest.ocdbt").is_file()
    path = directory / METADATA
    zeros_left_out = not (path.is_file() and read_object(path, CheckpointError).get(ZEROS_STORED))
    base = {"driver": "file", "path": f"{directory.resolve()}/"}
    store = {"driver": "ocdbt", "base": base} if ocdbt else base
    try:
        keys = [key.decode() for key in ts.KvStore.open(store).result().list().result()]
        arrays, others, numbers = {}, [], 0
        for key in keys:
            array, _, leaf = key.rpartition("/")
            parts = _parts(array)
            if leaf in DRIVERS and not parts:
                others.append(array.replace(".", "/"))
            elif leaf in DRIVERS:
                at = {**store, "path": f"{array}/"} if ocdbt else {**base, "path": f"{directory.resolve()}/{array}/"}
                spec = {
                    "driver": DRIVERS[leaf],
                    "kvstore": at,
                    "fill_missing_data_reads": zeros_left_out and leaf == ZARR3,
                }
                stored = ts.open(spec, read=True).result()
                numbers += math.prod(stored.shape)
                if numbers > MOST_NUMBERS:
                    raise CheckpointError(
                        f"{directory} contains more than {MOST_NUMBERS:,} numbers, too many for an RT-1."
                    )
                arrays["/".join(parts)] = np.asarray(stored.read().result())
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{directory} cannot be read as an Orbax checkpoint: {error}") from error
    if not any(name.startswith("params/") for name in arrays):
        raise CheckpointError(f"{directory} contains no `params`; its arrays are not a network's.")
    wide = {name: a.astype(np.float32) if a.dtype.name == "bfloat16" else a for name, a in arrays.items()}
    return wide, tuple(others)


def _parts(path: str) -> list[str]:
    """Splits `params.Dense_0.kernel` or `params/Dense_0/kernel` and drops a prefix (`state.params...`)."""
    parts = [part for piece in path.split("/") for part in piece.split(".")]
    start = next((i for i, part in enumerate(parts) if part in KEPT), len(parts))
    return parts[start:] if start <= 1 else []
