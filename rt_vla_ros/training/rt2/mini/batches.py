"""Batches for `rt2-mini`: frames of the table with questions and instructions about them, packed into rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from rt_vla_ros.policies.rt2.configuration import PLAN_END, RT2Config, plan_config, question_prompt, robot_prompt
from rt_vla_ros.policies.rt2.inputs.processor import token_id
from rt_vla_ros.sim.objects import COLOURS, SHAPES
from rt_vla_ros.training.rt2.mini.card import ORDER
from rt_vla_ros.training.rt2.mini.frames import Frames, table_in
from rt_vla_ros.training.rt2.mini.instructions import instruction
from rt_vla_ros.training.rt2.mini.losses import FINE, STATE, UNKNOWN, Cells
from rt_vla_ros.training.rt2.mini.network import ASKING, BINS, IMAGE, IMAGE_TOKENS, SIDE
from rt_vla_ros.training.rt2.mini.network import UNKNOWN as UNKNOWN_WORD
from rt_vla_ros.training.rt2.mini.questions import FastRandom, Table, draw_question, is_visible, plan
from rt_vla_ros.training.rt2.packing import PackedRows, Segment, pack

INSTRUCTIONS = 5  # of a robot frame at most
ROBOT_SEGMENTS, WEB_SEGMENTS = 8, 10
NUMBER_WEIGHT, MOTION_WEIGHT = 0.5, 0.6  # of a number's loss; a word's is 1
NUMBER_SIGMA, MOTION_SIGMA = 2.0, 3.0  # [bins]
MOVES = [role.startswith("translation") for role in ORDER]
SHAKEN, HIDDEN, MOVED, MOST_MOVED = 0.5, 0.25, 0.35, 8
"""In SHAKEN of the instructions, each input number of the model's own action is masked or moved by up to this many
bins, with these probabilities, so that the model attends to the image rather than to the previous number."""
BLURRED, REPLACED, MOST_INSERTED = 0.3, 0.3, 3
"""In BLURRED of the instructions, words that name no object are replaced by unknown ones with this probability, and up
to this many unknown words are inserted: users use words outside the vocabulary."""
UNTOLD = 0.5
"""Share of the plans with only the action as target, and no name in the instruction: it follows the plan."""
BEFORE_WORDS = 2  # tokens of a prompt before the instruction, at most
PLAN_TOKENS = 6  # "pick red cube at 120 88"; what stands between plan and action does not count
CENTRE, REACH = (0.5, 0.0, 0.05), 6.0  # of the table [m], and 1 / m of what readouts are taught
JITTER, CHANNEL_SHARE = 0.12, 0.4


@dataclass
class MiniBatch:
    """B frames: web first, then robot. pixels: (B, 3, H, W). rows: of the segments. origins: of the frames.

    sigma, weights: of each answer token (A,). named, tool: image token of the object named in each prompt and of the
    tool, -1 for none (P,). acts: whether each prompt is an instruction (P,). knows: whether its end has a state target,
    true if an instruction names something (P,). state: of those, (P', STATE).
    """

    pixels: Tensor
    rows: PackedRows
    sigma: Tensor
    weights: Tensor
    named: Tensor
    tool: Tensor
    acts: Tensor
    knows: Tensor
    state: Tensor
    cells: Cells
    origins: tuple[str, ...]

    def to(self, device: torch.device) -> MiniBatch:
        """Move to a device."""
        return moved(self, device)

    @property
    def weight(self) -> Tensor:
        """Total weight of all target tokens."""
        return self.weights.sum()

    @property
    def samples(self) -> int:
        """Number of questions and instructions."""
        return len(self.rows.asked)

    @property
    def actions(self) -> int:
        """Instructions."""
        return int(self.acts.sum())

    @property
    def padding(self) -> float:
        """Share of padding tokens."""
        return self.rows.padding


@dataclass
class _Rows:
    """A batch under construction."""

    rows: list[list[Segment]] = field(default_factory=list)
    sigma: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    named: list[int] = field(default_factory=list)
    tool: list[int] = field(default_factory=list)
    acts: list[bool] = field(default_factory=list)
    knows: list[bool] = field(default_factory=list)
    state: list[NDArray[np.float32]] = field(default_factory=list)
    cells: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)


def mini_config(*, plans: bool = True) -> RT2Config:
    """Output format of rt2-mini's actions and answers. plans: whether it is trained to plan."""
    return RT2Config("integers", plan_on_request=PLAN_TOKENS if plans else 0)


class BatchMaker:
    """Draws batches from frames; robot frames use only the vocabulary of robot data."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, config: RT2Config, *, robot_questions: bool = True, plans: float = 0.0
    ) -> None:
        """robot_questions: also ask questions about robot frames, in the vocabulary of robot data.

        plans: share of the instructions answered by a plan and an action.
        """
        self._tokenizer, self._config, self._plans = tokenizer, config, plans
        self._planning = plan_config(config, PLAN_TOKENS)
        self._robot_questions = robot_questions
        self._first, self._unknown = token_id(tokenizer, "0"), token_id(tokenizer, UNKNOWN_WORD)
        self._frame = {token_id(tokenizer, word) for word in (ASKING, "q:", "instruction:")}
        self._names = {token_id(tokenizer, word) for word in (*COLOURS, *SHAPES, *map(str, range(BINS)))}
        self._image = [token_id(tokenizer, IMAGE)] * IMAGE_TOKENS
        self._ids = lru_cache(1 << 18)(self._tokens)

    def draw(
        self, web: Frames | None, robot: Frames | None, counts: tuple[int, int], rng: np.random.Generator
    ) -> MiniBatch:
        """counts: frames of web and robot data, drawn with replacement, independently of each other."""
        made, (of_web, of_robot) = _Rows(), rng.spawn(2)
        if web is not None:
            for index in of_web.integers(len(web["count"]), size=counts[0]):
                self._web_row(made, web, int(index), of_web)
        if robot is not None:
            for index in of_robot.integers(len(robot["count"]), size=counts[1]):
                self._robot_row(made, robot, int(index), of_robot)
        rows = pack(made.rows, self._image, int(self._tokenizer.pad_token_id), torch.bfloat16)
        kinds, offset = (torch.from_numpy(np.stack(part)) for part in zip(*made.cells, strict=True))
        state = np.stack(made.state) if made.state else np.zeros((0, STATE), np.float32)
        return MiniBatch(
            pixels(jittered(np.stack(made.images), rng)),
            rows,
            torch.tensor(made.sigma),
            torch.tensor(made.weights),
            torch.tensor(made.named),
            torch.tensor(made.tool),
            torch.tensor(made.acts),
            torch.tensor(made.knows),
            torch.from_numpy(state),
            Cells(kinds, offset),
            tuple(made.origins),
        )

    def question(self, frames: Frames, index: int, rng: np.random.Generator, kind: str = "") -> Segment:
        """A question about a frame, as the policy asks it."""
        made = _Rows(rows=[[]])
        self._ask(made, frames, index, rng, kind)
        return made.rows[0][0]

    def instruction(self, frames: Frames, index: int, rng: np.random.Generator) -> Segment:
        """The policy's instruction for a robot frame's own target, with the expert's action."""
        made = _Rows(rows=[[]])
        words = FastRandom(rng, plain=True)
        self._instruct(made, frames, index, table_in(frames, index), int(frames["target"][index]), words, rng)
        return made.rows[0][0]

    def _web_row(self, made: _Rows, frames: Frames, index: int, rng: np.random.Generator) -> None:
        self._begin(made, frames, index, "web")
        while len(made.rows[-1]) < WEB_SEGMENTS:
            self._ask(made, frames, index, rng)

    def _robot_row(self, made: _Rows, frames: Frames, index: int, rng: np.random.Generator) -> None:
        self._begin(made, frames, index, "robot")
        named = list(rng.permutation(int(frames["count"][index]))[:INSTRUCTIONS])
        if (target := int(frames["target"][index])) not in named:
            named[0] = target
        table, words = table_in(frames, index), FastRandom(rng, plain=True)
        for which in named:
            self._instruct(made, frames, index, table, int(which), words, rng)
        while self._robot_questions and len(made.rows[-1]) < ROBOT_SEGMENTS:
            self._ask(made, frames, index, rng, plain=True)

    def _begin(self, made: _Rows, frames: Frames, index: int, name: str) -> None:
        made.rows.append([])
        made.images.append(frames["images"][index])
        made.origins.append(f"{name} frame {index}")
        made.cells.append(cells_of(frames, index))

    def _ask(
        self, made: _Rows, frames: Frames, index: int, rng: np.random.Generator, kind: str = "", plain: bool = False
    ) -> None:
        drawn = draw_question(table_in(frames, index), rng, kind, plain=plain)
        answer = [*self._ids(drawn.turn.answer), int(self._tokenizer.eos_token_id)]
        prompt = question_prompt(self._config, drawn.turn.text)
        made.rows[-1].append(Segment(self._ids(str(prompt)), answer))
        self._teach(made, answer)
        made.named.append(cell_number(drawn.place))
        made.tool.append(-1)
        made.acts.append(False)
        made.knows.append(False)

    def _instruct(
        self,
        made: _Rows,
        frames: Frames,
        index: int,
        table: Table,
        which: int,
        words: FastRandom,
        rng: np.random.Generator,
    ) -> None:
        action = (self._first + frames["bins"][index][which].astype(np.int64)).tolist()
        place = frames["places"][index][which]
        planned = rng.random() < self._plans and is_visible(place)
        untold = planned and rng.random() < UNTOLD
        before = self._ids(f"{plan(table.kinds[which], place)} {PLAN_END}") if planned else ()
        text = instruction(table, which, words)
        prompt = self._ids(str(robot_prompt(self._planning if planned else self._config, text)))
        seen = [*before, *self._seen(action, rng)]
        made.rows[-1].append(Segment(self._blurred(prompt, rng, untold), [*before, *action], seen))
        self._teach(made, before, 0.0 if untold else 1.0)
        made.sigma.extend(MOTION_SIGMA * moves for moves in MOVES)
        made.weights.extend(MOTION_WEIGHT if moves else 1.0 for moves in MOVES)
        made.named.append(-1 if untold else cell_number(place))
        made.tool.append(cell_number(frames["tool_place"][index]))
        made.acts.append(True)
        made.knows.append(not untold)
        if not untold:
            made.state.append(state_of(frames, index, which))

    def _blurred(self, prompt: Sequence[int], rng: np.random.Generator, untold: bool) -> list[int]:
        """A robot prompt, sometimes with words replaced by unknown ones, or unknown ones inserted.

        untold: names are replaced, too.
        """
        if rng.random() >= BLURRED and not untold:
            return list(prompt)
        words = [self._unknown if self._is_lost(token, untold, rng) else token for token in prompt[:-2]]
        for _ in range(int(rng.integers(MOST_INSERTED + 1))):
            words.insert(int(rng.integers(BEFORE_WORDS, len(words) + 1)), self._unknown)
        return [*words, *prompt[-2:]]

    def _is_lost(self, token: int, untold: bool, rng: np.random.Generator) -> bool:
        if token in self._frame:
            return False
        return untold if token in self._names else rng.random() < REPLACED

    def _teach(self, made: _Rows, words: Sequence[int], weight: float = 1.0) -> None:
        numbers = [self._first <= token < self._first + BINS for token in words]
        made.sigma.extend(NUMBER_SIGMA * number for number in numbers)
        made.weights.extend(weight * (NUMBER_WEIGHT if number else 1.0) for number in numbers)

    def _seen(self, answer: Sequence[int], rng: np.random.Generator) -> list[int]:
        """The model's own action as input."""
        seen = list(answer)
        if rng.random() < SHAKEN:
            for i in range(len(seen)):
                chance = rng.random()
                if chance < HIDDEN:
                    seen[i] = self._unknown
                elif chance < HIDDEN + MOVED and MOVES[i]:
                    moved = answer[i] - self._first + int(rng.integers(-MOST_MOVED, MOST_MOVED + 1))
                    seen[i] = self._first + min(max(moved, 0), BINS - 1)
        return seen

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])


