"""Maps keys of an RLDS dataset to the cameras, instruction and dimensions of an action card."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.rt1_actions import CONTROL_RATES, JAX_ORDER, rt1_card
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.tfds import STEPS, TfdsDirectory, TfdsFeature

MODE = ":mode"
"""Suffix of a one-hot key: the index of the 1 is its value."""


@dataclass(frozen=True)
class RldsPart:
    """A feature with consecutive elements of an action or a state."""

    feature: TfdsFeature
    is_mode: bool = False

    @property
    def width(self) -> int:
        """Number of elements."""
        return 1 if self.is_mode else self.feature.size


@dataclass(frozen=True, kw_only=True)
class RldsKeys:
    """images: by camera name. success: its last value is the label; None: no label."""

    images: Mapping[str, TfdsFeature]
    language: TfdsFeature
    action: tuple[RldsPart, ...]
    state: tuple[RldsPart, ...] = ()
    success: TfdsFeature | None = None


@dataclass(frozen=True)
class KnownDataset:
    """A known dataset: its keys as for --keys, and its card without the camera."""

    keys: Mapping[str, str]
    card: Callable[[CameraSpec], ActionCard]


def _bridge_card(camera: CameraSpec) -> ActionCard:
    return ActionCard(
        name="BridgeData as in Open X-Embodiment",
        dimensions=(
            ActionDimension("terminate_episode", "terminate", 0.0, 0.0, "mode", ("move", "terminate")),
            *(ActionDimension(f"world_vector_{a}", f"translation_{a}", -0.05, 0.05, "m") for a in "xyz"),
            *(ActionDimension(f"rotation_delta_{a}", f"rotation_{a}", -0.25, 0.25, "rad") for a in "xyz"),
            ActionDimension("open_gripper", "gripper", 0.0, 1.0, "1"),
        ),
        bins=256,
        quantization="truncate",
        frame="base",
        frame_id="base_link",
        rotation="rpy",
        gripper_open=1.0,
        gripper_closed=0.0,
        control_rate=CONTROL_RATES["widowx"],
        cameras=(camera,),
        notes=(
            "The ranges are those of RT-1-X on this robot, from SimplerEnv; rotation_delta is roll, pitch, yaw.",
            "Not verified: frame_id, the camera's field of view, and that displacements are in the axes of the base.",
        ),
    )


def _google_card(camera: CameraSpec) -> ActionCard:
    return rt1_card("RT-1's own data, fractal20220817_data", camera)


_SEEN = {"front": "observation/image", "language": "observation/natural_language_instruction"}
_GOOGLE = "+".join(f"action/{part}" + MODE * (part == "terminate_episode") for part in JAX_ORDER)
_WIDOWX = "action/terminate_episode+action/world_vector+action/rotation_delta+action/open_gripper"
KNOWN = {
    "fractal20220817_data": KnownDataset({**_SEEN, "action": _GOOGLE}, _google_card),
    "bridge": KnownDataset({**_SEEN, "action": _WIDOWX}, _bridge_card),
}


def known_card(tfds: TfdsDirectory) -> ActionCard:
    """Raises DatasetError for an unknown dataset."""
    if tfds.name not in KNOWN:
        raise DatasetError(
            f"The meaning of the actions is unknown for {tfds.name!r}: give a card with --card. Built-in cards: "
            f"{', '.join(KNOWN)}."
        )
    feature = _found(tfds, KNOWN[tfds.name].keys["front"], "image")
    height, width = feature.shape[:2]
    return KNOWN[tfds.name].card(CameraSpec("front", width, height, "none", 0.0))


def explicit_keys(texts: Sequence[str]) -> dict[str, str]:
    """Parse "NAME=KEY". Raises DatasetError."""
    keys: dict[str, str] = {}
    for text in texts:
        name, sign, key = text.partition("=")
        if not sign or not name or not key or name in keys:
            raise DatasetError(f"Expected NAME=KEY with unique names, got {text!r:.100}.")
        keys[name] = key
    return keys


def resolve_keys(tfds: TfdsDirectory, card: ActionCard, given: Mapping[str, str]) -> RldsKeys:
    """The keys for the card, as given or built in for the dataset.

    given: by a camera's name, or "image" where there is one camera, "language", "action", "state", "success".
    Raises DatasetError for missing or unknown keys, or sizes that differ from the card's.
    """
    cameras = [camera.name for camera in card.cameras]
    keys = dict(KNOWN[tfds.name].keys) if tfds.name in KNOWN else {}
    if "front" in keys and len(cameras) == 1:
        keys = {(cameras[0] if name == "front" else name): key for name, key in keys.items()}
    keys |= {(cameras[0] if name == "image" and len(cameras) == 1 else name): key for name, key in given.items()}
    wanted = [*cameras, "language", "action", *(["state"] if card.state else [])]
    unknown = [name for name in given if name not in (*wanted, "success", "image")]
    if unknown:
        raise DatasetError(f"--keys names {unknown[0]!r}; the card needs {', '.join(wanted)}; success is optional.")
    missing = [name for name in wanted if name not in keys]
    if missing:
        raise DatasetError(
            f"Which keys of {tfds.name} are {', '.join(missing)}? Specify them with --keys {missing[0]}=KEY; "
            f"available: {', '.join(tfds.features)}."
        )
    action, state = (_parts(tfds, keys[name]) if name in wanted else () for name in ("action", "state"))
    _check_width("action", keys["action"], action, [one.name for one in card.dimensions])
    if card.state:
        _check_width("state", keys["state"], state, [one.name for one in card.state])
    return RldsKeys(
        images={name: _image(tfds, keys[name]) for name in cameras},
        language=_found(tfds, keys["language"], "text"),
        action=action,
        state=state,
        success=_found(tfds, keys["success"], "numbers") if "success" in keys else None,
    )


def _parts(tfds: TfdsDirectory, text: str) -> tuple[RldsPart, ...]:
    parts = (one.strip() for one in text.split("+"))
    return tuple(RldsPart(_found(tfds, one.removesuffix(MODE), "numbers"), one.endswith(MODE)) for one in parts)


def _image(tfds: TfdsDirectory, key: str) -> TfdsFeature:
    feature = _found(tfds, key, "image")
    if len(feature.shape) != 3 or feature.shape[2] != 3 or min(feature.shape) < 1:
        raise DatasetError(f"{feature.key} of {tfds.name} has the shape {feature.shape}, expected (height, width, 3).")
    return feature


def _found(tfds: TfdsDirectory, key: str, kind: str) -> TfdsFeature:
    """The prefix "steps/" of a key may be omitted."""
    feature = tfds.features.get(STEPS + key) or tfds.features.get(key)
    if feature is None:
        near = difflib.get_close_matches(key, [name.removeprefix(STEPS) for name in tfds.features], n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Available: {', '.join(tfds.features)}."
        raise DatasetError(f"{tfds.name} has no key {key!r}. {hint}")
    if feature.kind != kind:
        raise DatasetError(f"{feature.key} of {tfds.name} is {feature.kind}, expected {kind}.")
    if kind == "image" and not feature.key.startswith(STEPS):
        raise DatasetError(f"{feature.key} of {tfds.name} is one image per episode, expected one per step.")
    return feature


def _check_width(what: str, text: str, parts: Sequence[RldsPart], names: Sequence[str]) -> None:
    outside = [part.feature.key for part in parts if not part.feature.key.startswith(STEPS)]
    if outside:
        raise DatasetError(f"{outside[0]}, in the {what}, is one value per episode, expected one per step.")
    if sum(part.width for part in parts) != len(names):
        sizes = " + ".join(f"{part.feature.key.removeprefix(STEPS)} ({part.width})" for part in parts)
        raise DatasetError(
            f"The {what}, {text}, has {sum(part.width for part in parts)} elements: {sizes}; the card has "
            f"{len(names)}: {', '.join(names)}."
        )
