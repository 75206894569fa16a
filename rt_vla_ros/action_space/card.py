"""The action card: the meaning of a checkpoint's actions. It is stored with the weights and checked when loading."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.action_space.postprocessing import MEANINGS, TRANSFORMS
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.json_file import build, checked_keys, read_object

CARD_FILE = "action_card.json"
ROLES = (
    "terminate",
    "translation_x",
    "translation_y",
    "translation_z",
    "rotation_x",
    "rotation_y",
    "rotation_z",
    "gripper",
    "base_x",
    "base_y",
    "base_yaw",
    "unused",
)
UNITS = (
    {"terminate": "mode", "gripper": "1"}
    | {f"translation_{a}": "m" for a in "xyz"}
    | {f"rotation_{a}": "rad" for a in "xyz"}
    | {"base_x": "m", "base_y": "m", "base_yaw": "rad"}
)
BASE_ROLES = ("base_x", "base_y", "base_yaw")
BASE_MODE = "move_base"
"""The mode of the role "terminate" in which a mobile base moves and the arm stands still; in other modes only the arm
moves. A card without this mode moves both at once."""
_MOTIONS = {f"{kind}_{axis}": kind for kind in ("translation", "rotation") for axis in "xyz"} | {
    "base_x": "base_translation",
    "base_y": "base_translation",
    "base_yaw": "base_rotation",
}
FRAMES = ("base", "end_effector")
ROTATIONS = ("rotation_vector", "rpy")
FASTEST_RANGE = {"translation": 10.0, "rotation": 100.0, "base_translation": 10.0, "base_rotation": 100.0}
"""Implausible speeds at the limits of a card's ranges [m/s], [rad/s]; RT-1-X's ranges reach 6 m/s."""
CROPS = ("none", "center", "stretch", "pad")
LONGEST_HORIZON = 1000
QUANTIZATIONS = ("round", "truncate", "centers", "middles")
_T = TypeVar("_T")


class ActionCardError(ValueError):
    """The card is missing, incomplete or inconsistent; the message says where and what was expected."""


@dataclass(frozen=True)
class ActionDimension:
    """One token of an action.

    name: the name in the training data, such as "world_vector_x".
    role: its effect on the arm or its mobile base, one of ROLES; "unused" ones are decoded and dropped.
    low, high: range covered by the bins, in `unit`; both 0 for the role "terminate".
    unit: "m", "rad", "1" or "mode", depending on the role.
    modes: for the role "terminate": the meaning of each token, including "terminate"; empty otherwise.
    """

    name: str
    role: str
    low: float
    high: float
    unit: str
    modes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CameraSpec:
    """The camera that the policy was trained with.

    name: name of the camera ("front", "wrist").
    width, height: size of the policy's input image [pixel].
    crop: how a camera image of another shape is fitted to this size: "none", "center" (cropped to the aspect ratio),
    "stretch" or "pad" (with black borders, as for RT-1).
    vertical_fov: vertical field of view of the policy's input image [rad]; 0 if unknown.
    column: of its images in a dataset; empty for "observation.images.NAME". Not used by policies.
    """

    name: str
    width: int
    height: int
    crop: str
    vertical_fov: float
    column: str = ""


@dataclass(frozen=True)
class ActionCard:
    """Everything a controller must know to execute a checkpoint's actions.

    name: the model and its training data, in a few words.
    dimensions: one per token, in the order of the tokens.
    bins: number of bins of the continuous dimensions.
    quantization: how values were converted to tokens: "round" to the nearest bin, "truncate" (RT-1's public code),
    "centers": `bins` edges; a token is the interval of a value and means its center, the last token the last center
    (OpenVLA); "middles": `bins` intervals, each with its own center (VLA-0-Smol).
    frame: "base" or "end_effector": the axes of translation and rotation (REP-103).
    frame_id: name of that frame in the TF tree of the training arm.
    rotation: "rotation_vector" or "rpy" (fixed axes x, y, z).
    gripper_open, gripper_closed: values of the gripper dimension for an open and a closed gripper.
    control_rate: actions per second [Hz].
    cameras: the policy's cameras, in the order of its inputs.
    postprocessing: transform of the decoded values into the dimensions' units and meaning, a name in
    action_space.postprocessing; empty for none.
    horizon: number of steps (each one period) that a policy predicts at once, 1 to 1000; tokens are ordered by step.
    execute_steps: number of them to execute before the next decision, 1 ... horizon.
    ensemble: how overlapping chunks are combined; needs a horizon of more than one step.
    state: robot state that the policy takes besides images, in the order of its inputs; empty for none.
    notes: sources of the card's contents, and what could not be verified.
    """

    name: str
    dimensions: tuple[ActionDimension, ...]
    bins: int
    quantization: str
    frame: str
    frame_id: str
    rotation: str
    gripper_open: float
    gripper_closed: float
    control_rate: float
    cameras: tuple[CameraSpec, ...]
    version: int = 1
    postprocessing: str = ""
    notes: tuple[str, ...] = ()
    horizon: int = 1
    execute_steps: int = 1
    ensemble: Ensemble = NEWEST
    state: tuple[StateDimension, ...] = ()

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_horizon(self)
        _check_dimensions(self)
        _check_postprocessing(self)
        _check_speed(self)
        _check_cameras(self)
        _check_distinct([one.name for one in self.state], "dimensions of the state")

    @property
    def period(self) -> float:
        """Time between two actions [s], rounded to nanoseconds as in messages."""
        return round(1.0 / self.control_rate, 9)

    def with_horizon(self, horizon: int) -> ActionCard:
        """The same card with another horizon."""
        if horizon == self.horizon:
            return self
        ensemble = NEWEST if horizon == 1 else self.ensemble
        return replace(self, horizon=horizon, execute_steps=min(self.execute_steps, horizon), ensemble=ensemble)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of tokens of each dimension: the bins or, of the role "terminate", the modes."""
        return tuple(len(one.modes) if one.role == "terminate" else self.bins for one in self.dimensions)

    @property
    def moves_base(self) -> bool:
        """Whether its actions move a mobile base."""
        return any(one.role in BASE_ROLES for one in self.dimensions)

    @property
    def base_mode(self) -> int | None:
        """Index of the mode in which the base moves and the arm stands still, None if there is none.

        Nothing moves in this mode if the base's dimensions are unused.
        """
        index = self.index("terminate")
        modes = () if index is None else self.dimensions[index].modes
        return modes.index(BASE_MODE) if BASE_MODE in modes else None

    def index(self, role: str) -> int | None:
        """Position of the dimension with this role, None if the policy has none."""
        return next((i for i, d in enumerate(self.dimensions) if d.role == role), None)

    @property
    def decision_period(self) -> float:
        """Time between two decisions, that is, between two chunks [s]."""
        return round(self.execute_steps * self.period, 9)

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON values; the inverse of `from_dict`."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        for camera in data["cameras"]:
            if not camera["column"]:
                del camera["column"]
        for key, value in (("horizon", 1), ("execute_steps", 1), ("ensemble", asdict(NEWEST)), ("state", [])):
            if data[key] == value:
                del data[key]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ActionCard:
        """Raises ActionCardError for missing or unknown keys and for inconsistent values."""
        values: dict[str, Any] = {
            "postprocessing": "",
            "notes": (),
            "horizon": 1,
            "execute_steps": 1,
            "ensemble": None,
            "state": (),
        }
        values |= checked_keys(cls, data, "the action card", ActionCardError, optional=tuple(values))
        values["notes"] = _sentences(values["notes"])
        values["ensemble"] = NEWEST if values["ensemble"] is None else _ensemble(values["ensemble"])
        values["state"] = tuple(_parts(StateDimension, values["state"], "state"))
        values["dimensions"] = tuple(_dimension(d, i) for i, d in enumerate(_list(values["dimensions"], "dimensions")))
        values["cameras"] = tuple(_parts(CameraSpec, values["cameras"], "cameras", column=""))
        return build(cls, values, ActionCardError)

    @classmethod
    def load(cls, directory: Path) -> ActionCard:
        """Reads DIRECTORY/action_card.json. Raises ActionCardError."""
        path = Path(directory) / CARD_FILE
        if not path.is_file():
            raise ActionCardError(
                f"{directory} has no {CARD_FILE}: without it the meaning of the actions is unknown. "
                "Add the card of the checkpoint (docs/action_card.md shows one)."
            )
        data = read_object(path, ActionCardError)
        try:
            return cls.from_dict(data)
        except ActionCardError as error:
            raise ActionCardError(f"{path}: {error}") from error

    def save(self, directory: Path) -> None:
        """Writes DIRECTORY/action_card.json."""
        (Path(directory) / CARD_FILE).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


def _list(value: Any, what: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, dict) for v in value):
        raise ActionCardError(f"{what} must be a list of objects, got {value!r}.")
    return value


