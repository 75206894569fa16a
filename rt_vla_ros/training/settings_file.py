"""Changes of settings by KEY=VALUE, and the settings file of a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.settings import RECIPES, DaggerSettings, TrainingSettings

FILE = "settings.json"
NETWORK, DAGGER = "network.", "dagger."


def with_settings(settings: TrainingSettings, changes: Iterable[str]) -> TrainingSettings:
    """The settings with changes KEY=VALUE: a field, dagger.KEY for one of its group, network.KEY of RT1Config.

    A VALUE is JSON (3, 0.5, true, [16, 32], null) or else text. Raises ValueError for an unknown KEY, a VALUE of
    another type, or contradictory settings.
    """
    network = dict(settings.network)
    options = RT1Config.preset(settings.preset, **settings.network).to_dict()
    there = flat(settings) | {NETWORK + key: value for key, value in options.items()}
    own, dagger = dict[str, Any](), dict[str, Any]()
    for change in changes:
        key, text = split_change(change, "network.time_sequence_length=1")
        value = checked_value(key, parsed_value(text), there)
        group = network if key.startswith(NETWORK) else dagger if key.startswith(DAGGER) else own
        group[key.removeprefix(NETWORK).removeprefix(DAGGER)] = value
    if dagger and settings.dagger is not None:
        own["dagger"] = replace(settings.dagger, **_tuples(dagger))
    changed = replace(settings, network=network, **own)
    RT1Config.preset(changed.preset, **network)  # says what else is wrong
    return changed


def flat(settings: TrainingSettings) -> dict[str, Any]:
    """KEY -> value, as `with_settings` takes them, JSON's types."""
    data: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    network, dagger = data.pop("network"), data.pop("dagger")
    data |= {NETWORK + key: value for key, value in network.items()}
    return data | {DAGGER + key: value for key, value in (dagger or {}).items()}


def save_settings(run: Path, settings: TrainingSettings, data: str = "") -> None:
    """Write them into the directory of a run. data: identifies its datasets. Raises OSError."""
    write_json(run / FILE, {**flat(settings), "datasets": data})


def check_settings(run: Path, settings: TrainingSettings, data: str = "") -> bool:
    """Whether the directory contains a run. Raises TrainingError if its settings differ."""
    if not (run / FILE).is_file():
        return False
    there, ours = read_object(run / FILE, TrainingError), {**flat(settings), "datasets": data}
    there.setdefault("teacher", "")  # a run that was started by an earlier version
    if settings.dagger is not None:
        there["steps"] = ours["steps"]
    check_same(run, there, ours)
    return True


def check_same(run: Path, there: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raises TrainingError if the settings in a run's directory differ."""
    keys = [key for key in {**ours, **there} if there.get(key) != ours.get(key)]
    if keys:
        different = "; ".join(f"{key} {there.get(key)!r}, not {ours.get(key)!r}" for key in keys)
        raise TrainingError(f"{run} contains a run with different settings ({different}). Choose another --out.")


def split_change(change: str, example: str) -> tuple[str, str]:
    """KEY and VALUE of KEY=VALUE. Raises ValueError with an example for other text."""
    key, equals, text = change.partition("=")
    if not equals:
        raise ValueError(f"{change!r} sets nothing; expected KEY=VALUE, such as {example}.")
    return key, text


def load_settings(run: Path) -> TrainingSettings:
    """The settings of a run. Raises TrainingError for a missing or damaged file."""
    data = read_object(run / FILE, TrainingError)
    network = {key.removeprefix(NETWORK): value for key, value in data.items() if key.startswith(NETWORK)}
    dagger = {key.removeprefix(DAGGER): value for key, value in data.items() if key.startswith(DAGGER)}
    own = {key: value for key, value in data.items() if "." not in key and key != "datasets"}
    try:
        return TrainingSettings(**own, network=network, dagger=DaggerSettings(**_tuples(dagger)) if dagger else None)
    except TypeError as error:
        raise TrainingError(f"{run / FILE} does not contain the settings of a run: {error}") from error


def command(settings: TrainingSettings, recipe: str) -> str:
    """The command that starts such a run."""
    default, text = flat(RECIPES[recipe]), f"rt-vla train rt1 --recipe {recipe} --seed {settings.seed}"
    for key, value in flat(settings).items():
        if key != "seed" and (key not in default or value != default[key]):
            text += " --set " + shlex.quote(f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    return text + " --out DIR"


def _tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def parsed_value(text: str) -> Any:
    """JSON (3, 0.5, true, [16, 32], null), or else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def checked_value(key: str, value: Any, there: Mapping[str, Any]) -> Any:
    """Check a value for an existing key. Raises ValueError for an unknown key and a value of another type."""
    if key not in there:
        grouped = [name for name in there if name.endswith(f".{key}")]
        close = grouped or get_close_matches(key, there, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"There is no setting {key!r}.{hint}")
    old = there[key]
    if old is None or value is None:
        return value
    kinds = (int, float) if isinstance(old, float) else (type(old),)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(old, bool):
        raise ValueError(f"{key} is {value!r}, expected something like {json.dumps(old)}.")
    return value
