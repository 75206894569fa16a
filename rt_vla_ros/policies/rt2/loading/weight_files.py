"""The safetensors files of a checkpoint, checked before any weight is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from rt_vla_ros.json_file import read_object
from rt_vla_ros.model_folder import MOST_WEIGHTS, inside, stored_shapes
from rt_vla_ros.policies.checkpoint.errors import CheckpointError, some
from rt_vla_ros.policies.checkpoint.relatives import check_tensor_names

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
MOST_FILES = 1_000
"""Limits, five times those of the largest common models."""


@dataclass(frozen=True)
class WeightFiles:
    """Readable weight files. shapes: of every weight by its name."""

    directory: Path
    paths: tuple[Path, ...]
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def find(cls, directory: Path) -> WeightFiles:
        """The files of a checkpoint. Raises CheckpointError, with advice, if one is missing or damaged."""
        paths = tuple(directory / name for name in _names(directory))
        shapes: dict[str, tuple[int, ...]] = {}
        for path in paths:
            shapes |= stored_shapes(path, CheckpointError)
            try:
                with safe_open(path, "pt"):  # compares the header with the file size
                    pass
            except Exception as error:  # errors of safetensors and of reading files
                raise _unusable(directory, f"{path.name} is damaged or truncated ({error}). Copy it again.") from error
            if len(shapes) > MOST_WEIGHTS:
                raise _unusable(directory, f"they contain more than {MOST_WEIGHTS:,} tensors, which no model has.")
        check_tensor_names(shapes)
        return cls(directory, paths, shapes)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yields every weight with its name, on the CPU."""
        for path in self.paths:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 (not a mapping)
                    yield name, file.get_tensor(name)


def _names(directory: Path) -> list[str]:
    if (directory / WHOLE).is_file():
        return [WHOLE]
    if not (directory / INDEX).is_file():
        raise _unusable(directory, f"there is neither {WHOLE} nor {INDEX}. Copy them, or convert to safetensors.")
    named = read_object(directory / INDEX, CheckpointError).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
        raise _unusable(directory, f"{INDEX} has no weight_map, which maps weights to files. Copy it again.")
    names = sorted(set(named.values()))
    if len(names) > MOST_FILES:
        raise _unusable(directory, f"{INDEX} names {len(names):,} files, expected at most {MOST_FILES:,}.")
    others = [name for name in names if inside(directory, name, CheckpointError).suffix != ".safetensors"]
    if others:
        raise _unusable(directory, f"{INDEX} names {some(others)}, expected .safetensors. Convert them.")
    gone = [name for name in names if not (directory / name).exists()]
    if gone:
        raise _unusable(directory, f"{some(gone)}, named by {INDEX}, is missing. Copy or download it.")
    return names


def _unusable(directory: Path, why: str) -> CheckpointError:
    return CheckpointError(f"The weights in {directory} cannot be loaded: {why}")
