"""The settings of training `rt2-mini`, each default in one place."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import build, checked_keys, read_object
from rt_vla_ros.policies.rt1.configuration import check_number
from rt_vla_ros.training.checks import TrainingError, check_range
from rt_vla_ros.training.rt2.mini.embodiments import EMBODIMENTS, Embodiment
from rt_vla_ros.training.settings_file import FILE, check_same, checked_value, parsed_value, split_change

RECIPE = "rt2-mini"
FIRST_FRAMES = 1_000
BEHIND = 0.9
"""Share of a step's required frames that suffices once the policy acts."""


@dataclass(frozen=True)
class MiniSettings:
    """steps: optimizer steps; the first `web_steps` use only web images. batch_size: in frames, each with several
    questions or instructions. robot_share: share of robot data afterwards, 0 ... 1.
    learning_rate: peak. warmup: steps. weight_decay: of matrices. beta2: of AdamW. ema: decay per step
    of the exponential moving average of the weights. width, layers: of the language model. seed: of everything.
    web_frames, robot_frames, expert_frames: images of tables with questions, images labeled by the expert, and frames
    of expert episodes, rendered before the policy acts. later_frames_per_image: frames of episodes in which the policy
    acts and the expert labels (DAgger), per image trained on. shard: frames per file. web_capacity, robot_capacity:
    newest frames kept in memory. publish_steps: between two versions of the policy for the rendering processes; the
    first after `learner_after` steps. robot_questions: whether robot frames also have questions.
    plan_share: share of instructions with a plan in words before the action. init_from: checkpoint to initialize from;
    empty: random. frames_from: directory of a finished run whose newest frames, up to the capacities, are used from
    the first step on; empty: frames are rendered during training. embodiments: comma-separated names of
    mini.embodiments for robot data; also selects the frames of another run.
    """

    steps: int = 16_000
    web_steps: int = 1_200
    batch_size: int = 24
    robot_share: float = 0.7
    learning_rate: float = 1.5e-3
    warmup: int = 150
    weight_decay: float = 0.03
    beta2: float = 0.98
    max_grad_norm: float = 1.0
    ema: float = 0.997
    width: int = 128
    layers: int = 4
    seed: int = 0
    web_frames: int = 16_000
    robot_frames: int = 10_000
    expert_frames: int = 8_000
    shard: int = 500
    later_frames_per_image: float = 0.25
    web_capacity: int = 60_000
    robot_capacity: int = 110_000
    publish_steps: int = 250
    learner_after: int = 2_700
    robot_questions: bool = True
    plan_share: float = 0.2
    init_from: str = ""
    frames_from: str = ""
    embodiments: str = "front"

    def __post_init__(self) -> None:
        """Raises ValueError for invalid settings."""
        sizes = ("batch_size", "width", "layers", "shard", "publish_steps", "web_capacity", "robot_capacity")
        for name in ("steps", "learning_rate", *sizes):
            check_number(name, getattr(self, name), 0, open_low=True)
        frames = ("web_frames", "robot_frames", "expert_frames", "later_frames_per_image")
        for name in ("web_steps", "warmup", "weight_decay", "max_grad_norm", "learner_after", *frames):
            check_number(name, getattr(self, name), 0)
        for name in ("robot_share", "beta2", "ema", "plan_share"):
            check_range(name, getattr(self, name))
        if self.web_frames <= self.shard:
            raise ValueError(
                f"web_frames is {self.web_frames}, expected more than shard ({self.shard}): the first shard is held "
                "out."
            )
        if self.robot_share and not self.robot_frames + self.expert_frames:
            raise ValueError("robot_share is above 0; robot_frames or expert_frames must be, too.")
        if self.robot_share and not round(self.batch_size * self.robot_share):
            raise ValueError(
                f"robot_share is {self.robot_share:g}, less than half a frame of a batch of {self.batch_size}: make "
                "batch_size larger, or robot_share 0."
            )
        if self.width % 32 or self.layers < 2:
            raise ValueError(
                f"width is {self.width} and layers {self.layers}, expected a multiple of 32 and at least 2 layers."
            )
        names = self.embodiments.split(",")
        if unknown := [name for name in names if name not in EMBODIMENTS]:
            raise ValueError(f"There is no embodiment {unknown[0]!r}; available: {', '.join(EMBODIMENTS)}.")
        if len(set(names)) < len(names):
            raise ValueError(f"embodiments is {self.embodiments!r}, expected each name once.")
        check_range("The seed", self.seed, (1 << 31) - 1)

    @property
    def robots(self) -> list[Embodiment]:
        """The embodiments of the robot data."""
        return [EMBODIMENTS[name] for name in self.embodiments.split(",")]

    @property
    def acts(self) -> bool:
        """Whether robot data is used."""
        return self.robot_share > 0 and self.web_steps < self.steps

    def rendered_in(self, run: Path) -> Path:
        """The run that renders the frames: this one, in `run`, or another."""
        return Path(self.frames_from) if self.frames_from else run

    def of_frames(self, run: Path) -> MiniSettings:
        """The settings by which this run's frames were rendered.

        Raises TrainingError if they are of a run without settings, or lack a robot: their actions would be interpreted
        with the wrong card.
        """
        there = self.rendered_in(run)
        if not self.frames_from:
            return self
        if not (there / FILE).is_file():
            raise TrainingError(
                f"frames_from is {there}, which has no {FILE}: the settings of its frames are unknown. "
                f"Use the directory of a run of rt-vla train rt2 --recipe {RECIPE}."
            )
        found = self.load(there)
        if not {*found.embodiments.split(",")} >= {*self.embodiments.split(",")}:
            raise TrainingError(
                f"frames_from is {there}, whose robots are {found.embodiments!r}, not {self.embodiments!r}: set "
                "embodiments to one or more of them."
            )
        return found

    def robot_frames_at(self, step: int) -> int:
        """Numbers of frames of a step's batch."""
        return 0 if step < self.web_steps else round(self.batch_size * self.robot_share)

    def frames_needed(self, step: int) -> tuple[int, int]:
        """Numbers of web and robot frames required for this step."""
        robot = self.robot_frames_at(step)
        web_frames = min(FIRST_FRAMES, self.web_frames - self.shard, self.web_capacity)
        robot_frames = min(FIRST_FRAMES, self.robot_frames + self.expert_frames, self.robot_capacity)
        return web_frames if robot < self.batch_size else 0, robot_frames if robot else 0

    def frames_at_least(self, step: int) -> float:
        """Number of frames required for this step: fast training waits for episodes.

        None for web images only.
        """
        acts = step >= max(self.learner_after, 1) and self.robot_frames_at(step) > 0
        return BEHIND * self.frames_wanted(step) if acts else 0.0

    def frames_wanted(self, step: int) -> float:
        """Target number of frames at this step."""
        first = self.web_frames + self.robot_frames + self.expert_frames
        return first + step * self.batch_size * self.later_frames_per_image

    def changed(self, changes: Iterable[str]) -> MiniSettings:
        """Apply changes KEY=VALUE. Raises ValueError for an unknown KEY or a VALUE of another type."""
        there, own = asdict(self), dict[str, Any]()
        for change in changes:
            key, text = split_change(change, "robot_share=0.5")
            value = text if isinstance(there.get(key), str) else parsed_value(text)
            own[key] = checked_value(key, value, there)
        return replace(self, **own)

    @property
    def command(self) -> str:
        """The command for these settings."""
        usual = asdict(MiniSettings())
        changed = [f"{key}={value}" for key, value in asdict(self).items() if value != usual[key]]
        settings = [f"--set {shlex.quote(one)}" for one in changed]
        return " ".join([f"rt-vla train rt2 --recipe {RECIPE} --out DIR", *settings])

    def check_run(self, directory: Path) -> None:
        """Raises TrainingError if the directory contains a run with other settings."""
        if (directory / FILE).is_file():
            check_same(directory, asdict(self.load(directory)), asdict(self))

    def save(self, directory: Path) -> None:
        """Write DIRECTORY/settings.json atomically. Raises OSError."""
        write_json(directory / FILE, asdict(self))

    @classmethod
    def load(cls, directory: Path) -> MiniSettings:
        """Settings missing in the file, which were added later, get their defaults. Raises TrainingError."""
        data = read_object(directory / FILE, TrainingError)
        known = tuple(one.name for one in fields(cls))
        values = checked_keys(cls, data, str(directory / FILE), TrainingError, optional=known)
        return build(cls, values, TrainingError)
