"""A recipe with some settings changed, and on disk, where a run's processes find it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.policies.rt1.configuration import RT1Config
from rt_vla_ros.training.recipe import RECIPES, Recipe

if TYPE_CHECKING:
    from rt_vla_ros.training.supervised_settings import Settings

Changeable = TypeVar("Changeable", Recipe, "Settings")

FILE = "recipe.json"
NETWORK = "network."
BESIDES = ("seed", "collectors")
"""What belongs to a run and not to its recipe."""
MAY_CHANGE = ("steps",)
"""What another sitting of the same run may have otherwise: it can be made longer."""


def with_settings(recipe: Changeable, settings: Iterable[str]) -> Changeable:
    """The recipe with settings KEY=VALUE: a field of it, or network.KEY for an option of RT1Config.

    A VALUE is JSON (3, 0.5, true, [16, 32], null) or else text. Raises ValueError, with a sentence, for an unknown KEY,
    a VALUE of another kind than the one that is there, or settings that do not go together.
    """
    changes, network = dict[str, Any](), dict(recipe.network)
    options, there = network_config(recipe).to_dict(), asdict(recipe)
    del there["network"]
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"{setting!r} sets nothing; expected KEY=VALUE, such as network.time_sequence_length=1.")
        value = _value(text)
        if key.startswith(NETWORK):
            option = key[len(NETWORK) :]
            _check(key, value, options, option)
            network[option] = value
        else:
            _check(key, value, there, key)
            changes[key] = value
    changed = replace(recipe, network=network, **_fields(changes))
    network_config(changed)  # says what else is wrong
    return changed


def network_config(recipe: Recipe | Settings) -> RT1Config:
    """What the recipe's network is made of. Raises ValueError for options that do not go together."""
    return RT1Config.preset(recipe.preset, **recipe.network)


def sentence_encoder(recipe: Recipe, config: RT1Config) -> LanguageEncoder:
    """What turns instructions into what the network takes.

    Raises ValueError where recipe and network contradict each other, or nothing is at the recipe's path.
    """
    if (config.language == "embedding") != bool(recipe.language):
        raise ValueError(
            f"The network's language is {config.language!r} and the recipe's is {recipe.language!r}; a table's path "
            "goes with network.language=embedding, and only with that."
        )
    if not recipe.language:
        return HashedWords(config.word_buckets)
    return InstructionTable.load(Path(recipe.language))


def save_recipe(run: Path, recipe: Recipe, seed: int, collectors: int) -> None:
    """Write it into the directory of a run, with what else the run's episodes depend on.

    Raises ValueError where a run with other settings is there.
    """
    ours = json.loads(json.dumps({**asdict(recipe), "seed": seed, "collectors": collectors}))
    if (run / FILE).is_file():
        there = _read(run)
        different = [
            f"{key} {there.get(key)!r}, not {value!r}"
            for key, value in ours.items()
            if key not in MAY_CHANGE and there.get(key) != value
        ]
        if different:
            raise ValueError(f"{run} holds a run with other settings ({'; '.join(different)}). Name another --out.")
    write_json(run / FILE, ours)


def load_recipe(run: Path) -> Recipe:
    """The recipe of a run. Raises ValueError for a damaged file, OSError for none."""
    data = _read(run)
    try:
        return Recipe(**_fields({key: value for key, value in data.items() if key not in BESIDES}))
    except TypeError as error:
        raise ValueError(f"{run / FILE} is no recipe: {error}") from error


def command(name: str, recipe: Recipe, seed: int, collectors: int = 1) -> str:
    """What makes such a run."""
    text = f"rt-vla train rt1 --recipe {name} --seed {seed}"
    text += f" --collectors {collectors}" if collectors != 1 else ""
    return text + "".join(f" --set {shlex.quote(change)}" for change in changes(recipe, RECIPES[name])) + " --out DIR"


def changes(recipe: Recipe, usual: Recipe) -> list[str]:
    """The settings KEY=VALUE that make the recipe out of the usual one."""
    pairs = [(field.name, getattr(recipe, field.name)) for field in fields(recipe) if field.name != "network"]
    different = [(key, value) for key, value in pairs if value != getattr(usual, key)]
    different += [(NETWORK + key, value) for key, value in recipe.network.items()]
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in different]


def _read(run: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((run / FILE).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{run / FILE} is no recipe: {error}") from error


def _fields(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _check(key: str, value: Any, there: dict[str, Any], name: str) -> None:
    if name not in there:
        close = get_close_matches(name, there, n=1)
        hint = f" Did you mean {key.removesuffix(name) + close[0]!r}?" if close else ""
        raise ValueError(f"There is no setting {key!r}.{hint}")
    old = there[name]
    if old is None or value is None:
        return
    kinds = (int, float) if isinstance(old, float) else (list,) if isinstance(old, (list, tuple)) else (type(old),)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(old, bool):
        raise ValueError(f"{key} is {value!r}, expected something like {json.dumps(old)}.")
