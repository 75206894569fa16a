"""Decodes the outputs of a policy's network into steps in SI units, for all policies."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rt_vla_ros.action_space.card import BASE_ROLES, ActionCard
from rt_vla_ros.action_space.chunk import KEEP_GRIPPER, ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.postprocessing import Postprocessing, make_postprocessing
from rt_vla_ros.action_space.rotation import rotation_vector_from_rpy
from rt_vla_ros.action_space.tokenizer import ActionTokenizer

DECODINGS = ("argmax", "expected_value")
HALF_BIN = 0.5 + 1e-6  # value up to which a base stands still [bins]
NEAR = 1 / 32
"""Share of the range: the confidence includes the probability of bins this close to the chosen value."""

NOT_FINITE = "The network's output is not finite; its weights or its input are damaged."


class DecodingError(ValueError):
    """A network's output is not an action: its weights or its input are damaged."""


@dataclass(frozen=True)
class DecodedTokens:
    """values, tokens: shape (D,). confidence: 0 ... 1."""

    values: NDArray[np.float64]
    tokens: NDArray[np.int64]
    confidence: float


@dataclass(frozen=True)
class DecoderSnapshot:
    """The state of an ActionDecoder: of postprocessing, and the stamp of the last observation [s]."""

    states: tuple[Postprocessing | None, ...]
    stamp: float | None


