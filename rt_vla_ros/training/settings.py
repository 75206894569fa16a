"""The settings of a training run, each default in one place; and the message of a failed save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.language.encoder import LanguageEncoder
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.os_error import in_words
from rt_vla_ros.policies.rt1.checkpoint import check_card
from rt_vla_ros.policies.rt1.configuration import PRESETS, RT1Config, check_number
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, VERTICAL_FOVS, tabletop_card
from rt_vla_ros.sim.suites import find_suite
from rt_vla_ros.training.checks import TrainingError, check_range
from rt_vla_ros.training.precision import AUTO, PRECISIONS


@contextmanager
def saving(what: str, directory: Path, stands: str) -> Iterator[None]:
    """OSError and SafetensorError become a TrainingError.

    what: is being saved. directory: of the run. stands: what was saved before and can be used.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        why = in_words(error) if isinstance(error, OSError) else f"{error}."
        raise TrainingError(
            f"{what} could not be saved in {directory}: {why} What was saved before is intact ({stands}); when that "
            "is fixed, run the same command again to resume."
        ) from error


OWN = "rt1-mini"
PAPER: dict[str, Any] = {"batch_size": 1024, "micro_batch_size": 8, "learning_rate": 1e-4, "warmup": 0, "cosine": False}
PAPER |= {"weight_decay": 0.0, "beta2": 0.999, "epsilon": 1e-7, "max_grad_norm": 0.0, "ema": 0.0}
PAPER |= {"shift_rows": 20 / 256, "shift_columns": 50 / 320, "black_borders": True, "jitter": 0.0}
PAPER |= {"heatmap_weight": 0.0, "position_weight": 0.0}
"""Adam, 1e-4: configs/transformer_mixin.gin of google-research/robotics_transformer and the training example of
google-deepmind/open_x_embodiment, which also has epsilon 1e-7 (Keras' own) and says that the batch was 1024. Both take
the mean cross-entropy over all action tokens of all steps (the release divides it by a constant, which Adam does not
see), and crop images at random after padding them with black: 20 of 256 rows and 50 of 320 columns on each side.
Neither has a schedule, decay, clipping, averaged weights or changes of color. `micro_batch_size` is this project's,
to save memory."""


