"""Runs parts one after the other; whatever goes wrong in one is its result and not the end."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Mapping, Sequence

import torch

from rt_vla_ros.selftest.part import FailedError, Machine, Part, SkippedError
from rt_vla_ros.selftest.results import FAILED, PASSED, SKIPPED, Result, ResultsFile, versions

Tell = Callable[[str, Result, bool], None]
"""Is given a part's name, its result, and whether that is an earlier run's."""


def run_parts(parts: Sequence[Part], machine: Machine, file: ResultsFile, tell: Tell) -> list[Part]:
    """Runs what has not passed yet, and writes the file after each part. Returns the parts that could not be run.

    They are those behind one that has cost this process its GPU (an error in a kernel spoils the CUDA context for
    good); another process can run them. Raises OSError where the file cannot be written.
    """
    now = versions(machine)
    for number, part in enumerate(parts, start=1):
        earlier = file.standing(part.name, now)
        result = earlier or run_part(part, machine, now)
        if earlier is None:
            file.add(part.name, result)
        tell(part.name, result, earlier is not None)
        if result.status == FAILED and context_is_lost(machine):
            return list(parts[number:])
    return []


def run_part(part: Part, machine: Machine, now: Mapping[str, str]) -> Result:
    """One part's result, whatever happens in it; its memory is free afterwards. now: see `versions`."""
    begin, sentence, failure = time.perf_counter(), "", dict[str, object]()
    try:
        if part.gpu_only and not machine.on_gpu:
            raise SkippedError("CUDA graphs need a GPU.")
        if machine.on_gpu:
            torch.cuda.reset_peak_memory_stats(machine.device)
        found = part.run(machine)
        return Result(PASSED, _since(begin), found.sentence, now, figures=found.figures, table=found.table)
    except SkippedError as error:
        return Result(SKIPPED, _since(begin), str(error), now)
    except FailedError as error:
        return Result(FAILED, _since(begin), str(error), now, figures=error.figures, traceback=traceback.format_exc())
    except Exception as error:
        sentence, memory = f"{type(error).__name__}: {_first_line(error)}", is_out_of_memory(error)
        if memory:
            sentence = f"The GPU has too little memory: {_first_line(error)}"
        failure = {"traceback": traceback.format_exc(), "out_of_memory": memory}
    finally:
        _free(machine)
    return Result(FAILED, _since(begin), sentence, now, **failure)  # type: ignore[arg-type]


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


def _free(machine: Machine) -> None:
    gc.collect()
    if machine.on_gpu and not context_is_lost(machine):
        torch.cuda.empty_cache()


def _since(begin: float) -> float:
    return round(time.perf_counter() - begin, 2)


def _first_line(error: BaseException) -> str:
    return (str(error) or repr(error)).strip().splitlines()[0]
