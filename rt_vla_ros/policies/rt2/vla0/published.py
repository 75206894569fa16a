"""Reads prompt format and action card from published folders of VLA-0 and VLA-0-Smol.

VLA-0 (NVlabs/vla0): `model_last/` written by `save_pretrained`, with `dataset_stats.pkl` and `config.yaml` beside it.
VLA-0-Smol (LeRobot): `config.json`, `model.safetensors` and `policy_postprocessor.json`; tokenizer and processor are
those of the model named in `vlm_checkpoint`. Does not import torch.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, CameraSpec
from rt_vla_ros.json_file import read_text
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import LEROBOT_VLA0
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.vla0.card import smol_card, vla0_card
from rt_vla_ros.policies.rt2.vla0.statistics import (
    DIMENSIONS,
    STATE_DIMENSIONS,
    Statistics,
    find_statistics,
    read_statistics,
)

if TYPE_CHECKING:
    from rt_vla_ros.policies.checkpoint.resolve import Checkpoint

CONVERT = "rt-vla convert vla0 --from {} --statistics FILE --out DIR"
SYSTEM = (
    "Analyze the input image and predict robot actions for the next {horizon} timesteps. Each action has {dimensions} "
    "dimensions. Output a single sequence of {numbers} integers (0-{last} each), representing the {horizon} timesteps "
    "sequentially. Provide only space separated numbers. Nothing else."
)
SYSTEM_NUMBERS = re.compile(r"next (\d+) timesteps\. Each action has (\d+) dimensions\..* integers \(0-(\d+) each\)")
TRAINING, TRAINING_MOST = "config.yaml", 1 << 16
LIBERO_SIZE = 256
"""Side of the rendered images in LIBERO's data sets [pixel]."""
CAMERAS = {"image": "front", "image2": "wrist", "wrist_image": "wrist"}
"""Columns of LIBERO's data sets, and the names of their cameras here."""
STATE_COLUMN = "observation.state"
SMOL_PROMPT = "Task: {instruction}, State: {state}, Actions: "
SMOL_STATELESS = "Task: {instruction}, Actions: "


@dataclass(frozen=True)
class Published:
    """config, card: the contents of rt2_config.json and action_card.json after a conversion.

    base: the base model of VLA-0-Smol, a directory or a name on the Hub; None for VLA-0.
    """

    config: RT2Config
    card: ActionCard
    base: str | None = None


def published(checkpoint: Checkpoint, statistics: Path | None = None) -> Published:
    """Reads a published folder. statistics: a file to use instead of its own.

    An action_card.json beside the weights takes precedence over the card made from the statistics.
    Raises CheckpointError and ActionCardError.
    """
    directory = checkpoint.model_directory
    smol = checkpoint.config.get("type") in LEROBOT_VLA0
    if not smol and not str(checkpoint.config.get("model_type")).startswith("qwen"):
        raise CheckpointError(
            f"{directory} is not a VLA-0 checkpoint: config.json is neither of Qwen-VL nor of a LeRobot policy."
        )
    path = statistics or find_statistics(directory)
    if path is None:
        raise CheckpointError(
            f"{directory} is a VLA-0 checkpoint without statistics, so its numbers have no meaning. Convert it with "
            f"them: {CONVERT.format(directory)}."
        )
    ranges = read_statistics(path)
    try:
        found = _smol(checkpoint, ranges) if smol else _vla0(checkpoint, ranges)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"The settings of {directory} cannot be used: {error}") from error
    if (directory / CARD_FILE).is_file():
        found = replace(found, card=ActionCard.load(directory))
        check_state(found.config, found.card)
    return found


def check_state(config: RT2Config, card: ActionCard) -> None:
    """Raises CheckpointError if rt2_config.json and action card differ in the state or the horizon."""
    if (config.state_bins > 0) != bool(card.state):
        raise CheckpointError(
            f"rt2_config.json has {config.state_bins} state_bins, the action card has {len(card.state)} dimensions of "
            "the robot state: set both or neither."
        )
    check_system(config, card)
    if config.horizon not in (0, card.horizon):
        raise CheckpointError(
            f"The model was trained to write {config.horizon} steps (horizon in rt2_config.json), the action card has "
            f"{card.horizon}: take both from the same checkpoint."
        )


def check_system(config: RT2Config, card: ActionCard) -> None:
    """Raises CheckpointError if the system message asks for other steps, dimensions or bins than the card has."""
    told = SYSTEM_NUMBERS.search(config.system)
    meant = (card.horizon, len(card.dimensions), card.bins - 1)
    if told and tuple(map(int, told.groups())) != meant:
        raise CheckpointError(
            f"rt2_config.json asks the model for {told[1]} steps of {told[2]} numbers of 0 to {told[3]}, the action "
            f"card has {meant[0]} steps of {meant[1]} numbers of 0 to {meant[2]}: take both from the same checkpoint."
        )