@dataclass(frozen=True)
class DaggerSettings:
    """Settings of continuous DAgger: episodes are collected in training, and the expert labels the policy's states.

    suites: of the scenes, in turn; later_suites: replace them from episode `later_from` of a collector on, once the
    policy can pick objects on simple tables. episode_steps: maximum length of an episode. collectors: processes that
    collect. capacity: frames in the replay buffer. first_frames: frames by the expert before training starts.
    publish_images: images trained on between two versions of the policy for the collectors. learner_after: images
    trained on before the policy collects. reuse: images trained on per new frame; collectors wait if they are ahead,
    and training waits if they are far behind. learner_share, mixed_share: of the episodes, in which the policy acts
    alone or both in turn; the expert acts in the rest. paraphrase: maximum share of an instruction's words to drop or
    replace, 0 ... 1 (paraphrase.py).
    """

    suites: tuple[str, ...] = ("pick-colours", "pick-any")
    later_suites: tuple[str, ...] = ("pick-colours", "pick-any", "train-looks", "train-clutter", "train-clutter")
    later_from: int = 2_500
    episode_steps: int = 40
    collectors: int = 1
    capacity: int = 150_000
    first_frames: int = 3_000
    publish_images: int = 10_000
    learner_after: int = 25_000
    reuse: float = 6.0
    learner_share: float = 0.35
    mixed_share: float = 0.4
    paraphrase: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for invalid settings."""
        for name in ("capacity", "first_frames", "reuse", "episode_steps", "collectors"):
            check_number(f"dagger.{name}", getattr(self, name), 0, open_low=True)
        for name in ("publish_images", "learner_after", "later_from"):
            check_number(f"dagger.{name}", getattr(self, name), 0)
        for name in ("suites", "later_suites"):
            if not getattr(self, name):
                raise ValueError(f"dagger.{name} is empty; give at least one suite.")
            for suite in getattr(self, name):
                find_suite(suite)
        for name in ("learner_share", "mixed_share", "paraphrase"):
            check_range(f"dagger.{name}", getattr(self, name))
        if self.learner_share + self.mixed_share > 1:
            raise ValueError("the sum of dagger.learner_share and dagger.mixed_share is more than 1.")
        for name in ("first_frames", "episode_steps"):
            if self.capacity < (least := getattr(self, name)):
                raise ValueError(f"dagger.capacity is {self.capacity}, expected at least dagger.{name} ({least}).")

    @property
    def all_suites(self) -> tuple[str, ...]:
        """All suites of the scenes."""
        return (*self.suites, *self.later_suites)


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of all runs.

    The defaults are those of the preset "rt1-mini" trained from datasets; see `default_settings`. preset: of RT1Config.
    network: overrides of its options. language: path of a table of sentence embeddings (`rt-vla embed`); empty: trained
    embeddings of hashed words. init_from: name or path of a checkpoint whose weights initialize the network where names
    and shapes match; empty: random initialization. teacher: name or path of a policy whose actions are learned; empty:
    the recorded actions or the scripted expert's. steps: optimizer steps. batch_size: global batch size in samples
    (windows of images). micro_batch_size: samples per forward pass, over all processes, for gradient accumulation;
    batch normalization is over these; 0: batch_size. learning_rate: peak. warmup: steps, with datasets at most a tenth
    of all. cosine: cosine decay to 2%. weight_decay (of matrices; 0 is plain Adam), beta2, epsilon: of AdamW.
    max_grad_norm: gradient clipping; 0: off. ema: decay of the exponential moving average of the weights per step; 0:
    off. shift_rows, shift_columns: maximum random image shift, as fractions of height and width. black_borders: fill
    with black, otherwise repeat the edge. jitter: of brightness and contrast. precision: "bfloat16" (mixed), "float32",
    or "auto": bfloat16 where the device has instructions for it. heatmap_weight, position_weight: of the auxiliary
    losses, if the scene is known. validation: share of a dataset's episodes that are held out. seed: of weights, order,
    augmentation and episodes. dagger: None: the run trains from datasets.
    """

    preset: str = OWN
    network: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    init_from: str = ""
    teacher: str = ""
    steps: int = 20_000
    batch_size: int = 32
    micro_batch_size: int = 0
    learning_rate: float = 1e-3
    warmup: int = 200
    cosine: bool = True
    weight_decay: float = 0.05
    beta2: float = 0.98
    epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    ema: float = 0.995
    shift_rows: float = 0.02
    shift_columns: float = 0.02
    black_borders: bool = False
    jitter: float = 0.12
    precision: str = AUTO
    heatmap_weight: float = 0.3
    position_weight: float = 0.5
    validation: float = 0.1
    seed: int = 0
    dagger: DaggerSettings | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for invalid settings."""
        check_range("The seed", self.seed, (1 << 31) - 1)
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected one of {', '.join(PRECISIONS)}.")
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1.")
        check_range("validation", self.validation, 0.9)
        if self.dagger is not None and self.validation:
            raise ValueError("validation holds out episodes of datasets; expected 0 for a run that collects its own.")
        for name in ("learning_rate", "epsilon"):
            check_number(name, getattr(self, name), 0, open_low=True)
        weights = ("weight_decay", "heatmap_weight", "position_weight")
        for name in ("micro_batch_size", "max_grad_norm", "warmup", *weights):
            check_number(name, getattr(self, name), 0)
        for name in ("shift_rows", "shift_columns", "beta2", "ema"):
            check_number(name, getattr(self, name), 0, 1)
        check_range("jitter", self.jitter)

    @property
    def warmup_steps(self) -> int:
        """The warm-up of a DAgger run does not depend on the number of steps, so that it can be extended."""
        return self.warmup if self.dagger is not None else min(self.warmup, self.steps // 10)

    @property
    def micro_batch(self) -> int:
        """Samples per forward pass, over all processes: a divisor of `batch_size`."""
        most = min(self.micro_batch_size or self.batch_size, self.batch_size)
        return next(count for count in range(most, 0, -1) if self.batch_size % count == 0)

    def changed_by_user(self, names: Sequence[str]) -> list[str]:
        """The settings that differ from the preset's defaults."""
        default = default_settings(self.preset)
        return [name for name in names if getattr(self, name) != getattr(default, name)]


