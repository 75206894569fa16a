"""Runs parts one after the other; an error in one is its result and does not end the run.

The results file has each part's result and environment; it is written after every part.
"""

from __future__ import annotations

import gc
import json
import platform
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from rt_vla_ros import __version__
from rt_vla_ros.data.lerobot_layout import write_text
from rt_vla_ros.json_file import read_object

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
PARTS = "parts"
IDENTITY = ("device", "torch", "rt_vla_ros")  # what must be the same for an earlier result to stand


@dataclass(frozen=True)
class Machine:
    """device: for all parts."""

    device: torch.device

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a CUDA GPU."""
        return self.device.type == "cuda"

    @property
    def name(self) -> str:
        """The GPU's name from its driver, or the kind of CPU."""
        return torch.cuda.get_device_name(self.device) if self.on_gpu else f"CPU ({platform.machine()})"


@dataclass(frozen=True)
class Found:
    """Result of a passed part: a sentence, figures for the results file, and a printed table."""

    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""


class FailedError(Exception):
    """A criterion is not met; the message says which, the measured and the expected value."""

    def __init__(self, sentence: str, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.figures = dict(figures or {})


class SkippedError(Exception):
    """The part is not applicable on this machine; the message says why."""


@dataclass(frozen=True)
class Part:
    """name: words with hyphens, the subject first. run: raises FailedError, SkippedError, or any other error.

    gpu_only: skipped on a CPU.
    """

    name: str
    summary: str
    run: Callable[[Machine], Found]
    gpu_only: bool = False


@contextmanager
def exact_float32() -> Iterator[None]:
    """Context without TF32, which torch uses for float32 convolutions on a GPU by default."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


@dataclass(frozen=True)
class Result:
    """status: passed, failed or skipped. seconds: duration of the part. sentence: the result, or the reason.

    versions: of `versions`. unix_time: when it ended [s]. out_of_memory: whether the GPU had too little.
    """

    status: str
    seconds: float
    sentence: str
    versions: Mapping[str, str]
    unix_time: int = field(default_factory=lambda: round(time.time()))
    figures: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    traceback: str = ""
    out_of_memory: bool = False


def versions(machine: Machine) -> dict[str, str]:
    """The device's name and the relevant versions."""
    found = {"device": machine.name, "torch": torch.__version__, "cuda": torch.version.cuda or "none"}
    return {**found, "transformers": metadata.version("transformers"), "rt_vla_ros": __version__}


class ResultsFile:
    """Results by part name; stored on disk, written atomically."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """overwrite: replace an existing file. Raises ValueError for a file with other content."""
        self.path = path
        self.results: dict[str, Result] = {}
        if not overwrite:
            self.read()

    def read(self) -> None:
        """Load an existing file, if any. Raises ValueError."""
        if not self.path.exists():
            return
        document = read_object(self.path, ValueError)
        try:
            self.results = {name: _result(row) for name, row in document[PARTS].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path} does not contain results of a selftest ({error!r}).") from error

    def standing(self, name: str, now: Mapping[str, str]) -> Result | None:
        """The result of a part that has passed with the same device, torch and version of this package."""
        result = self.results.get(name)
        stands = result and result.status == PASSED and all(result.versions.get(key) == now[key] for key in IDENTITY)
        return result if stands else None

    def add(self, name: str, result: Result) -> None:
        """Add a result and write the file. Raises OSError."""
        self.results[name] = result
        document = {PARTS: {name: asdict(result) for name, result in self.results.items()}}
        write_text(self.path, json.dumps(document, indent=2) + "\n")


def _result(row: Mapping[str, Any]) -> Result:
    result = Result(**{one.name: row[one.name] for one in fields(Result)})
    if result.status not in (PASSED, FAILED, SKIPPED) or not isinstance(result.versions, dict):
        raise TypeError(f"status {result.status!r}")
    return result


def run_parts(parts: Sequence[Part], machine: Machine, file: ResultsFile) -> list[Part]:
    """Run parts that have not passed yet; print a line and write the file after each. Returns those that could not run.

    They follow a part after which this process lost its GPU (a kernel error makes the CUDA context unusable); another
    process can run them. Raises OSError where the file cannot be written.
    """
    now, width = versions(machine), max(len(part.name) for part in parts)
    for number, part in enumerate(parts, start=1):
        earlier = file.standing(part.name, now)
        result = earlier or run_part(part, machine, now)
        if earlier is None:
            file.add(part.name, result)
        when = "earlier" if earlier else f"{result.seconds:.1f} s"
        print(f"{result.status:<8}{part.name:<{width}}  {when:>8}  {result.sentence}", flush=True)
        if result.status == FAILED and context_is_lost(machine):
            return list(parts[number:])
    return []


def run_part(part: Part, machine: Machine, now: Mapping[str, str]) -> Result:
    """Result of a part, including errors; its memory is freed afterwards. now: see `versions`."""
    begin = time.perf_counter()

    def result(status: str, sentence: str, **more: Any) -> Result:
        return Result(status, round(time.perf_counter() - begin, 2), sentence, now, **more)

    try:
        if part.gpu_only and not machine.on_gpu:
            raise SkippedError("CUDA graphs need a GPU.")
        if machine.on_gpu:
            torch.cuda.reset_peak_memory_stats(machine.device)
        found = part.run(machine)
        return result(PASSED, found.sentence, figures=found.figures, table=found.table)
    except SkippedError as error:
        return result(SKIPPED, str(error))
    except FailedError as error:
        return result(FAILED, str(error), figures=error.figures, traceback=traceback.format_exc())
    except Exception as error:
        memory, line = is_out_of_memory(error), (str(error) or repr(error)).strip().splitlines()[0]
        what = "The GPU has too little memory" if memory else type(error).__name__
        return result(FAILED, f"{what}: {line}", traceback=traceback.format_exc(), out_of_memory=memory)
    finally:
        gc.collect()
        if machine.on_gpu and not context_is_lost(machine):
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error is, or was caused by, insufficient GPU memory."""
    while error is not None:
        if isinstance(error, torch.cuda.OutOfMemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def context_is_lost(machine: Machine) -> bool:
    """Whether this process can no longer use its GPU."""
    try:
        if machine.on_gpu:
            torch.cuda.synchronize(machine.device)
    except RuntimeError:
        return True
    return False
