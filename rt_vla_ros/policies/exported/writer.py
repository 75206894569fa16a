"""Exports a policy: its graphs, verified against torch, and what else it needs to run, in a directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rt_vla_ros import __version__
from rt_vla_ros.action_space.card import CARD_FILE, ActionCard
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, EXPORTED
from rt_vla_ros.policies.checkpoint.resolve import REMOTE, Checkpoint
from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder
from rt_vla_ros.policies.exported.compiled_graph import Signature
from rt_vla_ros.policies.exported.engines import Engine
from rt_vla_ros.policies.exported.graph_source import ExportError
from rt_vla_ros.policies.exported.manifest import Manifest, graph_file, sha256_of

Graphs = dict[str, bytes]
TOLERANCE, PATCH = 1e-3, 16
"""Largest difference of a logit between the graphs and torch, relative to the largest logit; and the patch size of the
random test images [pixels]."""


@dataclass(frozen=True)
class ExportedFolder:
    """What to write. model_type: of EXPORTED. network: configuration of the original's network. graphs: by their names.

    int8: names of those with int8 weights. write: writes further files to a directory, and returns the paths within it
    of those that must not change. engine: that compiled the graphs. signatures: of
    the graphs. original: SHA-256 of the checkpoint's weights,
    empty for random ones; name: of the checkpoint.
    """

    model_type: str
    network: Mapping[str, Any]
    card: ActionCard
    graphs: Graphs
    engine: Engine
    signatures: Mapping[str, Signature]
    original: str
    name: str
    int8: tuple[str, ...] = ()
    write: Callable[[Path], list[str]] = field(default=lambda _: [])


def check_exportable(checkpoint: Checkpoint, directory: Path, engine: Engine) -> None:
    """Raises ExportError unless this is a checkpoint on this machine, to be exported to a new or empty directory.

    Raises ImportError or ExportError, with instructions, without what the engine needs.
    """
    engine.check()
    if checkpoint.family == REMOTE:
        raise ExportError(f"{checkpoint.reference} is on a server: run `rt-vla export` there.")
    if checkpoint.family in EXPORTED:
        raise ExportError(f"{checkpoint.name} is already exported; use the original checkpoint.")
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise ExportError(f"{directory} already exists; choose a new directory, or remove it first.")


def check_difference(difference: float, where: str) -> None:
    """difference: of a logit between onnxruntime and torch, relative to the largest logit. Raises ExportError."""
    if not difference <= TOLERANCE:
        raise ExportError(
            f"The exported graphs' output differs from torch's ({where}: {difference:.1%} of the largest logit, "
            f"expected at most {TOLERANCE:.1%}), so nothing was written."
        )


def write_exported(directory: Path, folder: ExportedFolder) -> Manifest:
    """Writes the directory atomically. Raises OSError."""
    made: list[Manifest] = []
    folder.engine.finished(folder.graphs.values())

    def write(new: Path) -> None:
        folder.card.save(new)
        files = {name: new / graph_file(name, folder.engine.target) for name in folder.graphs}
        for name, content in folder.graphs.items():
            files[name].write_bytes(content)
        fixed = folder.write(new)
        packages = folder.engine.packages
        versions = {"rt_vla_ros": __version__, **{name: metadata.version(name) for name in packages}}
        manifest = Manifest(
            graphs={name: sha256_of(path) for name, path in files.items()},
            card=sha256_of(new / CARD_FILE),
            files={name: sha256_of(new / name) for name in sorted(fixed)},
            original=folder.original,
            name=folder.name,
            opset=folder.engine.opset,
            int8=folder.int8,
            versions=versions,
            target=folder.engine.target,
            signatures={name: one.to_dict() for name, one in folder.signatures.items() if folder.engine.target},
        )
        config = manifest.config(folder.model_type, folder.network)
        (new / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        made.append(manifest)

    replace_folder(directory, write)
    return made[0]
