"""Reads meta/info.json of a LeRobot dataset and validates it, also against the action card."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, CameraSpec, kind_of_motion
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import ACTION, DATA, INFO, STATISTICS, VERSION, VIDEO, camera_column, names_of
from rt_vla_ros.json_file import read_object

MOST_FRAMES = 1000  # per second
MOST_PIXELS = 8192  # a side
AXES, AXES_FIRST = ("height", "width", "channel"), ("channel", "height", "width")
DOWNLOAD = "hf download NAME --repo-type dataset --local-dir DIR"
CONVERT = "Convert it: rt-vla data from-lerobot-v2 DATA --out NEW."
ADVICE = {"v2.1": CONVERT, "v2.0": CONVERT, VERSION: "It needs no conversion."}


def read_info(directory: Path, versions: Collection[str] = (VERSION,)) -> dict[str, Any]:
    """meta/info.json of one of these versions; data_path and video_path are always present. Raises DatasetError."""
    path = directory / INFO
    if not path.is_file():
        hub = f" Download one from the Hub first: {DOWNLOAD}" * (not directory.exists())
        raise DatasetError(f"{directory} is not a dataset in LeRobot format: {path} does not exist.{hub}")
    info = {"data_path": DATA, "video_path": VIDEO} | read_object(path, DatasetError)
    check_kinds(path, info, {"codebase_version": str, "fps": (int, float), "total_episodes": int, "features": dict})
    version = info["codebase_version"]
    if version not in versions:
        advice = ADVICE.get(version, f"Use the lerobot package to write it as {VERSION}.")
        raise DatasetError(f"{path} has version {version:.50}; supported: {' and '.join(versions)}. {advice}")
    if not 0 < info["fps"] <= MOST_FRAMES:
        raise DatasetError(f"{path}: fps is {info['fps']}, expected more than 0 and at most {MOST_FRAMES}.")
    for name, feature in info["features"].items():
        if not isinstance(feature, dict):
            raise DatasetError(f"{path}: the feature {name!r} is {feature!r}, expected an object with dtype and shape.")
    return info


def check_kinds(path: Path, info: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """kinds: of the keys that `info` must have. Raises DatasetError."""
    for key, kind in kinds.items():
        if not isinstance(info.get(key), kind) or isinstance(info[key], bool):
            raise DatasetError(f"{path} has no valid {key!r}.")


def splits_of(directory: Path, info: Mapping[str, Any]) -> dict[str, range]:
    """The episodes of each split, such as "train" and "test". Raises DatasetError."""
    splits = info.get("splits") or {}
    if not isinstance(splits, dict):
        raise DatasetError(f"{directory / INFO}: splits is {splits!r:.100}, expected an object.")
    found = {name: re.fullmatch(r"(\d{1,18}):(\d{1,18})", str(part)) for name, part in splits.items()}
    for name, part in found.items():
        if part is None:
            what = f"{name!r} in splits is {splits[name]!r:.100}, expected FIRST:END, numbers of episodes"
            raise DatasetError(f"{directory / INFO}: {what}.")
    return {name: range(int(part[1]), int(part[2])) for name, part in found.items() if part}


def held_out(directory: Path, info: Mapping[str, Any]) -> list[range]:
    """The episodes of the splits other than "train", which are for tests. Raises DatasetError."""
    return [part for name, part in splits_of(directory, info).items() if name != "train"]


def check_features(directory: Path, info: Mapping[str, Any], card: ActionCard) -> None:
    """Raises DatasetError if the features do not match the card."""
    check_rate(directory, info, card)
    for column, names in names_of(card).items():
        check_numbers(directory, info, column, names)
    check_joint_positions(directory, info, card)
    for camera in card.cameras:
        check_camera(directory, info, camera)
    check_feature_rates(directory, info, card)


def check_rate(directory: Path, info: Mapping[str, Any], card: ActionCard) -> None:
    """Raises DatasetError if the card's control rate differs from the dataset's fps."""
    if not math.isclose(info["fps"], card.control_rate, rel_tol=1e-3):
        raise DatasetError(
            f"{directory} has {info['fps']:g} frames per second (fps in meta/info.json), but its action card has "
            f"{card.control_rate:g} actions per second (control_rate); they must match, correct one."
        )


def check_feature_rates(directory: Path, info: Mapping[str, Any], card: ActionCard) -> None:
    """Raises DatasetError if the frame rate of a feature used by the card differs from the dataset's fps."""
    rate = info["fps"]
    for name in (*names_of(card), *map(camera_column, card.cameras)):
        feature = info["features"].get(name, {})
        for key, value in {"fps": feature.get("fps"), "video.fps": _about(feature).get("fps")}.items():
            if value is not None and not (isinstance(value, int | float) and math.isclose(value, rate, rel_tol=1e-3)):
                raise DatasetError(
                    f"{directory / INFO}: {key} of the feature {name!r} is {value!r}, but fps is {rate}."
                )


