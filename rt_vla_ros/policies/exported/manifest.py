"""config.json of an exported policy: its network, its files with their hashes, its own hash, and its origin.

The hashes detect damage and unintended changes. They are no signature: who can write all files can also write hashes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import CARD_FILE
from rt_vla_ros.json_file import check_file
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE
from rt_vla_ros.policies.exported.compiled_graph import Signature

FORMAT = 2
"""Version of the manifest's format."""
OWN = "config"
"""Key of the SHA-256 of config.json's content without this entry."""
LARGEST_GRAPH = (1 << 31) - 1
"""Largest size of a graph, the limit of protocol buffers [bytes]."""
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """The contents of "exported" in config.json.

    graphs: SHA-256 of each graph's file by its name without .onnx or .so. card: SHA-256 of the action card.
    files: SHA-256 of every other file that must not change, by its path in the directory.
    original: SHA-256 of the exported checkpoint's weights, empty for random ones; name: of that checkpoint. opset: ONNX
    opset, 0 for machine code. int8: names of the graphs with int8 weights. versions: of the packages that wrote it.
    target: the machine and the torch that machine code was compiled for (aot_graph.target), and signatures: inputs and
    outputs of each graph (compiled_graph.Signature); both empty for ONNX.
    """

    graphs: Mapping[str, str]
    card: str
    files: Mapping[str, str]
    original: str
    name: str
    opset: int
    int8: tuple[str, ...]
    versions: Mapping[str, str]
    target: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def config(self, model_type: str, network: Mapping[str, Any]) -> dict[str, Any]:
        """The content of config.json. network: the configuration of the original's network."""
        written = {"format": FORMAT, **asdict(self)}
        content: dict[str, Any] = {"model_type": model_type, "exported": written, "network": dict(network)}
        content = json.loads(json.dumps(content))  # as it will be read: keys are strings, tuples are lists
        return {**content, "exported": {**content["exported"], OWN: _own_hash(content)}}

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
        if found.get(OWN) != _own_hash(config):
            raise CheckpointError(
                f"{path} was changed after the export: its content does not match its SHA-256. Copy the whole "
                "directory again, or export the policy again."
            )
        values: dict[str, Any] = {key: found.get(key) for key in cls.__annotations__}
        values["int8"] = tuple(values["int8"]) if isinstance(values["int8"], list) else ()
        values |= {key: values[key] if isinstance(values[key], dict) else {} for key in ("target", "signatures")}
        one = cls(**values)
        tables = [table for table in (one.graphs, one.files) if isinstance(table, Mapping)]
        hashes = [one.card, *(value for table in tables for value in table.values())]
        if len(tables) < 2 or not all(isinstance(value, str) and HASH.fullmatch(value) for value in hashes):
            raise CheckpointError(f"{path} does not name the SHA-256 of the card and of every file; export it again.")
        return one

    def check_card(self, directory: Path) -> None:
        """Raises CheckpointError if the card was changed after the export."""
        found = _bytes(directory / CARD_FILE)
        if sha256_of_bytes(found) != self.card:
            raise CheckpointError(
                f"{directory / CARD_FILE} was changed after this policy was exported. Change "
                "the card of the original checkpoint and export it again, or restore the exported card."
            )

    def graph(self, directory: Path, name: str) -> bytes:
        """The file of a graph. Raises CheckpointError if it is missing or was changed after the export."""
        if name not in self.graphs:
            raise CheckpointError(f"{directory / CONFIG_FILE} names no graph {name!r}; export the policy again.")
        return _unchanged(self.graph_path(directory, name), self.graphs[name])

    def graph_path(self, directory: Path, name: str) -> Path:
        """Where the file of a graph is."""
        return directory / graph_file(name, self.target)

    def signature(self, directory: Path, name: str) -> Signature:
        """Of machine code. Raises CheckpointError if it is missing."""
        return Signature.of(self.signatures.get(name), str(directory / CONFIG_FILE))

    def file(self, directory: Path, name: str) -> bytes:
        """One of `files`. Raises CheckpointError if it is missing or was changed after the export."""
        if name not in self.files:
            raise CheckpointError(f"{directory / CONFIG_FILE} names no file {name!r}; export the policy again.")
        return _unchanged(directory / name, self.files[name])

    def check_files(self, directory: Path, folder: str) -> None:
        """Raises CheckpointError if one of `files` was changed, or if a folder of them holds another file."""
        for name in self.files:
            self.file(directory, name)
        added = sorted(f"{folder}/{path.name}" for path in (directory / folder).iterdir())
        if added := [name for name in added if name not in self.files]:
            raise CheckpointError(
                f"{directory / added[0]} was added after the export. Remove it, or change the original checkpoint and "
                "export it again."
            )


def graph_file(name: str, target: Mapping[str, str]) -> str:
    """The name of a graph's file: machine code for a target is a shared library."""
    return f"{name}.so" if target else f"{name}.onnx"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return sha256_of_bytes(path.read_bytes())


def sha256_of_bytes(content: bytes) -> str:
    """SHA-256 of the content of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _own_hash(config: Mapping[str, Any]) -> str:
    """Of the content of config.json, however it is formatted, without the hash itself."""
    exported = {key: value for key, value in config["exported"].items() if key != OWN}
    return sha256_of_bytes(json.dumps({**config, "exported": exported}, sort_keys=True).encode())


def _unchanged(path: Path, expected: str) -> bytes:
    content = _bytes(path)
    if (digest := sha256_of_bytes(content)) != expected:
        raise CheckpointError(
            f"{path} was changed after the export: its SHA-256 is {digest[:12]}..., {CONFIG_FILE} says "
            f"{expected[:12]}... Copy the whole directory again, or export the policy again."
        )
    return content


def _bytes(path: Path) -> bytes:
    check_file(path, CheckpointError, LARGEST_GRAPH)
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
