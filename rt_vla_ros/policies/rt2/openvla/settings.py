"""The numbers of OpenVLA's config.json, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import OPENVLA_TAIL


@dataclass(frozen=True)
class OpenVLASettings:
    """image_size: side of an image [pixels]. bins: of a dimension. image_token_id: what holds the place of a patch.

    padding: rows of the embedding table behind the last action token.
    """

    image_size: int
    bins: int
    image_token_id: int
    padding: int

    @classmethod
    def make(cls, data: Mapping[str, Any], directory: Path) -> OpenVLASettings:
        """data: config.json of the directory. Raises CheckpointError for what is no number of its kind."""
        path = directory / "config.json"
        sizes = data.get("image_sizes", [224])
        if not isinstance(sizes, list) or not sizes or not all(_is_whole(size, 1) for size in sizes):
            raise CheckpointError(f"{path}: image_sizes is {sizes!r}, expected a list of pixels such as [224, 224].")
        return cls(
            sizes[0],
            _whole(path, data, "n_action_bins", 256, least=2),
            _whole(path, data, "pad_token_id", 32000),
            _whole(path, data, "pad_to_multiple_of", OPENVLA_TAIL),
        )


def _whole(path: Path, data: Mapping[str, Any], key: str, usual: int, least: int = 0) -> int:
    value = data.get(key, usual)
    if not _is_whole(value, least):
        raise CheckpointError(f"{path}: {key} is {value!r}, expected a whole number of {least} or more, often {usual}.")
    return int(value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
