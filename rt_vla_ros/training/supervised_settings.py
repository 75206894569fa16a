"""How a network is learned from datasets: what this project found for its own, and what is public of RT-1's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.policies.rt1.checkpoint import check_card
from rt_vla_ros.policies.rt1.configuration import PRESETS, RT1Config, check_number
from rt_vla_ros.training.learner import Optimiser
from rt_vla_ros.training.recipe import Recipe, check_seed

OWN = "rt1-mini"
_RECIPE, _OPTIMISER = Recipe(), Optimiser()
PRECISIONS = ("bfloat16", "float32")

PAPER: dict[str, Any] = {
    "windows": 1024,
    "at_once": 8,
    "learning_rate": 1e-4,
    "warmup": 0,
    "cosine": False,
    "weight_decay": 0.0,
    "beta2": 0.999,
    "epsilon": 1e-7,
    "longest_gradient": 0.0,
    "ema": 0.0,
    "shift_rows": 20 / 256,
    "shift_columns": 50 / 320,
    "black_borders": True,
    "jitter": 0.0,
    "heatmap_weight": 0.0,
    "position_weight": 0.0,
}
"""Adam, 1e-4: configs/transformer_mixin.gin of google-research/robotics_transformer and the training example of
google-deepmind/open_x_embodiment, which also has epsilon 1e-7 (Keras' own) and says that the batch was 1024. Both take
the mean cross-entropy over all action tokens of all steps (the release divides it by a constant, which Adam does not
see), and crop images at random after padding them with black: 20 of 256 rows and 50 of 320 columns on each side.
Neither has a schedule, decay, clipping, averaged weights or changes of colour. `at_once` is this project's, for
memory's sake."""


@dataclass(frozen=True)
class Settings:
    """What a run's result depends on, besides its datasets. The defaults are of `rt1-mini`; see `usual_settings`.

    preset: of RT1Config. network: its options that are other than the preset's. language: path of a table of sentence
    vectors (`rt-vla embed`); empty: words are learned, hashed. start: path of a checkpoint with whose weights the
    network begins, where names and shapes are the same; empty: all begin at random.
    steps: of the optimiser. windows: histories in each, of all processes together. at_once: at most so many of them go
    through the network together, in all processes: batch normalisation is over those; 0: all.
    learning_rate: its highest. warmup: steps until then, at most a tenth of all. cosine: whether it falls afterwards,
    to 2% in the end.
    weight_decay (of matrices; 0 is plain Adam), beta2, epsilon: of AdamW. longest_gradient: longer ones are shortened
    to it; 0: none is. ema: decay per step of the averaged weights; 0: the weights themselves.
    shift_rows, shift_columns: how far a history's images are moved at most, as shares of their height and width.
    black_borders: what comes in there is black, otherwise the edge repeated. jitter: of brightness and contrast.
    precision: "bfloat16" (mixed) or "float32".
    heatmap_weight, position_weight: of the auxiliary losses, for datasets that know the scene.
    validation: share of the episodes that are held back. seed: of weights, order and augmentation.
    """

    preset: str = OWN
    network: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    start: str = ""
    steps: int = 20_000
    windows: int = _RECIPE.windows
    at_once: int = 0
    learning_rate: float = _RECIPE.learning_rate
    warmup: int = _RECIPE.warmup
    cosine: bool = _OPTIMISER.cosine
    weight_decay: float = _RECIPE.weight_decay
    beta2: float = _OPTIMISER.beta2
    epsilon: float = _OPTIMISER.epsilon
    longest_gradient: float = _OPTIMISER.longest_gradient
    ema: float = _RECIPE.ema
    shift_rows: float = 0.02
    shift_columns: float = 0.02
    black_borders: bool = False
    jitter: float = _RECIPE.jitter
    precision: str = _OPTIMISER.precision
    heatmap_weight: float = _RECIPE.heatmap_weight
    position_weight: float = _RECIPE.position_weight
    validation: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what no run can be made of."""
        check_seed(self.seed)
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected one of {', '.join(PRECISIONS)}.")
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}, expected at least 1.")
        if self.windows < 1 or self.at_once < 0:
            raise ValueError(
                f"windows is {self.windows} and at_once {self.at_once}, expected at least 1 and at least 0."
            )
        if not 0 <= self.validation <= 0.9:
            raise ValueError(f"The share for validation is {self.validation}, expected 0 to 0.9.")
        for name in ("shift_rows", "shift_columns", "beta2"):
            check_number(name, getattr(self, name), 0, 1)
        check_number("epsilon", self.epsilon, 0, open_low=True)
        for name in ("longest_gradient", "warmup"):
            check_number(name, getattr(self, name), 0)
        _ = self.recipe  # it checks what they have in common

    @property
    def recipe(self) -> Recipe:
        """What Recipe and Settings have in common."""
        common = {one.name: getattr(self, one.name) for one in fields(Recipe) if hasattr(self, one.name)}
        return Recipe(**{**common, "warmup": min(self.warmup, self.steps // 10)})

    @property
    def optimiser(self) -> Optimiser:
        """The rest of what Learner takes."""
        return Optimiser(**{one.name: getattr(self, one.name) for one in fields(Optimiser)})

    @property
    def part(self) -> int:
        """Histories that go through the network together, in all processes: a divisor of `windows`."""
        most = min(self.at_once or self.windows, self.windows)
        return next(count for count in range(most, 0, -1) if self.windows % count == 0)


def usual_settings(preset: str, **changes: Any) -> Settings:
    """The defaults of a preset, with changes: the paper's for all but `rt1-mini`. Raises ValueError for bad values."""
    return Settings(preset=preset, **{**({} if preset == OWN else PAPER), **changes})


def unusual(settings: Settings, names: Sequence[str]) -> list[str]:
    """Those of these settings that are other than the preset's default: somebody has asked for them."""
    usual = usual_settings(settings.preset)
    return [name for name in names if getattr(settings, name) != getattr(usual, name)]


def table_of_defaults() -> str:
    """Lines for people: every setting whose default depends on the preset."""
    own, paper = usual_settings(OWN), usual_settings("rt1")
    rows = [("", OWN, ", ".join(name for name in PRESETS if name != OWN))]
    rows += [
        (one.name, f"{getattr(own, one.name):.4g}", f"{getattr(paper, one.name):.4g}")
        for one in fields(Settings)
        if one.name in PAPER
    ]
    return "\n".join(f"  {name:<18}{a:<10}{b}" for name, a, b in rows)


def network_config(settings: Settings, card: ActionCard) -> RT1Config:
    """The settings' network for a card: its dimensions, bins and camera; with a table of sentence vectors or without.

    Raises ValueError for an unknown preset or option, ActionCardError for a card that no such network fits.
    """
    camera = card.cameras[0]
    size = RT1Config.preset(settings.preset, **settings.network).image_size
    same_size = (camera.height, camera.width) == (size, size)
    language: dict[str, Any] = {"language": "hashed_words"}
    if settings.language:
        vector = InstructionTable.load(Path(settings.language)).size
        language = {"language": "embedding", "language_size": vector}
    fitting = {
        **language,
        "vocab_size": card.bins,
        "tokens_per_dimension": [len(d.modes) if d.role == "terminate" else card.bins for d in card.dimensions],
        "input_height": None if same_size else camera.height,
        "input_width": None if same_size else camera.width,
        "world_vector_range": None,  # the card says it
    }
    config = RT1Config.preset(settings.preset, **{**fitting, **settings.network})
    check_card(card, config, Path("the datasets"))
    return config