WIDE = ("pick-colours", "train-wide", "train-wide-clutter", "pick-any", "train-wide", "train-wide-clutter")
RECIPES = {
    OWN: TrainingSettings(steps=9_200, validation=0.0, dagger=DaggerSettings()),
    "rt1-mini-wide": TrainingSettings(
        network={"decoding": "argmax"},
        init_from="rt1-mini-1",
        steps=5_000,
        learning_rate=6e-4,
        shift_rows=0.04,
        shift_columns=0.04,
        jitter=0.2,
        validation=0.0,
        dagger=DaggerSettings(suites=WIDE, later_suites=WIDE, later_from=0, reuse=4.0),
    ),
}
"""rt1-mini: from random weights. rt1-mini-wide: from rt1-mini-1, with varied tables, light and camera poses."""


def default_settings(preset: str, **changes: Any) -> TrainingSettings:
    """The defaults of a preset, with changes: the paper's for all but `rt1-mini`. Raises ValueError for bad values."""
    return TrainingSettings(preset=preset, **{**({} if preset == OWN else PAPER), **changes})


def table_of_defaults() -> str:
    """Table of the settings whose default depends on the preset."""
    own, paper = default_settings(OWN), default_settings("rt1")
    rows = [("", OWN, ", ".join(name for name in PRESETS if name != OWN))]
    names = [one.name for one in fields(TrainingSettings) if one.name in PAPER]
    rows += [(name, f"{getattr(own, name):.4g}", f"{getattr(paper, name):.4g}") for name in names]
    return "\n".join(f"  {name:<18}{a:<10}{b}" for name, a, b in rows)


def network_config(settings: TrainingSettings, card: ActionCard) -> RT1Config:
    """The settings' network for a card: its dimensions, bins, cameras, state and horizon; with sentence embeddings or
    not.

    Raises ValueError for an unknown preset or option, ActionCardError for a card that does not fit the network.
    """
    camera = card.cameras[0]
    size = RT1Config.preset(settings.preset, **settings.network).image_size
    same_size = (camera.height, camera.width) == (size, size)
    fitting: dict[str, Any] = {
        "language": "hashed_words",
        "vocab_size": card.bins,
        "tokens_per_dimension": list(card.counts),
        "input_height": None if same_size else camera.height,
        "input_width": None if same_size else camera.width,
        "world_vector_range": None,  # the card says it
        "num_cameras": len(card.cameras),
        "state_size": len(card.state),
        "horizon": card.horizon,
    }
    if settings.language:
        fitting |= {"language": "embedding", "language_size": InstructionTable.load(Path(settings.language)).size}
    config = RT1Config.preset(settings.preset, **{**fitting, **settings.network})
    check_card(card, config, Path("the episodes"))
    return config


def collected_card(settings: TrainingSettings) -> ActionCard:
    """The action card of a DAgger run's episodes, with the network's image size, cameras and state.

    Raises ValueError if the simulated arm has fewer cameras, or another state.
    """
    config = RT1Config.preset(settings.preset, **settings.network)
    cameras, state = list(VERTICAL_FOVS), [one.name for one in TABLETOP_STATE]
    if config.num_cameras > len(cameras):
        raise ValueError(f"network.num_cameras is {config.num_cameras}; the simulated arm has {', '.join(cameras)}.")
    if config.state_size not in (0, len(state)):
        raise ValueError(
            f"network.state_size is {config.state_size}, expected 0 or {len(state)}: the simulated arm's state is "
            f"{', '.join(state)}."
        )
    return tabletop_card(
        settings.preset,
        image_size=config.image_size,
        horizon=config.horizon,
        cameras=cameras[: config.num_cameras],
        state=TABLETOP_STATE if config.state_size else (),
    )


def sentence_encoder(settings: TrainingSettings, config: RT1Config) -> LanguageEncoder:
    """The encoder of instructions for the network.

    Raises ValueError if settings and network contradict each other, or the table is missing.
    """
    if (config.language == "embedding") != bool(settings.language):
        raise ValueError(
            f"The network's language is {config.language!r} and the settings' is {settings.language!r}; a table "
            "requires network.language=embedding, and vice versa."
        )
    return InstructionTable.load(Path(settings.language)) if settings.language else HashedWords(config.word_buckets)
