"""Detects the format of a checkpoint and reads its arrays by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.relatives import check_relative, files_of
from rt_vla_ros.policies.rt1.convert.sources.flax_msgpack import read_flax_msgpack
from rt_vla_ros.policies.rt1.convert.sources.orbax import find_orbax, read_orbax
from rt_vla_ros.policies.rt1.convert.sources.pytorch import SUFFIXES, check_no_pytorch
from rt_vla_ros.policies.rt1.convert.sources.tensor_bundle import read_tensor_bundle
from rt_vla_ros.policies.rt1.convert.weight_names import FLAX, TENSORFLOW

INSTALL = "Install the reader: pip install 'rt_vla_ros[convert]'"
_NUMBERED = re.compile(r"model_variables/(\d+)")


@dataclass(frozen=True)
class Source:
    """The contents of a checkpoint.

    kind: the format in words, for messages. flavour: whose names the arrays have. others: names of entries that were
    not read because they are not weights. numbered: whether variables have numbers instead of names (SavedModel).
    """

    path: Path
    kind: str
    flavour: str
    arrays: Mapping[str, NDArray[Any]]
    others: tuple[str, ...] = ()
    numbered: bool = False


def read_source(path: Path) -> Source:
    """Reads a Flax msgpack file, Orbax directory, TensorFlow checkpoint or SavedModel. Raises CheckpointError."""
    try:
        return _read(path)
    except ImportError as error:
        raise CheckpointError(f"{path} cannot be read here: {error}. {INSTALL}.") from error


def _read(path: Path) -> Source:
    prefix = path.with_name(path.name.removesuffix(".index"))
    if prefix.with_name(prefix.name + ".index").is_file():
        return _bundle(path, prefix, "TensorFlow checkpoint")
    if path.is_file():
        check_no_pytorch(path)
        return Source(path, "Flax msgpack checkpoint", FLAX, *read_flax_msgpack(path))
    if not path.is_dir():
        raise CheckpointError(
            f"There is no checkpoint {path}. Give a Flax msgpack file, an Orbax directory, the prefix of a TensorFlow "
            "checkpoint (without .index) or a SavedModel directory."
        )
    check_relative(path, files_of(path), {}, path.name)
    for folder in (path / "variables", path):
        if (folder / "variables.index").is_file():
            return _bundle(path, folder / "variables", "TensorFlow SavedModel")
    orbax = find_orbax(path)
    if orbax is not None:
        return Source(path, "Orbax checkpoint", FLAX, *read_orbax(orbax))
    return _only_one_inside(path)


def _only_one_inside(path: Path) -> Source:
    prefixes = sorted(path.glob("*.index"))
    files = sorted(file for file in path.glob("checkpoint*") if file.is_file() and file.name != "checkpoint")
    plain = path / "checkpoint"
    if not prefixes and not files and plain.is_file():
        files = [plain]
    if len(prefixes) + len(files) == 1:
        return _read((prefixes or files)[0])
    for file in sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file()):
        check_no_pytorch(file)
    names = ", ".join(file.name for file in (*prefixes, *files)) or "none"
    raise CheckpointError(f"{path} contains no known checkpoint, or several ({names}); give the path of one.")


def _bundle(path: Path, prefix: Path, kind: str) -> Source:
    arrays = read_tensor_bundle(prefix)
    numbered = {int(match[1]): array for name, array in arrays.items() if (match := _NUMBERED.fullmatch(name))}
    if not numbered:
        return Source(path, kind, TENSORFLOW, arrays)
    return Source(path, kind, TENSORFLOW, {str(n): numbered[n] for n in sorted(numbered)}, numbered=True)
