"""A teacher: a policy whose actions are learned instead of recorded ones or a scripted expert's (distillation).

Only its actions are learned, as hard targets. Its distribution over the bins is not: a policy returns only the chosen
ones, an autoregressive one (RT-2) has it for one dimension given the previous ones, and its bins are its own card's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.json_file import read_text
from rt_vla_ros.policies.checkpoint.files import RT2_CONFIG_FILE
from rt_vla_ros.policies.checkpoint.resolve import ENGINE, MADE_IN_MEMORY, REMOTE, Checkpoint, resolve
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.source import Say

UNKNOWN_LICENSE = "other"
README = "README.md"
FRONT_MATTER = re.compile(r"---\n(.*?)^---", re.DOTALL | re.MULTILINE)
LICENSE = re.compile(r"^license:\s*['\"]?([\w.-]+)", re.MULTILINE)
LONGEST_README = 1 << 20  # [bytes]


@dataclass(frozen=True)
class Teacher:
    """name: for messages and cards, such as "rt2-mini". card: of its actions. sha256: of its weights.

    prompt: its rt2_config.json; empty if it has none. license: by its README, or UNKNOWN_LICENSE.
    """

    name: str
    checkpoint: Checkpoint
    card: ActionCard
    sha256: str
    prompt: str
    license: str

    @property
    def identity(self) -> str:
        """Changes with its weights, its card, and its prompt."""
        everything = json.dumps([self.sha256, self.card.to_dict(), self.prompt], sort_keys=True)
        return f"teacher {self.name} {hashlib.sha256(everything.encode()).hexdigest()[:16]}"

    @property
    def described(self) -> str:
        """For cards, Markdown."""
        by_its_card = "not stated" if self.license == UNKNOWN_LICENSE else self.license
        return f"`{self.name}` (weights of SHA-256 `{self.sha256}`; license: {by_its_card})"

    def check(self, card: ActionCard, what: str) -> None:
        """Raises TrainingError, with all reasons, if it cannot label states for actions of this card.

        card: of the student, with its horizon. what: has this card, such as "the dataset data/expert".
        """
        if found := list(mismatches(self.card, card)):
            raise TrainingError(f"The teacher {self.name!r} does not fit {what}: {'; '.join(found)}.")

    def check_place(self, run: Path) -> None:
        """Raises TrainingError for a teacher in the directory that the run writes to."""
        directory = self.checkpoint.adapter or self.checkpoint.directory
        if directory is not None and directory.resolve().is_relative_to(run.resolve()):
            raise TrainingError(
                f"The teacher {directory} is inside {run}, where the run is written; use another --out."
            )

    def open(self, device: str, say: Say) -> Policy:
        """Load it. device: as in load_policy; a remote teacher's is set on its server.

        Raises ValueError, ImportError.
        """
        there = self.checkpoint.family in (REMOTE, ENGINE)
        say(f"loading the teacher {self.name}")
        return load_policy(self.checkpoint, device="auto" if there else device, tell=say)


def find_teacher(name_or_path: str, remote: RemoteSettings | None = None) -> Teacher:
    """Find a teacher and read its card, without loading its weights.

    name_or_path, remote: see load_policy. Raises ValueError (UnknownPolicyError, ActionCardError, CheckpointError,
    PolicyLostError ...), and TrainingError for a policy with random weights.
    """
    checkpoint = resolve(name_or_path, remote=remote)
    if checkpoint.family in MADE_IN_MEMORY:
        raise TrainingError(f"The teacher {checkpoint.name!r} has random weights; there is nothing to learn from it.")
    if checkpoint.family == REMOTE:
        welcome = checkpoint.welcome()
        name, card, sha256 = welcome.policy, welcome.card, welcome.model
    else:
        name, card, sha256 = checkpoint.name, checkpoint.read_card(), checkpoint_hash(name_or_path) or ""
    if not sha256:
        raise TrainingError(f"The teacher {checkpoint.name!r} has no weights in a safetensors or ONNX file.")
    prompt = None if checkpoint.directory is None else checkpoint.place_of(RT2_CONFIG_FILE) / RT2_CONFIG_FILE
    text = read_text(prompt, TrainingError) if prompt is not None and prompt.is_file() else ""
    license_ = _license(checkpoint.adapter or checkpoint.directory)
    return Teacher(name, checkpoint, card, sha256, text, license_)


def mismatches(teacher: ActionCard, card: ActionCard) -> Iterator[str]:
    """Phrases for everything that keeps a teacher from labeling states for the actions of a student's card.

    Both must see the same and act at the same rate in the same frame. The student may see more, and have other bins,
    ranges, forms of rotation and gripper values: labels are converted from SI units. It may have dimensions for other
    motions, which are then learned as none.
    """
    for key in ("control_rate", "frame", "frame_id"):
        its, wanted = getattr(teacher, key), getattr(card, key)
        if its != wanted:
            yield f"its {key} is {its!r}, not {wanted!r}"
    yield from _missing_inputs(teacher, card)
    own, others = _roles(teacher), _roles(card)
    if lost := [role for role in own if role not in others]:
        yield f"it commands {', '.join(lost)}, for which there is no dimension"
    if "gripper" in others and "gripper" not in own:
        yield "it does not command the gripper, for which there is a dimension"
    if card.postprocessing:
        yield f"actions with the postprocessing {card.postprocessing!r} cannot be encoded"
    if teacher.horizon < card.horizon:
        yield f"its horizon is {teacher.horizon}, shorter than network.horizon, {card.horizon}"


def _missing_inputs(teacher: ActionCard, card: ActionCard) -> Iterator[str]:
    cameras = {one.name: one for one in card.cameras}
    for camera in teacher.cameras:
        there = cameras.get(camera.name)
        if there is None:
            yield f"its camera {camera.name!r} is missing, there is {', '.join(cameras)}"
            continue
        for key in ("width", "height", "crop", "vertical_fov"):
            its, wanted = getattr(camera, key), getattr(there, key)
            unknown = key == "vertical_fov" and 0 in (its, wanted)
            if its != wanted and not unknown:
                yield f"the {key} of its camera {camera.name!r} is {its!r}, not {wanted!r}"
    known = [(one.name, one.unit, one.source) for one in card.state]
    if missing := [one.name for one in teacher.state if (one.name, one.unit, one.source) not in known]:
        yield f"its state {', '.join(missing)} is missing"


def _roles(card: ActionCard) -> list[str]:
    return [one.role for one in card.dimensions if one.role != "unused"]


def _license(directory: Path | None) -> str:
    """By the front matter of the README, as on the Hugging Face Hub."""
    path = None if directory is None else directory / README
    if path is None or not path.is_file() or path.stat().st_size > LONGEST_README:
        return UNKNOWN_LICENSE
    front = FRONT_MATTER.match(path.read_text(encoding="utf-8", errors="replace"))
    found = None if front is None else LICENSE.search(front[1])
    return UNKNOWN_LICENSE if found is None else found[1]
