"""config.json of an exported policy: its network, its graphs with their hashes, and its origin."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import CARD_FILE
from rt_vla_ros.json_file import check_file
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE

FORMAT = 1
"""Version of the manifest's format."""
LARGEST_GRAPH = (1 << 31) - 1
"""Largest size of a graph, the limit of protocol buffers [bytes]."""
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """The contents of "exported" in config.json.

    graphs: SHA-256 of each graph's file by its name without .onnx. card: SHA-256 of the action card.
    original: SHA-256 of the exported checkpoint's weights, empty for random ones; name: of that checkpoint. opset: ONNX
    opset. int8: names of the graphs with int8 weights. versions: of the packages that wrote it.
    """

    graphs: Mapping[str, str]
    card: str
    original: str
    name: str
    opset: int
    int8: tuple[str, ...]
    versions: Mapping[str, str]

    def config(self, model_type: str, network: Mapping[str, Any]) -> dict[str, Any]:
        """The content of config.json. network: the configuration of the original's network."""
        return {"model_type": model_type, "exported": {"format": FORMAT, **asdict(self)}, "network": dict(network)}

    @classmethod
    def of(cls, config: Mapping[str, Any], directory: Path) -> Manifest:
        """From the config.json of a directory. Raises CheckpointError."""
        path, found = directory / CONFIG_FILE, config.get("exported")
        if not isinstance(found, Mapping):
            raise CheckpointError(f"{path} is incomplete; export the policy again (rt-vla export).")
        if found.get("format") != FORMAT:
            raise CheckpointError(
                f"{path} has the export format {found.get('format')!r}, expected {FORMAT}: it was "
                "written by another version of rt_vla_ros. Export the policy again (rt-vla export)."
            )
        values: dict[str, Any] = {key: found.get(key) for key in cls.__annotations__}
        values["int8"] = tuple(values["int8"]) if isinstance(values["int8"], list) else ()
        one = cls(**values)
        hashes = [*one.graphs.values(), one.card] if isinstance(one.graphs, Mapping) else [None]
        if not all(isinstance(value, str) and HASH.fullmatch(value) for value in hashes):
            raise CheckpointError(f"{path} does not name the SHA-256 of the card and of every graph; export it again.")
        return one

    def check_card(self, directory: Path) -> None:
        """Raises CheckpointError if the card was changed after the export."""
        found = _bytes(directory / CARD_FILE)
        if _sha256(found) != self.card:
            raise CheckpointError(
                f"{directory / CARD_FILE} was changed after this policy was exported. Change "
                "the card of the original checkpoint and export it again, or restore the exported card."
            )

    def graph(self, directory: Path, name: str) -> bytes:
        """The file of a graph. Raises CheckpointError if it is missing or was changed after the export."""
        path = directory / f"{name}.onnx"
        if name not in self.graphs:
            raise CheckpointError(f"{directory / CONFIG_FILE} names no graph {name!r}; export the policy again.")
        content = _bytes(path)
        if (digest := _sha256(content)) != self.graphs[name]:
            raise CheckpointError(
                f"{path} was changed after the export: its SHA-256 is {digest[:12]}..., {CONFIG_FILE} says "
                f"{self.graphs[name][:12]}... Copy the whole directory again, or export the policy again."
            )
        return content


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return _sha256(path.read_bytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bytes(path: Path) -> bytes:
    check_file(path, CheckpointError, LARGEST_GRAPH)
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
