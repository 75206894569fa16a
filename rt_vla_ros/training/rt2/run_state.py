"""The state of a run on disk for resuming: written atomically; the last ones are kept.

DIR/state/00000120/: trained weights in model.safetensors, the optimizer's state in optimizer.safetensors, and
state.json. No pickle. The main process writes the full state of a sharded model.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from rt_vla_ros.json_file import read_object
from rt_vla_ros.training.checks import TrainingError

FOLDER, MODEL, OPTIMIZER, REST = "state", "model.safetensors", "optimizer.safetensors", "state.json"
UNFINISHED, BETWEEN = ".part", "|"
KEPT = 2


@dataclass(frozen=True)
class RunState:
    """model: trained weights and buffers. optimizer: "NAME|exp_avg" ... rest: as JSON."""

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    rest: dict[str, Any]


def collected(
    model: nn.Module, optimizer: torch.optim.Optimizer | None
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Trained weights, tensors and numbers of an optimizer, on the CPU; all processes must call it.

    Empty except in the main process.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    weights: dict[str, Any] = get_model_state_dict(model, options=options)
    if optimizer is None:
        return weights, {}, {}
    found: dict[str, Any] = get_optimizer_state_dict(model, optimizer, options=options)
    tensors = {
        f"{name}{BETWEEN}{key}": value for name, one in found.get("state", {}).items() for key, value in one.items()
    }
    return weights, tensors, {"param_groups": found.get("param_groups", [])}


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, state: RunState) -> None:
    """Load into the same model and optimizer. Raises TrainingError for a state of another model."""
    restore_weights(model, state)
    moments: dict[str, dict[str, Tensor]] = {}
    for name, value in state.optimizer.items():
        weight, _, key = name.rpartition(BETWEEN)
        moments.setdefault(weight, {})[key] = value
    parameters = dict(model.named_parameters(remove_duplicate=False))
    if not moments.keys() <= parameters.keys() or (state.step and not moments):
        strange = min(moments.keys() - parameters.keys(), default="nothing")
        raise TrainingError(f"The state has averages of {strange}: it belongs to another model or optimizer.")
    groups = [
        {key: _as_written(value) for key, value in one.items()} for one in state.rest["optimizer"]["param_groups"]
    ]
    whole: dict[str, Any] = {"state": moments, "param_groups": groups}
    # Not strict: a weight without gradients so far has no state. Loading would create one of a step that never
    # happened.
    options = StateDictOptions(full_state_dict=True, ignore_frozen_params=True, strict=False)
    try:
        set_optimizer_state_dict(model, optimizer, whole, options=options)
    except (RuntimeError, KeyError, ValueError) as error:
        raise TrainingError(f"The state does not fit this model and optimizer: {error}.") from error
    for parameter in optimizer.state.keys() - {parameters[name] for name in moments}:
        del optimizer.state[parameter]


def restore_weights(model: nn.Module, state: RunState) -> None:
    """Load into the same model. Raises TrainingError for a state of another one."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    missing = sorted(trained - state.model.keys())
    if missing:
        raise TrainingError(f"The state lacks {missing[0]} and {len(missing) - 1} more: it belongs to another model.")
    try:
        weights: dict[str, Any] = dict(state.model)
        set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, strict=False))
    except (RuntimeError, KeyError, ValueError) as error:
        raise TrainingError(f"The state does not fit this model: {error}.") from error


def save_state(run: Path, state: RunState) -> Path:
    """Write atomically, then delete older ones. Raises OSError and SafetensorError."""
    folder = run / FOLDER
    final = folder / f"{state.step:08d}"
    unfinished = final.with_name(final.name + UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        save_file(apart(state.model), unfinished / MODEL)
        save_file(apart(state.optimizer), unfinished / OPTIMIZER)
        (unfinished / REST).write_text(json.dumps({"step": state.step, **state.rest}), encoding="utf-8")
        for path in (*unfinished.iterdir(), unfinished):
            _to_disk(path)
        if final.exists():
            shutil.rmtree(final)
        os.replace(unfinished, final)
        _to_disk(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for old in states(run)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def states(run: Path) -> list[Path]:
    """The complete states, in the order of their steps."""
    return sorted(path for path in (run / FOLDER).glob("[0-9]*") if path.name.isdigit() and (path / REST).is_file())


def load_state(run: Path) -> RunState | None:
    """The newest state; None if there is none. Raises TrainingError for a damaged one."""
    found = states(run)
    if not found:
        return None
    place = found[-1]
    try:
        rest = read_object(place / REST, TrainingError)
        return RunState(int(rest["step"]), load_file(place / MODEL), load_file(place / OPTIMIZER), rest)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        older = f"Delete it to resume from {found[-2].name}" if len(found) > 1 else "Choose another --out to start over"
        raise TrainingError(f"{place} is damaged, so the run cannot be resumed ({error}). {older}.") from error


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies without shared memory: safetensors does not allow aliased tensors."""
    seen, found = set[int](), dict[str, Tensor]()
    for name, tensor in tensors.items():
        kept = tensor.detach().contiguous()
        place = kept.untyped_storage().data_ptr()
        found[name] = kept.clone() if place in seen else kept
        seen.add(place)
    return found


def _as_written(value: Any) -> Any:
    """JSON has no tuples: restore the optimizer's betas; the names of the weights are a list."""
    return tuple(value) if isinstance(value, list) and all(isinstance(one, float) for one in value) else value


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