class ActionDecoder:
    """Decodes tokens, distributions over tokens, or values according to the action card.

    argmax: the most likely bin (RT-1). expected_value: the mean over the bins, which varies continuously and does not
    stall when the most likely bin of a small motion is "none".
    Terminate is chosen only with a probability above 0.5; otherwise the most likely other mode.
    The confidence is the geometric mean of each dimension's probability: of the chosen mode, or of
    all bins within 1/32 of the range around the chosen value.

    A value within half a bin of 0 does not move a base: an even number of bins has no bin at 0, and the base would
    drift. In the mode "move_base" only the base moves, and the gripper is unchanged; in other modes only the arm moves.
    If the base's dimensions are unused, nothing moves in that mode.

    The state of postprocessing (a gripper's target) is stored after each step of the last chunk. The next decision
    continues from the steps executed until then: steps that a newer chunk replaces have no effect.
    """

    def __init__(self, card: ActionCard, decoding: str = "argmax") -> None:
        """Raises ValueError for an unknown decoding."""
        if decoding not in DECODINGS:
            raise ValueError(f"Unknown decoding {decoding!r}; expected one of {', '.join(DECODINGS)}.")
        self.decoding, self.card = decoding, card
        self.tokenizer = ActionTokenizer(card)
        roles = tuple(d.role for d in card.dimensions)
        self._new = make_postprocessing(card.postprocessing, roles) if card.postprocessing else None
        self._gripper = card.index("gripper")
        self._terminate = card.index("terminate")
        if self._terminate is not None:
            self._terminate_mode = card.dimensions[self._terminate].modes.index("terminate")
        self._base = [card.index(role) for role in BASE_ROLES]
        self._base_mode = card.base_mode
        self._near = card.bins * NEAR
        self.reset()

    def reset(self) -> None:
        """Starts a new request."""
        self._states: list[Postprocessing | None] = [self._new]  # before the last chunk, and after each of its steps
        self._stamp: float | None = None

    def snapshot(self) -> DecoderSnapshot:
        """The state of the current request, for `restore` in another process. It can be pickled."""
        return DecoderSnapshot(tuple(self._states), self._stamp)

    def restore(self, snapshot: DecoderSnapshot) -> None:
        """Continues the request of a decoder with the same card."""
        self._states, self._stamp = list(snapshot.states), snapshot.stamp

    def begin(self, stamp: float) -> int:
        """Starts a decision for an observation with this stamp [s]; returns how many steps of the last chunk are done.

        The only step of a chunk with one step is always done. Raises ValueError for an invalid stamp.
        """
        if not math.isfinite(stamp):
            raise ValueError(f"The observation's stamp is {stamp}, expected a time in seconds.")
        done = len(self._states) - 1
        if self.card.horizon > 1 and self._stamp is not None:
            done = round(min(max((stamp - self._stamp) / self.card.period, 0.0), float(done)))
        self._states, self._stamp = [self._states[done]], stamp
        return done

    def from_probabilities(self, probabilities: NDArray[np.float64]) -> ActionChunk:
        """Probabilities (horizon * D, bins), zero for illegal tokens -> the chunk.

        Raises DecodingError if they are not finite.
        """
        size = len(self.card.dimensions)
        del self._states[1:]
        decoded = [self.decode(probabilities[i : i + size]) for i in range(0, self.card.horizon * size, size)]
        return self._chunk(
            [self.step(one.values) for one in decoded],
            confidence=float(np.exp(np.mean([np.log(one.confidence) for one in decoded]))),
            tokens=tuple(int(token) for one in decoded for token in one.tokens),
        )

    def from_tokens(
        self, tokens: Sequence[int], *, confidence: float, legal_probability: float = 1.0, plan: str = ""
    ) -> ActionChunk:
        """Tokens ordered by step, then by the card's dimensions -> a chunk with these steps.

        Another call for the same decision, with further steps, returns the same first steps. Raises ValueError for
        illegal tokens, incomplete steps, or more steps than the horizon.
        """
        size, horizon = len(self.card.dimensions), self.card.horizon
        if len(tokens) not in range(size, horizon * size + 1, size):
            raise ValueError(f"expected the tokens of 1 to {horizon} steps of {size} each, got {len(tokens)}")
        del self._states[1:]
        values = [self.tokenizer.decode(tokens[i : i + size]) for i in range(0, len(tokens), size)]
        return self._chunk(
            [self.step(one) for one in values],
            confidence=confidence,
            tokens=tuple(tokens),
            plan=plan,
            legal_probability=legal_probability,
        )

    def step(self, values: ArrayLike) -> EndEffectorStep:
        """Decoded values (D,), before postprocessing -> the next step.

        Raises ValueError for NaN, infinity or a wrong number of values.
        """
        array = self.tokenizer.check_values(values)
        mode = None if self._terminate is None else int(array[self._terminate])
        base = self._base_displacement(array, mode)
        if mode is not None and mode == self._base_mode:
            self._states.append(self._states[-1])
            return EndEffectorStep(np.zeros(3), np.zeros(3), base=base)
        state = copy.copy(self._states[-1])
        if state is not None:
            array = state(array)
        self._states.append(state)
        rotation = self._vector("rotation", array)
        if self.card.rotation == "rpy":
            rotation = rotation_vector_from_rpy(rotation)
        return EndEffectorStep(
            translation=self._vector("translation", array),
            rotation=rotation,
            gripper=self._closedness(array),
            terminate=mode is not None and mode == self._terminate_mode,
            base=base,
        )

    def _chunk(self, steps: Sequence[EndEffectorStep], **values: Any) -> ActionChunk:
        card = self.card
        return ActionChunk(tuple(steps), card.period, frame_id=card.frame_id, ensemble=card.ensemble, **values)

    def decode(self, probabilities: NDArray[np.float64]) -> DecodedTokens:
        """Probabilities (D, bins) as values and tokens in the card's order, before postprocessing."""
        p = np.asarray(probabilities, dtype=np.float64)
        if not np.isfinite(p).all():
            raise DecodingError(NOT_FINITE)
        if self.decoding == "argmax":
            tokens = p.argmax(axis=-1)
            values = self.tokenizer.decode(tokens)
        else:
            values = self.tokenizer.decode_expected(p)
            tokens = self.tokenizer.encode(values)
        if self._terminate is not None:
            values[self._terminate] = tokens[self._terminate] = self._mode(p[self._terminate])
        return DecodedTokens(values, tokens, self._confidence(p, tokens))

    def _mode(self, p: NDArray[np.float64]) -> int:
        if p[self._terminate_mode] > 0.5:
            return self._terminate_mode
        others = p.copy()
        others[self._terminate_mode] = -1.0
        return int(others.argmax())

    def _confidence(self, p: NDArray[np.float64], tokens: NDArray[np.int64]) -> float:
        bins = np.arange(p.shape[-1])
        reach = np.full(len(tokens), self._near)
        if self._terminate is not None:
            reach[self._terminate] = 0.0
        near = np.abs(bins[None, :] - tokens[:, None]) <= reach[:, None]  # (D, bins)
        mass = np.clip((p * near).sum(axis=-1), 1e-12, 1.0)
        return float(np.exp(np.log(mass).mean()))

    def _vector(self, kind: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        indices = [self.card.index(f"{kind}_{axis}") for axis in "xyz"]
        return np.array([0.0 if i is None else values[i] for i in indices])

    def _base_displacement(self, values: NDArray[np.float64], mode: int | None) -> NDArray[np.float64]:
        """From values before postprocessing, which does not affect a base."""
        base = np.zeros(3)
        for axis, index in enumerate(self._base if self._base_mode in (None, mode) else ()):
            if index is not None:
                one, value = self.card.dimensions[index], values[index]
                base[axis] = value if abs(value) > HALF_BIN * (one.high - one.low) / (self.card.bins - 1) else 0.0
        return base

    def _closedness(self, values: NDArray[np.float64]) -> float:
        if self._gripper is None:
            return KEEP_GRIPPER
        span = self.card.gripper_closed - self.card.gripper_open
        return float(np.clip((values[self._gripper] - self.card.gripper_open) / span, 0.0, 1.0))