def check_numbers(directory: Path, info: Mapping[str, Any], column: str, ours: list[str]) -> None:
    """ours: names of the column's elements in the action card. Raises DatasetError if they differ."""
    where = f"{directory}: the column {column!r}"
    expected = f"the action card has {len(ours)} dimensions{'' if column == ACTION else ' of the state'}"
    if column not in info["features"]:
        there = ", ".join(info["features"]) or "none"
        raise DatasetError(f"{directory} has no column {column!r}; available: {there}, but {expected}.")
    feature = info["features"][column]
    if feature.get("shape") != [len(ours)]:
        raise DatasetError(f"{where} has the shape {feature.get('shape')}, {expected}.")
    names = _in_order(feature.get("names"))
    if names != ours and sorted(map(str, names)) == sorted(ours):
        raise DatasetError(
            f"{where} has {', '.join(names)} in this order (names in meta/info.json), the action card "
            f"{', '.join(ours)}; reorder the card's dimensions to match the data."
        )
    if (directory / STATISTICS).is_file():
        found = read_object(directory / STATISTICS, DatasetError).get(column)
        for key, values in found.items() if isinstance(found, dict) else ():
            if key != "count" and isinstance(values, list) and len(values) != len(ours):
                what = f"{key} of {column!r} has {len(values)} numbers, the column has {len(ours)}"
                raise DatasetError(f"{directory / STATISTICS}: {what}.")


def check_joint_positions(directory: Path, info: Mapping[str, Any], card: ActionCard) -> None:
    """Raises DatasetError if the actions are joint positions."""
    names = _in_order(info["features"][ACTION].get("names"))
    moved = [str(name) for name, one in zip(names, card.dimensions, strict=False) if kind_of_motion(one.role)]
    if any(name.endswith(".pos") for name in moved):  # of lerobot's own robots
        raise DatasetError(
            f"{directory}: the column {ACTION!r} has joint positions ({', '.join(moved):.200}), the action card "
            "displacements of the end effector. Convert the actions, or give such dimensions the role 'unused'."
        )


def _in_order(names: Any) -> list[Any]:
    """Names of a column's elements, empty if unknown."""
    if isinstance(names, dict) and names and all(type(place) is int for place in names.values()):
        return sorted(names, key=lambda name: names[name])
    if isinstance(names, dict) and len(names) == 1:  # of one kind of motors
        names = next(iter(names.values()))
    return names if isinstance(names, list) else []


def check_camera(directory: Path, info: Mapping[str, Any], camera: CameraSpec) -> None:
    """Raises DatasetError if the dataset has no RGB images for a camera of the card."""
    column = camera_column(camera)
    feature = info["features"].get(column, {})
    if feature.get("dtype") not in ("video", "image"):
        there = sorted(name for name, one in info["features"].items() if one.get("dtype") in ("video", "image"))
        raise DatasetError(
            f"{directory} has no images {column!r} for the card's camera {camera.name!r}; available: "
            f"{', '.join(there) or 'none'}. Set the camera's column in the action card: "
            f'"column": "{there[0] if there else column}".'
        )
    where = f"{directory}: the column {column!r} of the camera {camera.name!r}"
    if is_grey(feature):
        raise DatasetError(f"{where} is depth or grayscale (info in meta/info.json), expected RGB; use another column.")
    image_size(directory, info, column)


def names_in_order(feature: Mapping[str, Any]) -> list[str]:
    """Names of a column's elements, empty if unknown."""
    return [str(name) for name in _in_order(feature.get("names"))]


def is_grey(feature: Mapping[str, Any]) -> bool:
    """Whether a camera's images are depth maps or grayscale."""
    about = _about(feature)
    return bool(about.get("is_depth_map")) or str(about.get("pix_fmt", "")).startswith("gray")


def image_size(directory: Path, info: Mapping[str, Any], column: str) -> tuple[int, int]:
    """Height and width of a column's images [pixel]. Raises DatasetError unless it has RGB images of 1 to 8192."""
    feature = info["features"][column]
    shape, names = feature.get("shape"), feature.get("names")
    if isinstance(shape, list) and len(shape) == 3 and all(isinstance(side, int) for side in shape):
        order = [str(name).rstrip("s") for name in names] if isinstance(names, list) else []
        if sorted(order) != sorted(AXES) or shape[order.index("channel")] != 3:  # some write the usual names always
            order = list(AXES if shape[2] == 3 else AXES_FIRST)
        height, width, channels = (shape[order.index(name)] for name in AXES)
        sides = 0 < min(height, width) <= max(height, width) <= MOST_PIXELS
        if channels == _about(feature).get("channels", 3) == 3 and sides:
            return height, width
    raise DatasetError(
        f"{directory / INFO}: the feature {column!r} has the shape {shape!r:.100}, expected [height, width, 3] (RGB) "
        f"of 1 to {MOST_PIXELS} pixels."
    )


def _about(feature: Mapping[str, Any]) -> dict[str, Any]:
    """The video properties of a camera's feature, without the prefix "video." that some versions write."""
    found: dict[str, Any] = {}
    for key in ("video_info", "info"):
        part = feature.get(key)
        if isinstance(part, dict):
            found |= {name.removeprefix("video."): value for name, value in part.items() if value}
    return found