Moved = TypeVar("Moved")


def moved(of: Moved, device: torch.device) -> Moved:
    """Move a dataclass's tensors, including nested dataclasses, to a device."""
    there = {one.name: getattr(of, one.name) for one in fields(of)}  # type: ignore[arg-type]
    tensors = {name: value.to(device) for name, value in there.items() if isinstance(value, Tensor)}
    inner = {name: moved(value, device) for name, value in there.items() if is_dataclass(value)}
    return replace(of, **tensors, **inner)  # type: ignore[type-var]


def cell_number(place: NDArray[np.floating] | tuple[float, float] | None, side: int = SIDE) -> int:
    """Index among side x side cells of an image position (u, v), -1 for none and outside."""
    if place is None or not (0 <= place[0] < 1 and 0 <= place[1] < 1):
        return -1
    return int(place[1] * side) * side + int(place[0] * side)


def cells_of(frames: Frames, index: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Content of each cell of a frame and its offset; see losses.Cells."""
    kinds, offset = np.full((FINE * FINE, 3), UNKNOWN), np.zeros((FINE * FINE, 2), np.float32)
    for i in range(int(frames["count"][index])):
        place, symbol = frames["places"][index][i], int(frames["symbols"][index][i])
        if (cell := cell_number(place, FINE)) >= 0:
            kinds[cell] = *frames["kinds"][index][i], UNKNOWN if symbol < 0 else symbol
            offset[cell] = place * FINE % 1 - 0.5
    return kinds, offset


def state_of(frames: Frames, index: int, which: int) -> NDArray[np.float32]:
    """The state target at a robot prompt's end; see losses.STATE."""
    target, tool = frames["positions"][index][which], frames["tool"][index]
    parts = (target - CENTRE, tool - CENTRE, target - tool)
    gripper = 2 * frames["closed"][index] - 0.6, 1.5 if frames["held"][index] == which else -0.5
    return np.concatenate([REACH * np.concatenate(parts), gripper]).astype(np.float32)


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) -> the model's input as from its processor, (B, 3, H, W)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255).sub_(0.5).div_(0.25)


def jittered(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random brightness and contrast of each image."""
    count = len(images)
    gain = 1 + rng.uniform(-JITTER, JITTER, (count, 1, 1, 1))
    gain = gain + CHANNEL_SHARE * rng.uniform(-JITTER, JITTER, (count, 1, 1, 3))
    offset = 127 * rng.uniform(-JITTER, JITTER, (count, 1, 1, 1))
    return np.clip(images * gain + offset, 0, 255).astype(np.uint8)
