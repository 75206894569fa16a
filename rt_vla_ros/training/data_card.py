"""The data card of a policy's training episodes (after Gebru et al., arXiv:1803.09010)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot_layout import write_json
from rt_vla_ros.json_file import read_object
from rt_vla_ros.language.hashed_words import words
from rt_vla_ros.sim.objects import COLOURS, SHAPE_WORDS, SHAPES
from rt_vla_ros.sim.suites import (
    FIRST_TRAINING_SEED,
    UNSEEN_KINDS,
    AppearanceJitter,
    AppearanceRanges,
    Suite,
    find_suite,
)
from rt_vla_ros.training.checks import TrainingError

FILE = "DATA_CARD.md"
SCRIPTED = "the scripted expert"
LEADERS = {"expert": SCRIPTED, "mixed": "both in turn", "learner": "the policy"}
OF_SCRIPTED = """\
The expert is a function of the simulator's
state and labels every state, including those that only the policy reaches."""
OF_TEACHER = """\
The teacher
sees the images so far, as if it had acted, and labels every state, including those that only the policy reaches."""

TEXT = """\
# {title}

{origin}

## Time steps

{seen}, the instruction, and {expert}'s action
for it: terminate or move, a displacement of the gripper by up to 4 cm in x, y and z in the base frame, a rotation about
the vertical axis, and the gripper command, all for 0.2 s (`action_card.json`). For auxiliary losses only: the
positions of the named object and the gripper, in space and in the image. {labels}

## Contents

{leaders}

| named in the instruction | {shapes} |
|---|{ruler}
{kinds}

{phrasings} different instructions. Failed episodes are kept: {kept}, too.

## Scenes

{suites}

Objects are placed randomly, at least 10 cm apart; colors {colours}.

## Limits

- Scenes have seeds from 2^{first_seed} up; lower seeds, which `rt-vla evaluate` uses from 0, do not occur.
{held_out}
- One arm, one gripper, {cameras}, one skill. No people, no real images, no third-party data.
"""


@dataclass
class EpisodeCounts:
    """Counts for a data card. kinds: "red cube" -> episodes."""

    episodes: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    instructions: Counter[str] = field(default_factory=Counter)

    def add(self, instruction: str, leader: str, frames: int, success: bool) -> None:
        self.episodes[leader] += 1
        self.frames[leader] += frames
        self.successes[leader] += success
        self.instructions[instruction] += 1
        named = words(instruction)
        colour = next((word for word in named if word in COLOURS), "")
        shape = next((SHAPE_WORDS[word] for word in named if word in SHAPE_WORDS), "")
        self.kinds[f"{colour} {shape}"] += 1


def data_card(
    counts: EpisodeCounts, *, title: str, origin: str, suites: Iterable[str], card: ActionCard, teacher: str = ""
) -> str:
    """Markdown. origin: of the episodes, and how to reproduce them. suites: of the scenes.

    teacher: the name of the policy that labels the states; empty: the scripted expert does.
    """
    expert = f"the teacher `{teacher}`" if teacher else SCRIPTED
    suites = list(dict.fromkeys(suites))
    return TEXT.format(
        title=title,
        origin=origin,
        seen=_seen(card),
        cameras="one camera" if len(card.cameras) == 1 else f"{len(card.cameras)} cameras",
        expert=expert,
        labels=OF_TEACHER if teacher else OF_SCRIPTED,
        kept="the labels are what the teacher does in them" if teacher else "the expert's labels are correct in them",
        leaders=_leaders(counts, {**LEADERS, "expert": expert}),
        shapes=" | ".join(SHAPES),
        ruler="---|" * len(SHAPES),
        kinds="\n".join(
            "| " + " | ".join([c, *(str(counts.kinds[f"{c} {shape}"]) for shape in SHAPES)]) + " |" for c in COLOURS
        ),
        phrasings=len(counts.instructions),
        suites="\n".join(f"- `{name}`: {_rules(find_suite(name))}" for name in suites),
        colours=", ".join(COLOURS),
        first_seed=FIRST_TRAINING_SEED.bit_length() - 1,
        held_out="\n".join(_held_out(suites)),
    )


def _seen(card: ActionCard) -> str:
    """The policy's inputs in a time step besides the instruction."""
    names, first = [camera.name for camera in card.cameras], card.cameras[0]
    images = f"An RGB image of the {names[0]} camera" if len(names) == 1 else f"RGB images of {' and '.join(names)}"
    state = f", the robot's state ({', '.join(one.name for one in card.state)})" if card.state else ""
    return f"{images} ({first.width}x{first.height} pixels){state}"


