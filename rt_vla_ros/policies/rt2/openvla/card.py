"""The action card and output format of OpenVLA checkpoints. Does not import torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError, ActionDimension, CameraSpec
from rt_vla_ros.action_space.plausibility import ImplausibleActionsError, check_speed
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.relatives import ECOT, OFT, RANDOM_CROPS, is_called
from rt_vla_ros.policies.rt2.configuration import (
    ECOT_PROMPT,
    LONGEST_PLAN,
    OPENVLA_PROMPT,
    OPENVLA_QUESTION,
    VICUNA_PROMPT,
    VICUNA_QUESTION,
    RT2Config,
)
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import OPENVLA_TAIL

if TYPE_CHECKING:
    from rt_vla_ros.policies.checkpoint.resolve import Checkpoint

STATISTICS = "dataset_statistics.json"
OWN_CARD = f"Put an {CARD_FILE} next to the weights that gives the ranges in m and rad (docs/action_card.md)."
GRIPPER_ERROR = 0.05
CROP_AREA = 0.9
"""Share of the image area kept by the center crop, for checkpoints fine-tuned with random crops."""
DEFAULTS = {
    "vocabulary": "openvla",
    "prompt": OPENVLA_PROMPT,
    "question": OPENVLA_QUESTION,
    "lower_case": True,
    "horizon": 1,
}
"""OpenVLA's defaults, used instead of those of RT2Config."""
VICUNA_DEFAULTS = {**DEFAULTS, "prompt": VICUNA_PROMPT, "question": VICUNA_QUESTION}
"""Defaults of the first OpenVLA (v01), whose language model is Vicuna."""
ECOT_DEFAULTS = {**VICUNA_DEFAULTS, "prompt": ECOT_PROMPT, "plan_tokens": LONGEST_PLAN, "plan_end": "ACTION:"}
"""Defaults of Embodied Chain-of-Thought, which writes its reasoning before an action."""


@dataclass(frozen=True)
class OpenVLASettings:
    """image_size: side of an image [pixels]. bins: per dimension. image_token_id: the placeholder of an image patch.

    padding: rows of the embedding table after the last action token.
    """

    image_size: int
    bins: int
    image_token_id: int
    padding: int

    @classmethod
    def make(cls, data: Mapping[str, Any], directory: Path) -> OpenVLASettings:
        """data: config.json of the directory. Raises CheckpointError for invalid numbers."""
        path = directory / CONFIG_FILE
        sizes = data.get("image_sizes", [224])
        if not isinstance(sizes, list) or not sizes or not all(_is_whole(size, 1) for size in sizes):
            raise CheckpointError(f"{path}: image_sizes is {sizes!r}, expected a list of pixels such as [224, 224].")
        return cls(
            sizes[0],
            _whole(path, data, "n_action_bins", 256, least=2),
            _whole(path, data, "pad_token_id", 32000),
            _whole(path, data, "pad_to_multiple_of", OPENVLA_TAIL),
        )


