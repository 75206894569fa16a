"""What a training run consists of, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rt_vla_ros.policies.rt1.configuration import check_number
from rt_vla_ros.sim.suites import find_suite


@dataclass(frozen=True)
class Recipe:
    """A run of continuous DAgger: the expert corrects the states that the policy itself gets into, while it is trained.

    preset: of RT1Config. network: its options that are other than the preset's. language: path of a table of
    sentence vectors (`rt-vla embed`) for a network of network.language=embedding; empty: words are learned, hashed.
    suites: drawn from in turn; later_suites: in their place from episode `later_from` of a collector on, once the
    policy can pick things from a tidy table. steps: of the optimiser, over which the learning rate falls.
    windows: histories per step of the optimiser; each gives `time_sequence_length` supervised images.
    learning_rate, warmup (steps), weight_decay: of AdamW. ema: decay per step of the averaged weights.
    replay: frames kept. first_frames: frames by the expert before training starts. publish: images trained on between
    two versions of the policy for the collectors. learner_after: images trained on before the policy collects.
    reuse: images trained on per new frame; collectors wait where they are ahead of that, and the learner waits where
    they are far behind.
    learner_share, mixed_share: of the episodes, led by the policy alone or by both in turn; the rest by the expert.
    episode_steps: longest episode in training. shift: of the images [pixel]. jitter: of brightness and contrast.
    wording: how much sentences that are hashed are said otherwise, 0 ... 1 (said_otherwise.py).
    heatmap_weight, position_weight: of the auxiliary losses.
    """

    preset: str = "rt1-mini"
    network: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    suites: tuple[str, ...] = ("pick-colours", "pick-any")
    later_suites: tuple[str, ...] = ("pick-colours", "pick-any", "train-looks", "train-clutter", "train-clutter")
    later_from: int = 2_500
    steps: int = 9_200
    windows: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    ema: float = 0.995
    replay: int = 150_000
    first_frames: int = 3_000
    publish: int = 10_000
    learner_after: int = 25_000
    reuse: float = 6.0
    learner_share: float = 0.35
    mixed_share: float = 0.4
    episode_steps: int = 40
    shift: int = 2
    jitter: float = 0.12
    wording: float = 0.0
    heatmap_weight: float = 0.3
    position_weight: float = 0.5

    def __post_init__(self) -> None:
        """Raises ValueError for what no run can be made of."""
        for name in ("steps", "windows", "replay", "first_frames", "reuse", "learning_rate", "episode_steps"):
            check_number(name, getattr(self, name), 0, open_low=True)
        for name in ("warmup", "weight_decay", "publish", "learner_after", "later_from", "shift"):
            check_number(name, getattr(self, name), 0)
        for name in ("heatmap_weight", "position_weight"):
            check_number(name, getattr(self, name), 0)
        check_number("ema", self.ema, 0, 1)
        for name in ("suites", "later_suites"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; name a suite at least.")
            for suite in getattr(self, name):
                find_suite(suite)
        for name in ("learner_share", "mixed_share", "wording", "jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 to 1.")
        if self.learner_share + self.mixed_share > 1:
            raise ValueError("learner_share and mixed_share are more than 1 together.")
        for name in ("first_frames", "episode_steps"):
            if self.replay < getattr(self, name):
                raise ValueError(
                    f"replay is {self.replay}, expected {name} ({getattr(self, name)}) at least: that is what is kept."
                )


def check_seed(seed: int) -> None:
    """Raises ValueError for one that the generators of a run cannot take."""
    if not 0 <= seed < 1 << 31:
        raise ValueError(f"The seed is {seed}, expected 0 to {(1 << 31) - 1}.")


RECIPES: dict[str, Recipe] = {"rt1-mini": Recipe()}