def _sentences(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise ActionCardError(f"notes must be a list of sentences, got {value!r}.")
    return tuple(value)


def _ensemble(data: Any) -> Ensemble:
    if not isinstance(data, dict):
        raise ActionCardError(f"ensemble must be an object with {', '.join(f.name for f in fields(Ensemble))}.")
    keys = [f.name for f in fields(Ensemble)]
    values = checked_keys(Ensemble, data, "ensemble of the action card", ActionCardError, optional=keys)
    return build(Ensemble, asdict(NEWEST) | dict(values), ActionCardError)


def _parts(kind: type[_T], value: Any, key: str, **defaults: Any) -> Iterator[_T]:
    for i, data in enumerate(_list(value, key)):
        values = checked_keys(kind, data, f"{key}[{i}] of the action card", ActionCardError, optional=tuple(defaults))
        yield build(kind, defaults | dict(values), ActionCardError)


def _dimension(data: Mapping[str, Any], index: int) -> ActionDimension:
    what = f"dimensions[{index}] of the action card"
    values = dict(checked_keys(ActionDimension, data, what, ActionCardError, optional=("modes",)))
    modes = values.get("modes", ())
    if not isinstance(modes, (list, tuple)) or not all(isinstance(mode, str) for mode in modes):
        raise ActionCardError(f"modes must be a list of strings, got {modes!r}.")
    values["modes"] = tuple(modes)
    return build(ActionDimension, values, ActionCardError)


def _check_choices(card: ActionCard) -> None:
    named = (
        ("frame", FRAMES),
        ("rotation", ROTATIONS),
        ("quantization", QUANTIZATIONS),
        ("postprocessing", ("", *TRANSFORMS)),
    )
    for key, choices in named:
        if getattr(card, key) not in choices:
            raise ActionCardError(f"{key} is {getattr(card, key)!r}, expected one of {', '.join(choices)}.")
    if card.version != 1:
        raise ActionCardError(f"version is {card.version}, this program reads version 1.")
    if not 2 <= card.bins <= 65536:
        raise ActionCardError(f"bins is {card.bins}, expected 2 to 65536.")
    if not (math.isfinite(card.control_rate) and 0 < card.control_rate <= 1000):
        raise ActionCardError(f"control_rate is {card.control_rate}, expected more than 0 and at most 1000 Hz.")


def _check_horizon(card: ActionCard) -> None:
    if not 1 <= card.horizon <= LONGEST_HORIZON:
        raise ActionCardError(f"horizon is {card.horizon}, expected 1 to {LONGEST_HORIZON} steps.")
    if not 1 <= card.execute_steps <= card.horizon:
        raise ActionCardError(f"execute_steps is {card.execute_steps}, expected 1 to the horizon, {card.horizon}.")
    if card.horizon == 1 and card.ensemble.rule != NEWEST.rule:
        raise ActionCardError(
            f"ensemble has the rule {card.ensemble.rule!r}, but chunks of one step (horizon 1) do not overlap."
        )


def _check_dimensions(card: ActionCard) -> None:
    if not card.dimensions:
        raise ActionCardError("dimensions is empty, expected one entry per action token.")
    roles = [d.role for d in card.dimensions if d.role != "unused"]
    doubled = sorted({role for role in roles if roles.count(role) > 1})
    if doubled:
        raise ActionCardError(f"the role {doubled[0]!r} is used by two dimensions.")
    for dimension in card.dimensions:
        _check_dimension(dimension, card.bins)
    _check_base_mode(card)
    if "gripper" in roles:
        gripper = card.dimensions[roles_index(card, "gripper")]
        for key in ("gripper_open", "gripper_closed"):
            if not gripper.low <= getattr(card, key) <= gripper.high:
                raise ActionCardError(
                    f"{key} is {getattr(card, key)}, outside the gripper's range {gripper.low} to {gripper.high}."
                )
        if card.gripper_open == card.gripper_closed:
            raise ActionCardError(f"gripper_open and gripper_closed are both {card.gripper_open}.")


def _check_base_mode(card: ActionCard) -> None:
    """With more than one mode besides "terminate", the card must say which one moves the base."""
    index = card.index("terminate")
    modes = () if index is None else card.dimensions[index].modes
    if card.moves_base and card.base_mode is None and len(modes) > 2:
        raise ActionCardError(
            f"{card.dimensions[roles_index(card, 'terminate')].name!r} has the modes {list(modes)}; if actions move "
            f"a base, the mode in which only the base moves must be called {BASE_MODE!r}."
        )
    moded = card.moves_base and card.base_mode is not None
    if moded and card.ensemble.chunks > 1:
        raise ActionCardError(
            f"ensemble combines {card.ensemble.chunks} chunks: the mean of one in the mode {BASE_MODE!r} and one in "
            "another mode would move arm and base at once. Use the rule 'newest'."
        )
    if moded and card.ensemble.rule == "compensated":
        raise ActionCardError(
            "ensemble has the rule 'compensated', which corrects for the motion since the image: the base would move "
            f"in another mode than {BASE_MODE!r}, and the arm in that mode. Use the rule 'newest'."
        )


def _check_postprocessing(card: ActionCard) -> None:
    meaning = MEANINGS.get(card.postprocessing)
    if meaning is None:
        return
    if card.index("gripper") is None:
        raise ActionCardError(
            f"postprocessing is {card.postprocessing!r}, which needs a dimension with the role 'gripper'."
        )
    for key, value in asdict(meaning).items():
        if getattr(card, key) != value:
            raise ActionCardError(
                f"{key} is {getattr(card, key)!r}, but postprocessing {card.postprocessing!r} returns {value!r}."
            )


def kind_of_motion(role: str) -> str | None:
    """ "translation" or "rotation" for the roles that move the arm, the same after "base_" for a base, else None."""
    return _MOTIONS.get(role)


def part_of(kind: str) -> str:
    """The part that a kind of motion moves: "arm" or "base"."""
    return "base" if kind.startswith("base_") else "arm"


def _check_speed(card: ActionCard) -> None:
    for dimension in () if card.postprocessing else card.dimensions:
        kind = kind_of_motion(dimension.role)
        speed = max(abs(dimension.low), abs(dimension.high)) * card.control_rate
        if kind is not None and speed > FASTEST_RANGE[kind]:
            raise ActionCardError(
                f"{dimension.name!r} ranges from {dimension.low:g} to {dimension.high:g} {dimension.unit} per action, "
                f"which is {speed:.3g} {dimension.unit}/s at control_rate {card.control_rate:g} Hz; no {part_of(kind)} "
                f"is as fast. Give displacements per action in {dimension.unit}, not in degrees, millimeters or a "
                "controller's own scale."
            )


def roles_index(card: ActionCard, role: str) -> int:
    """Position of the dimension with this role. Raises ActionCardError if there is none."""
    index = card.index(role)
    if index is None:
        raise ActionCardError(f"no dimension has the role {role!r}.")
    return index


def _check_dimension(dimension: ActionDimension, bins: int) -> None:
    name = f"the dimension {dimension.name!r}"
    if dimension.role not in ROLES:
        raise ActionCardError(f"{name} has the role {dimension.role!r}, expected one of {', '.join(ROLES)}.")
    unit = UNITS.get(dimension.role)
    if unit is not None and dimension.unit != unit:
        raise ActionCardError(f"{name} has the unit {dimension.unit!r}, the role {dimension.role} is in {unit!r}.")
    if dimension.role == "terminate":
        if "terminate" not in dimension.modes or len(dimension.modes) > bins:
            raise ActionCardError(
                f"{name} has the modes {list(dimension.modes)}, expected 'terminate' among at most {bins}."
            )
    elif dimension.modes:
        raise ActionCardError(f"{name} has modes, only the role 'terminate' may.")
    elif not (math.isfinite(dimension.low) and math.isfinite(dimension.high) and dimension.low < dimension.high):
        raise ActionCardError(
            f"{name} ranges from {dimension.low} to {dimension.high}, expected a finite low below high."
        )


def _check_distinct(names: Sequence[str], what: str) -> None:
    if len(set(names)) != len(names):
        raise ActionCardError(f"two {what} have the same name: {', '.join(names)}.")


def _check_cameras(card: ActionCard) -> None:
    if not card.cameras:
        raise ActionCardError("cameras is empty, expected at least one.")
    _check_distinct([c.name for c in card.cameras], "cameras")
    for camera in card.cameras:
        if not (0 < camera.width <= 8192 and 0 < camera.height <= 8192):
            raise ActionCardError(
                f"camera {camera.name!r} is {camera.width}x{camera.height}, expected 1 to 8192 pixels."
            )
        if camera.crop not in CROPS:
            raise ActionCardError(
                f"camera {camera.name!r} has the crop {camera.crop!r}, expected one of {', '.join(CROPS)}."
            )
        if "/" in camera.column or ".." in camera.column:
            raise ActionCardError(
                f"camera {camera.name!r} has the column {camera.column!r}, expected a name without '/' and '..'."
            )
        if not 0 <= camera.vertical_fov < math.pi:
            raise ActionCardError(
                f"camera {camera.name!r} has the vertical_fov {camera.vertical_fov}, expected 0 to pi rad."
            )