def openvla_card(checkpoint: Checkpoint) -> ActionCard:
    """action_card.json if there is one, else a card made from the statistics of the data set.

    Raises ActionCardError, RT2ConfigError and CheckpointError.
    """
    settings = OpenVLASettings.make(checkpoint.config, checkpoint.model_directory)
    config = openvla_config(checkpoint)
    key = checkpoint.key or config.unnorm_key
    place = checkpoint.place_of(CARD_FILE)
    if (place / CARD_FILE).is_file():
        if checkpoint.key:
            raise CheckpointError(f"{place} has an {CARD_FILE}, so it has no statistics {checkpoint.key!r}.")
        return checked_card(ActionCard.load(place), place, settings.bins, config.horizon)
    own = checkpoint.place_of(STATISTICS) / STATISTICS
    path = own if own.is_file() else checkpoint.model_directory / CONFIG_FILE
    statistics = read_object(own, CheckpointError) if own.is_file() else checkpoint.config.get("norm_stats") or {}
    try:
        _check_state(statistics, choose_key(statistics, key))
        card = card_from_statistics(statistics, key, bins=settings.bins, image_size=settings.image_size)
        check_meaning(card, statistics, key)
    except (CheckpointError, ActionCardError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return card


def openvla_config(checkpoint: Checkpoint) -> RT2Config:
    """OpenVLA's defaults, overridden by rt2_config.json. Raises RT2ConfigError and CheckpointError."""
    place = checkpoint.place_of(RT2_CONFIG_FILE)
    config = RT2Config.load(place, _defaults(checkpoint))
    if config.vocabulary != "openvla":
        raise CheckpointError(f"{place / RT2_CONFIG_FILE} says {config.vocabulary!r} for an OpenVLA checkpoint.")
    if config.plan_on_request and not config.plan_tokens:
        raise CheckpointError(
            f"{place / RT2_CONFIG_FILE} says plan_on_request {config.plan_on_request} for an OpenVLA checkpoint, which "
            "never plans or always plans (plan_tokens): omit it."
        )
    return config


def _defaults(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """Defaults by the base language model of a checkpoint. Raises CheckpointError unless it is a Llama 2."""
    data = checkpoint.config
    text, llm = data.get("text_config"), str(data.get("llm_backbone_id", "llama2-7b-pure"))
    kind = str(text.get("model_type", "llama")) if isinstance(text, Mapping) else "llama"
    if is_called(ECOT, checkpoint.called, data):
        return ECOT_DEFAULTS
    if llm.startswith("vicuna"):
        return VICUNA_DEFAULTS
    if kind != "llama" or not llm.endswith("-pure") or not llm.startswith("llama2"):
        raise CheckpointError(
            f"{checkpoint.model_directory / CONFIG_FILE}: the language model is {llm!r} ({kind}); of OpenVLA's "
            "relatives, only those based on Llama 2 (llama2-7b-pure) and Vicuna (vicuna-v15-7b) are supported."
        )
    return {**DEFAULTS, "center_crop": is_called(RANDOM_CROPS, checkpoint.called, data)}


def checked_card(card: ActionCard, place: Path | str, bins: int, horizon: int) -> ActionCard:
    """Checks that a card fits an OpenVLA model. place: its source, for messages. Raises ActionCardError."""
    pairs = (
        ("dimensions", len(card.dimensions), len(ROLES)),
        ("bins", card.bins, bins),
        ("quantization", card.quantization, "centers"),
        ("horizon", card.horizon, horizon or card.horizon),
        ("numbers of the robot's state", len(card.state), 0),
    )
    for what, given, expected in pairs:
        if given != expected:
            raise ActionCardError(f"{place}: the action card says {what} {given}, an OpenVLA model has {expected}.")
    return card


def _whole(path: Path, data: Mapping[str, Any], key: str, usual: int, least: int = 0) -> int:
    value = data.get(key, usual)
    if not _is_whole(value, least):
        raise CheckpointError(f"{path}: {key} is {value!r}, expected an integer of at least {least}, usually {usual}.")
    return int(value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


ROLES = (*(f"translation_{a}" for a in "xyz"), *(f"rotation_{a}" for a in "xyz"), "gripper")
NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
UNITS = ("m",) * 3 + ("rad",) * 3 + ("1",)


@dataclass(frozen=True)
class Recording:
    """How a data set was recorded.

    rate: actions per second [Hz]. metres, radians: the meaning of the value 1, for data sets with their own scale.
    rotation: as in an action card.
    """

    rate: float
    metres: float = 1.0
    radians: float = 1.0
    rotation: str = "rpy"


RECORDINGS = {
    "bridge": Recording(5.0),
    "fractal": Recording(3.0),
    # robosuite's OSC_POSE controller: a command of 1 is 0.05 m and 0.5 rad (axis-angle).
    "libero": Recording(20.0, 0.05, 0.5, "rotation_vector"),
    # A velocity of 1 is 0.075 m and 0.15 rad per step (max_lin_delta, max_rot_delta of its IK solver).
    "droid": Recording(15.0, 0.075, 0.15),
}
"""Known data sets, by prefixes of their names."""
USUAL = Recording(5.0)
"""For other data sets: as in OpenVLA's own experiments. A rate below the data set's only slows the arm down."""
FARTHEST = 0.3
"""Largest translation of an action if the rate is unknown [m]: values in meters reach 0.25 in Open X-Embodiment."""


def recording_of(key: str) -> Recording:
    return next((one for name, one in RECORDINGS.items() if key.lower().startswith(name)), USUAL)


def card_from_statistics(
    statistics: Mapping[str, Any], key: str, *, bins: int = 256, image_size: int = 224
) -> ActionCard:
    """The card of a checkpoint's data set; key: which one, empty if there is only one.

    Dimensions with a false mask are not normalized: their range is -1 ... 1. In OpenVLA's training data
    (Open X-Embodiment), a gripper is 1 open and 0 closed, and poses are in the frame of the arm's base.
    Raises CheckpointError for an unknown or missing key and for statistics of another shape.
    """
    key = choose_key(statistics, key)
    action = statistics[key].get("action") if isinstance(statistics[key], Mapping) else None
    if not isinstance(action, Mapping) or not all(_is_of_an_action(action.get(name)) for name in ("q01", "q99")):
        raise CheckpointError(
            f"The statistics of {key!r} have no q01 and q99 of {len(ROLES)} numbers each, "
            "one for each part of an OpenVLA action (x, y, z, roll, pitch, yaw, gripper)."
        )
    if any(low > high for low, high in zip(action["q01"], action["q99"], strict=True)):
        raise CheckpointError(f"The statistics of {key!r} have a q01 above its q99; expected q01 <= q99.")
    mask = action.get("mask") or [True] * len(ROLES)
    if not _is_of_an_action(mask):
        raise CheckpointError(f"The statistics of {key!r} have the mask {mask!r}, expected {len(ROLES)} booleans.")
    recording = recording_of(key)
    scales = (recording.metres,) * 3 + (recording.radians,) * 3 + (1.0,)
    ranges = [
        (float(low) * scale, float(high) * scale) if use else (-scale, scale)
        for low, high, use, scale in zip(action["q01"], action["q99"], mask, scales, strict=True)
    ]
    gripper_open, gripper_closed = (ranges[-1][1], ranges[-1][0]) if mask[-1] else (1.0, 0.0)
    return ActionCard(
        name=f"OpenVLA, actions of {key}",
        dimensions=tuple(
            # A dimension that is constant in the data has an empty range; a card's must not be empty.
            ActionDimension(name, role, low, max(high, math.nextafter(low, math.inf)), unit)
            for name, role, unit, (low, high) in zip(NAMES, ROLES, UNITS, ranges, strict=True)
        ),
        bins=bins,
        quantization="centers",
        frame="base",
        frame_id="base_link",
        rotation=recording.rotation,
        gripper_open=gripper_open,
        gripper_closed=gripper_closed,
        control_rate=recording.rate,
        cameras=(CameraSpec("front", image_size, image_size, "stretch", 0.0),),
    )


def check_meaning(card: ActionCard, statistics: Mapping[str, Any], key: str) -> None:
    """Checks that these statistics are plausible in meters, radians and Open X-Embodiment's gripper convention.

    There, a gripper's value is in 0 (closed) ... 1 (open). Raises CheckpointError.
    """
    key = choose_key(statistics, key)
    largest = {d: max(abs(d.low), abs(d.high)) for d in card.dimensions}
    try:
        check_speed(largest, card.control_rate)
    except ImplausibleActionsError as error:
        raise CheckpointError(f"The statistics of {key!r}: {error} {OWN_CARD}") from error
    far = [d.name for d in card.dimensions if d.unit == "m" and largest[d] > FARTHEST]
    if far and recording_of(key) is USUAL:
        raise CheckpointError(
            f"The statistics of {key!r} have {', '.join(far)} beyond {FARTHEST:g} m per action, so they seem to "
            f"be in a controller's own scale. {OWN_CARD}"
        )
    low, high = (statistics[key]["action"][name][-1] for name in ("q01", "q99"))
    raw = card.dimensions[-1].low < 0  # not normalized, so the model outputs the recorded values
    if not -GRIPPER_ERROR <= low <= high <= 1 + GRIPPER_ERROR or (raw and 0 < high - low < 0.5):
        raise CheckpointError(
            f"The statistics of {key!r} have a gripper from {low:g} to {high:g}; in OpenVLA's data it is 0 closed and "
            f"1 open, so it is unknown which of these is open. {OWN_CARD}"
        )


def choose_key(statistics: Mapping[str, Any], key: str) -> str:
    """The data set to use. Raises CheckpointError, with the available names, for an unknown or missing name."""
    if not isinstance(statistics, Mapping):
        raise CheckpointError(f"The statistics are a {type(statistics).__name__}, expected an entry for each data set.")
    if not statistics:
        raise CheckpointError("The checkpoint's config.json has no norm_stats: the meaning of its actions is unknown.")
    if not key and len(statistics) == 1:
        return next(iter(statistics))
    known = ", ".join(sorted(statistics))
    if not key:
        raise CheckpointError(
            f"The checkpoint has the statistics of {len(statistics)} data sets: choose the one that matches your arm "
            f"with unnorm_key in rt2_config.json or as DIRECTORY#KEY. Available: {known}."
        )
    if key not in statistics:
        close = difflib.get_close_matches(key, statistics, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise CheckpointError(f"There are no statistics for the unnorm_key {key!r}.{hint} Available: {known}.")
    return key


def _check_state(statistics: Mapping[str, Any], key: str) -> None:
    """Raises CheckpointError for statistics of a robot state: OpenVLA has none and stores zeros instead."""
    entry = statistics[key]
    state = entry.get("proprio") if isinstance(entry, Mapping) else None
    if isinstance(state, Mapping) and any(isinstance(v, list) and any(v) for v in state.values()):
        raise CheckpointError(
            f"The statistics of {key!r} contain the robot state (proprio), which OpenVLA does not use: this "
            f"seems to be {OFT} If it is not, put an {CARD_FILE} next to the weights."
        )


def _is_of_an_action(values: object) -> bool:
    """Whether this is a list of one finite number for each part of an action."""
    return (
        isinstance(values, list)
        and len(values) == len(ROLES)
        and all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    )
