"""Compiles modules to machine code for this machine's CPU with torch.export and AOTInductor."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import torch

from rt_vla_ros.policies.checkpoint.errors import first_line
from rt_vla_ros.policies.exported.graph_source import ExportError, GraphSource, dynamic_shapes, quiet

OPTIONS = {"cpp.dynamic_threads": True, "aot_inductor.precompile_headers": False}
"""Inductor's: the number of threads is torch's when the graph runs, not when it is compiled. Precompiling the headers
takes longer than the two files of a graph save."""


def check_compiler() -> None:
    """Raises ExportError, with instructions, without a C++ compiler."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception as error:  # torch's own class, which has moved between versions
        raise ExportError(
            "Compiling a policy needs a C++ compiler, and none was found: install one (apt install g++), or set CXX to "
            f"its path. torch says: {first_line(error)}"
        ) from error


@torch.no_grad()
def to_aot(name: str, source: GraphSource) -> bytes:
    """The content of a shared library, with its weights. Raises ExportError."""
    from torch._inductor.utils import fresh_cache  # takes a second

    module = source.module.eval()
    try:
        # The cache is private: torch's own is a directory in /tmp with a predictable name, and its code would be run.
        with quiet(), tempfile.TemporaryDirectory() as place, fresh_cache(dir=place):
            program = torch.export.export(
                module, (), kwargs=dict(source.inputs), dynamic_shapes=dynamic_shapes(source), strict=False
            )
            path = Path(place) / f"{name}.pt2"
            torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=OPTIONS)
            return _library(path)
    except Exception as error:  # torch's compiler raises anything
        raise ExportError(f"torch {torch.__version__} cannot compile {name}: {first_line(error)}") from error


def _library(package: Path) -> bytes:
    """The shared library in a package; the rest is its source code and its name."""
    with zipfile.ZipFile(package) as archive:
        names = [name for name in archive.namelist() if name.endswith(".so")]
        if len(names) != 1:
            raise ValueError(f"the package has {len(names)} shared libraries, expected 1")
        return archive.read(names[0])
