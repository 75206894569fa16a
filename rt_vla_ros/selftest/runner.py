"""Runs parts one after the other; whatever goes wrong in one is its result and not the end.

The results file says what each part came to, with what it was measured; it is written after every part.
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
    """device: what everything runs on."""

    device: torch.device

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a CUDA GPU."""
        return self.device.type == "cuda"

    @property
    def name(self) -> str:
        """The GPU's name as its driver tells it, or the kind of CPU."""
        return torch.cuda.get_device_name(self.device) if self.on_gpu else f"CPU ({platform.machine()})"


@dataclass(frozen=True)
class Found:
    """What a part that passed has to say: a sentence, figures for the results file, and a table for people."""

    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""


class FailedError(Exception):
    """A criterion does not hold; the message says which, what was measured and what was expected."""

    def __init__(self, sentence: str, figures: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.figures = dict(figures or {})


class SkippedError(Exception):
    """The part makes no sense on this machine; the message says why."""


@dataclass(frozen=True)
class Part:
    """name: words with hyphens, the subject first. run: raises FailedError, SkippedError, or whatever goes wrong.

    gpu_only: skipped on a CPU.
    """

    name: str
    summary: str
    run: Callable[[Machine], Found]
    gpu_only: bool = False


@contextmanager
def exact_float32() -> Iterator[None]:
    """Within, float32 on a GPU is not shortened to TF32, which torch does in convolutions by default."""
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
    """status: passed, failed or skipped. seconds: that the part took. sentence: what was found, or why not.

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
    """The device's name and the versions that results depend on."""
    found = {"device": machine.name, "torch": torch.__version__, "cuda": torch.version.cuda or "none"}
    return {**found, "transformers": metadata.version("transformers"), "rt_vla_ros": __version__}


class ResultsFile:
    """Results by the names of their parts; on disk too, whole at any time."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """overwrite: begins anew whatever is there. Raises ValueError for a file of something else."""
        self.path = path
        self.results: dict[str, Result] = {}
        if not overwrite:
            self.read()

    def read(self) -> None:
        """Takes over what is on disk, if anything is. Raises ValueError."""
        if not self.path.exists():
            return
        document = read_object(self.path, ValueError)
        try:
            self.results = {name: _result(row) for name, row in document[PARTS].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path} does not hold results of a selftest ({error!r}).") from error

    def standing(self, name: str, now: Mapping[str, str]) -> Result | None:
        """The result of a part that has passed with the same device, torch and version of this package."""
        result = self.results.get(name)
        stands = result and result.status == PASSED and all(result.versions.get(key) == now[key] for key in IDENTITY)
        return result if stands else None

    def add(self, name: str, result: Result) -> None:
        """Takes a result in and writes the file. Raises OSError."""
        self.results[name] = result
        document = {PARTS: {name: asdict(result) for name, result in self.results.items()}}
        write_text(self.path, json.dumps(document, indent=2) + "\n")


def _result(row: Mapping[str, Any]) -> Result:
    result = Result(**{one.name: row[one.name] for one in fields(Result)})
    if result.status not in (PASSED, FAILED, SKIPPED) or not isinstance(result.versions, dict):
        raise TypeError(f"status {result.status!r}")
    return result


def run_parts(parts: Sequence[Part], machine: Machine, file: ResultsFile) -> list[Part]:
    """Runs what has not passed yet; prints a line and writes the file after each. Returns those that could not be run.

    They are those behind one that has cost this process its GPU (an error in a kernel spoils the CUDA context for
    good); another process can run them. Raises OSError where the file cannot be written.
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
    """One part's result, whatever happens in it; its memory is free afterwards. now: see `versions`."""
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
    """Whether an error is, or comes from, a GPU without enough memory."""
    while error is not None:
        if isinstance(error, torch.cuda.OutOfMemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def context_is_lost(machine: Machine) -> bool:
    """Whether this process can use its GPU no longer."""
    try:
        if machine.on_gpu:
            torch.cuda.synchronize(machine.device)
    except RuntimeError:
        return True
    return False