def _vla0(checkpoint: Checkpoint, statistics: Statistics) -> Published:
    settings = _training(checkpoint.model_directory)
    qwen = (settings.get("MODEL") or {}).get("QWEN") or {}
    data = ((settings.get("DATALOADER") or {}).get("ROBOVERSE") or {}).get("cfg_opts") or ""
    crop, size = (_option(data, name, usual) for name, usual in (("crop_img", 0.875), ("img_size", 224.0)))
    horizon, bins = int(qwen.get("horizon", 8)), int(qwen.get("num_bins_actions", 1000)) + 1
    count, tiled = int(qwen.get("num_cam", 2)), bool(qwen.get("tiled_rgb_imgs", True))
    what = f"{checkpoint.model_directory.parent / TRAINING}"
    _check(what, "original_action_dim", qwen.get("original_action_dim", DIMENSIONS), DIMENSIONS)
    _check(what, "history", qwen.get("history", 1), 1)
    _check(what, "num_cam", count, 1, 2)
    cameras = [
        CameraSpec(name, LIBERO_SIZE, LIBERO_SIZE, "center", 0.0, column)
        for name, column in (("front", "image"), ("wrist", "wrist_image"))[:count]
    ]
    card = vla0_card(f"VLA-0, {checkpoint.name}", statistics, bins=bins, horizon=horizon, cameras=cameras)
    numbers = {"horizon": horizon, "dimensions": DIMENSIONS, "numbers": horizon * DIMENSIONS, "last": bins - 1}
    config = RT2Config(
        "integers",
        prompt="{instruction}",
        question="{question}",
        chat=True,
        leading_space=False,
        wording="verbatim",
        system=SYSTEM.format(**numbers),
        vision_id=bool(qwen.get("add_vision_id", True)),
        views="tiled" if tiled else "separate",
        view_crop=crop,
        view_size=int(size) or LIBERO_SIZE,
        horizon=horizon,
    )
    return Published(config, card)


def _training(directory: Path) -> Mapping[str, Any]:
    """The training settings, in the model's directory or its parent; empty if there are none."""
    for path in (directory / TRAINING, directory.parent / TRAINING):
        if path.is_file():
            try:
                found = yaml.safe_load(read_text(path, CheckpointError, TRAINING_MOST))
            except (yaml.YAMLError, RecursionError) as error:
                raise CheckpointError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from error
            return found if isinstance(found, dict) else {}
    return {}


def _option(text: object, name: str, usual: float) -> float:
    """Parses a number from the format IMAGE.crop_img:0.875:IMAGE.img_size:224."""
    found = re.search(rf"IMAGE\.{name}:([\d.]+)", text) if isinstance(text, str) else None
    return float(found[1]) if found else usual


def _smol(checkpoint: Checkpoint, statistics: Statistics) -> Published:
    data, what = checkpoint.config, f"{checkpoint.model_directory / 'config.json'}"
    inputs, outputs = data.get("input_features") or {}, data.get("output_features") or {}
    _check(what, "the shape of the action", (outputs.get("action") or {}).get("shape"), [DIMENSIONS])
    for key in ("relative_actions", "do_image_splitting"):
        _check(what, key, data.get(key, False), False)
    bins, with_state = int(data.get("n_state_bins", 512)), bool(data.get("use_state", STATE_COLUMN in inputs))
    _check(what, "n_action_bins", data.get("n_action_bins", bins), bins)
    if with_state:
        _check(what, "the shape of the state", (inputs.get(STATE_COLUMN) or {}).get("shape"), [STATE_DIMENSIONS])
        if statistics.state is None:
            raise CheckpointError(f"{what} has use_state, but the statistics have no {STATE_COLUMN}.")
    columns = {name: part["shape"] for name, part in inputs.items() if part.get("type") == "VISUAL"}
    cameras = [_camera(column, shape) for column, shape in columns.items()]
    card = smol_card(
        f"VLA-0-Smol, {checkpoint.name}",
        statistics,
        bins=bins,
        horizon=int(data.get("chunk_size", 8)),
        cameras=cameras,
        with_state=with_state,
    )
    config = RT2Config(
        "integers",
        prompt=SMOL_PROMPT if with_state else SMOL_STATELESS,
        question="{question}",
        chat=True,
        wording="task",
        state_bins=bins if with_state else 0,
        views="unscaled",
        view_crop=_crop(data.get("crop_shape"), cameras, what),
        horizon=card.horizon,
    )
    return Published(config, card, str(data.get("vlm_checkpoint") or ""))


def _camera(column: str, shape: Any) -> CameraSpec:
    """column: observation.images.NAME. shape: (3, height, width)."""
    last = column.rpartition(".")[2]
    _, height, width = shape
    return CameraSpec(CAMERAS.get(last, last), int(width), int(height), "center", 0.0, column)


def _crop(shape: Any, cameras: list[CameraSpec], what: str) -> float:
    """The share of each side that a crop of (height, width) pixels keeps."""
    if shape is None:
        return 1.0
    height, width = shape
    shares = {height / camera.height for camera in cameras} | {width / camera.width for camera in cameras}
    if len(shares) != 1:
        raise CheckpointError(f"{what}: crop_shape {shape} is not the same share of every camera's sides.")
    return float(shares.pop())


def _check(what: str, key: str, found: object, *expected: object) -> None:
    if found not in expected:
        told = " or ".join(map(str, expected))
        raise CheckpointError(
            f"{what}: {key} is {reprlib.repr(found)}, expected {told}. Another robot's checkpoint needs an action card "
            "of its own: convert one for LIBERO and correct its action_card.json and rt2_config.json "
            "(docs/action_card.md)."
        )
