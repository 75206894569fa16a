"""Opens the graphs of an exported policy with what runs them: onnxruntime, or machine code that may run here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rt_vla_ros.policies.exported import machine_code
from rt_vla_ros.policies.exported.aot_graph import AotGraph, check_device, check_target
from rt_vla_ros.policies.exported.compiled_graph import CompiledGraph
from rt_vla_ros.policies.exported.graph import OnnxGraph, providers
from rt_vla_ros.policies.exported.manifest import Manifest


def open_graphs(
    manifest: Manifest, directory: Path, names: Iterable[str], device: str, *, trust: bool
) -> dict[str, CompiledGraph]:
    """The graphs of an exported directory by their names.

    device: see graph.providers; machine code runs on the CPU. trust: whether machine code that was not compiled here
    may be run. Raises CheckpointError, ValueError; ImportError without onnxruntime.
    """
    paths = {name: str(manifest.graph_path(directory, name)) for name in names}
    if not manifest.target:
        chosen = providers(device)
        return {name: OnnxGraph(manifest.graph(directory, name), path, chosen) for name, path in paths.items()}
    check_device(device)
    check_target(manifest.target, directory)
    contents = {name: manifest.graph(directory, name) for name in paths}
    if not trust:
        for name, content in contents.items():
            machine_code.check_recorded(content, paths[name])
    return {
        name: AotGraph(content, paths[name], manifest.signature(directory, name)) for name, content in contents.items()
    }