def _leaders(counts: EpisodeCounts, names: Mapping[str, str]) -> str:
    rows = ["| who acted | episodes | time steps | success |", "|---|---|---|---|"]
    for leader in sorted(counts.episodes, key=list(LEADERS).index):
        share = counts.successes[leader] / (episodes := counts.episodes[leader])
        rows.append(f"| {names[leader]} | {episodes:,} | {counts.frames[leader]:,} | {share:.1%} |")
    rows.append(f"| all | {counts.episodes.total():,} | {counts.frames.total():,} | |")
    return "\n".join(rows)


def _held_out(suites: Sequence[str]) -> list[str]:
    """Properties of the evaluation suites that do not occur in these."""
    lines = []
    if "unseen" not in suites:
        unseen = ", ".join(f"{kind.colour} {kind.shape}" for kind in UNSEEN_KINDS)
        lines.append(
            f"- {unseen} never occur, neither as objects nor in instructions; the phrasings of `unseen` do not occur."
        )
    if "backgrounds" not in suites:
        lines.append("- The tables, light and camera positions of `backgrounds` do not occur.")
    return lines or ["- Nothing is held out: no suite measures generalization of a policy trained on this data."]


def _rules(suite: Suite) -> str:
    objects = " to ".join(map(str, dict.fromkeys(suite.objects)))
    what = "all of different colors" if suite.distinct == "colour" else "no two of the same color and shape"
    looks = "the default table, with small random changes of color and lighting"
    if not isinstance(suite.appearance, AppearanceJitter):
        colors = "muted color" if suite.appearance.tint <= AppearanceRanges.tint else "color"
        moved = [
            f"{100 * low:.1f} to {100 * high:.1f}" if low else f"up to {100 * high:.1f}"
            for low, high in suite.appearance.camera
        ]
        looks = f"tables of any {colors}, plain or patterned, random lighting, "
        looks += f"the camera moved by {' or '.join(moved)} cm"
    return f"{objects} objects, {what}; {looks}; {len(suite.phrasings)} phrasings."


COUNTS = "collected_episodes.json"


class CollectedEpisodes:
    """Counts each episode once; after a restart, counting resumes from the last `save`."""

    def __init__(self, directory: Path) -> None:
        """directory: of the run. Raises TrainingError for a damaged file."""
        self._path = directory / COUNTS
        self.counts, self._last = EpisodeCounts(), dict[str, int]()
        if self._path.is_file():
            data = read_object(self._path, TrainingError)
            try:
                self.counts = EpisodeCounts(**{name: Counter(counts) for name, counts in data["counts"].items()})
                self._last = dict(data["last"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise TrainingError(f"{self._path} does not list the episodes of the run: {error!r}.") from error

    @property
    def frames(self) -> int:
        return self.counts.frames.total()

    def add(self, path: Path, episode: Episode) -> None:
        """path: COLLECTOR_NUMBER.npz; must be called in increasing order of a collector's numbers."""
        collector, _, number = path.stem.partition("_")
        if int(number) > self._last.get(collector, -1):
            self._last[collector] = int(number)
            self.counts.add(episode.instruction, episode.leader, len(episode), episode.success)

    def save(self) -> None:
        write_json(self._path, {"counts": vars(self.counts), "last": self._last})
