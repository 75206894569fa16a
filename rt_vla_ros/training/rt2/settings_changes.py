"""Changes of fine-tuning settings by KEY=VALUE, and their file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.settings_file import FILE, check_same, checked_value, parsed_value, split_change

RT2, SHARE = "rt2.", "share."
ROBOT_SHARE = "robot_share"  # null: half, or what the shares of sets leave


def with_changes(settings: FineTuneSettings, changes: Iterable[str]) -> FineTuneSettings:
    """The settings with changes KEY=VALUE: a field, rt2.KEY for one of RT2Config, or share.NAME for a dataset's share.

    A VALUE is JSON or else text. Raises ValueError for an unknown KEY, a VALUE of another type, and
    contradictory settings.
    """
    there = {key: value for key, value in asdict(settings).items() if key not in ("rt2", "shares")}
    there |= {RT2 + one.name: getattr(RT2Config("integers"), one.name) for one in fields(RT2Config)}
    own, rt2, shares = dict[str, Any](), dict(settings.rt2), dict(settings.shares)
    for change in changes:
        key, text = split_change(change, "label_mask=0.4 or rt2.chat=true")
        value = parsed_value(text)
        if key.startswith(SHARE):
            shares[key.removeprefix(SHARE)] = _share(key, value)
            continue
        if key == ROBOT_SHARE and value is not None:
            value = _share(key, value)
        if isinstance(there.get(key), str) and not isinstance(value, str):
            value = text  # "1" is a text where one is expected
        if isinstance(there.get(key), tuple) and isinstance(value, list):
            value = tuple(value)
        if value is None and key != ROBOT_SHARE and there.get(key) is not None:
            raise ValueError(f"{key} is null, expected something like {json.dumps(there[key])}.")
        group = rt2 if key.startswith(RT2) else own
        group[key.removeprefix(RT2)] = checked_value(key, value, there)
    return replace(settings, **own, rt2=rt2, shares=shares)


def _share(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} is {value!r}, expected a number of 0 to 1.")
    return float(value)


def flat_settings(settings: FineTuneSettings) -> dict[str, Any]:
    """KEY -> value, as `with_changes` takes them, JSON's types."""
    groups = {"rt2": dict(settings.rt2), "shares": dict(settings.shares)}
    data: dict[str, Any] = json.loads(json.dumps({**asdict(settings), **groups}))
    rt2, shares = data.pop("rt2"), data.pop("shares")
    return {**data, **{RT2 + k: v for k, v in rt2.items()}, **{SHARE + k: v for k, v in shares.items()}}


def check_run(run: Path, settings: FineTuneSettings, identity: Mapping[str, Any]) -> None:
    """identity: of base and data. Raises TrainingError if the directory contains a run with others."""
    if not (run / FILE).is_file():
        return
    check_same(run, read_object(run / FILE, TrainingError), _written(settings, identity))


def save_run(run: Path, settings: FineTuneSettings, identity: Mapping[str, Any]) -> None:
    """Raises OSError."""
    write_json(run / FILE, _written(settings, identity))


def _written(settings: FineTuneSettings, identity: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps({"family": "rt2", **flat_settings(settings), **identity}))
    return data
