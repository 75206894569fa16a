"""Runs a graph that AOTInductor has compiled to a shared library, without an archive and without pickle."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rt_vla_ros.policies.checkpoint.errors import CheckpointError, first_line
from rt_vla_ros.policies.exported.compiled_graph import Signature

CPU_INFO = Path("/proc/cpuinfo")
MODEL_KEYS = ("model name", "CPU implementer", "CPU part")
"""What identifies a processor's model in /proc/cpuinfo: the first on x86, the others on ARM."""


def target() -> dict[str, str]:
    """What compiled graphs depend on: they run only where all of this is equal."""
    return {
        "torch": str(torch.__version__),
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
    }


def check_target(compiled_for: Mapping[str, str], where: object) -> None:
    """Raises CheckpointError for graphs that were compiled for another torch or machine. where: their directory."""
    here = target()
    wrong = [name for name in here if compiled_for.get(name) != here[name]]
    if wrong:
        found = "; ".join(f"{name} {compiled_for.get(name)}, here {here[name]}" for name in wrong)
        raise CheckpointError(
            f"{where} was compiled for another machine or torch ({found}). Export the policy here: "
            "rt-vla export CHECKPOINT --to aot --out DIR.aot."
        )


def check_device(device: str) -> None:
    """Raises ValueError for a device other than the CPU."""
    if device not in ("auto", "cpu"):
        raise ValueError(
            f"A policy compiled with AOTInductor runs on the CPU; expected auto or cpu, given: {device!r}."
        )


class AotGraph:
    """One graph. It uses torch's current number of threads."""

    def __init__(self, content: bytes, where: str, signature: Signature) -> None:
        """content: of the .so file, whose code is run, so the caller has checked it. where: its path, for messages.

        The library is loaded from a private copy of `content`: what runs is what was checked. Raises CheckpointError.
        """
        with tempfile.TemporaryDirectory() as private:  # readable by its owner only
            path = Path(private) / "graph.so"
            path.write_bytes(content)
            try:
                self._runner: Any = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1)
            except RuntimeError as error:
                raise CheckpointError(f"{where} cannot be loaded by torch: {first_line(error)}") from error
        self.inputs, self.outputs = signature.inputs, signature.outputs

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """See CompiledGraph."""
        given = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self.inputs]
        return [output.numpy() for output in self._runner.run(given)]


def _processor() -> str:
    """The processor's model; empty if the system does not say."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    return " ".join(sorted({f"{value}" for key, value in pairs if key in MODEL_KEYS}))
