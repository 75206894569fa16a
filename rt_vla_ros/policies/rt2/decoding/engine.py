"""Decodes an action in as few forward passes as possible, without changing the result.

Speculative decoding (Leviathan et al. 2023, arXiv:2211.17192) without a draft model: the previous action's tokens and
forced tokens are verified in the prompt's pass; if one is rejected, the next pass verifies a new draft. On a GPU, where
additional rows are almost free, the draft contains the model's choices after the rejected token (Jacobi decoding,
Santilli et al. 2023, arXiv:2305.10427). Only the rows of the output head that are legal in an action are computed, if
this was verified to give the model's own logits.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from rt_vla_ros.policies.rt2.decoding.action_grammar import END
from rt_vla_ros.policies.rt2.decoding.constrained_decoding import choose
from rt_vla_ros.policies.rt2.decoding.fixed_shapes import BUCKET, FixedSession, FixedShapes, FixedShapesError, bucket
from rt_vla_ros.policies.rt2.decoding.plan_grammar import Grammar
from rt_vla_ros.policies.rt2.decoding.session import DecodingSession
from rt_vla_ros.policies.rt2.families import ModelFamilyError

logger = logging.getLogger(__name__)
HEAD_TOLERANCE = 1e-2
"""Largest difference between logits from selected rows of the head and the model's own, relative to their spread."""
FIXED_TOLERANCE = {torch.float32: 1e-3}
"""The same between passes with fixed shapes and the model's own; 0.1 in half precision because of rounding."""
STEP_TOLERANCE = {torch.float32: 1e-2}
"""The same between tokens processed at once and one by one; 0.5 in half precision, where rounding may select other
experts. An actual error differs by more than the spread."""
CPU_GUESS = 8
"""Longest draft after the prompt's pass on a CPU, where more rows take longer than reading the weights: about twice as
many tokens as were accepted in the pass before."""
CPU_HEAD_ROWS = 1024
"""Rows of the output head that are multiplied at once on a CPU if all are needed."""


@dataclass(frozen=True)
class Decoded:
    """tokens: the output. probabilities: of each token among the legal ones. passes: number of forward passes.

    numbers: how many numbers are complete; if not all, the last token may belong to the next number.
    log_legal: sum over the action's tokens, including forced ones, of the log-probability that an unconstrained model
    chooses a legal token.
    """

    tokens: tuple[int, ...]
    probabilities: tuple[float, ...]
    log_legal: float
    passes: int
    numbers: int

    @property
    def legal_probability(self) -> float:
        """The probability that the unconstrained model continues with this."""
        return math.exp(min(self.log_legal, 0.0))


@dataclass(frozen=True)
class Reading:
    """The input of the next pass. rejected: draft tokens to roll back first. tokens: accepted tokens."""

    tokens: Sequence[int]
    guess: Sequence[int]
    rejected: int


class _Seen:
    """The rows (R, ...) and masks (R, C) from which a chunk's tokens were chosen."""

    def __init__(self) -> None:
        self.legal = 0.0
        self._rows: list[Tensor] = []
        self._masks: list[Tensor] = []
        self._taken = 0

    def add(self, rows: Tensor, masks: Tensor) -> None:
        """Adds those of the next tokens."""
        self._rows.append(rows.clone())  # the next pass may reuse the memory
        self._masks.append(masks)

    def take(self, length: int, end: int) -> tuple[Tensor, Tensor]:
        """Those of the last `length` of the first `end` tokens, without those returned before."""
        begin, self._taken = max(end - length, self._taken), end
        rows, masks = (torch.cat(parts)[begin:end] for parts in (self._rows, self._masks))
        return rows, masks


class DecodingEngine:
    """Constrained decoding with one model."""

    def __init__(self, model: PreTrainedModel, *, fixed: bool = False) -> None:
        """fixed: whether passes have fixed shapes, which are recorded as CUDA graphs if the model is on a GPU."""
        self.model = model
        self._fixed, self._later_guess = fixed, CPU_GUESS if model.device.type == "cpu" else None
        self._shapes: dict[int, FixedShapes] = {}
        self._head = model.get_output_embeddings()
        self._softcap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
        self._sliced, self._takes_back = False, True
        self.writing: Generator[Decoded, None, None] | None = None
        """The current output: only one at a time, also for several policies on one engine, as they share a cache."""
        self._kept: dict[tuple[int, Hashable], tuple[Grammar, Tensor]] = {}

    @torch.inference_mode()
    def prepare(
        self, inputs: Mapping[str, Tensor], grammar: Grammar, others: Mapping[str, Tensor] | None = None
    ) -> None:
        """Checks which optimizations work with this model; others: the same prompt with other images, if any.

        If rows of the head do not give the model's own logits, the whole head is used; if the cache cannot be rolled
        back, nothing is speculated; a model that ignores the image is logged. Raises ModelFamilyError if processing
        tokens one by one gives other results than all at once; RuntimeError for NaN logits.
        """
        self._kept = {}
        token = int(grammar.columns[grammar.mask(grammar.start)][0])
        session = DecodingSession(self.model, inputs)
        at_once = session.prompt([token], logits=True)[:, self._columns(grammar)].float()
        if bool(at_once.isnan().any()):
            raise RuntimeError("its logits are NaN")
        session.forget(1)
        self._takes_back = session.takes_back
        again = session.more([token], logits=True)[:, self._columns(grammar)].float() if self._takes_back else None
        self._sliced = isinstance(self._head, nn.Linear) and self.model.base_model is not self.model
        stepwise = self._one_by_one(inputs, grammar, token)
        if self._sliced and not alike(stepwise[:1], at_once[:1], HEAD_TOLERANCE):
            self._sliced = False
            stepwise = self._one_by_one(inputs, grammar, token)
        tolerance = STEP_TOLERANCE.get(self.model.dtype, 0.5)
        if not alike(stepwise, at_once, tolerance):
            raise ModelFamilyError(self.model.config, "gives different results for single tokens than for all at once")
        if again is None or not alike(again, stepwise[1:], tolerance):
            self._takes_back = self._fixed = False
            logger.warning(
                "Decoding continues without speculation and fixed shapes: this model cannot roll back its cache"
            )
        if others is not None and torch.equal(self._one_by_one(others, grammar, token), stepwise):
            logger.warning(
                "This model's output does not depend on the image: is the checkpoint complete and the right one?"
            )

    def _one_by_one(self, inputs: Mapping[str, Tensor], grammar: Grammar, token: int) -> Tensor:
        """Logits (2, C) after the prompt, and after a further token processed separately."""
        session = DecodingSession(self.model, inputs)
        first = session.prompt((), logits=not self._sliced)
        session.forget(0)
        return self._logits(torch.cat([first, session.more([token], logits=not self._sliced)]), grammar).float()

    @property
    def sliced(self) -> bool:
        """Whether rows of the output head give the model's own logits, known after `prepare`."""
        return self._sliced

    @property
    def takes_back(self) -> bool:
        """Whether the cache can be rolled back, known after `prepare`."""
        return self._takes_back

    @property
    def recorded(self) -> int:
        """Number of prompt lengths with fixed-shape passes."""
        return len(self._shapes)

    @torch.inference_mode()
    def record(self, inputs: Mapping[str, Tensor], grammar: Grammar) -> None:
        """Prepares fixed-shape passes for prompts of this length, and the first time also for slightly longer ones.

        They are compared with the model's own; if that fails, it is logged and decoding continues without them.
        """
        tokens = inputs["input_ids"].shape[1]
        for more in (0,) if self._shapes else (0, BUCKET):
            rows = bucket(tokens + more, grammar.longest)
            if not self._fixed or rows in self._shapes:
                return
            try:
                on_gpu = self.model.device.type == "cuda"
                shapes = FixedShapes(self.model, tokens + more, grammar.longest, record=on_gpu)
                self._compare(inputs, grammar, shapes)
            except (RuntimeError, TypeError, KeyError, ValueError) as error:
                self._fixed = False
                logger.warning(
                    "Decoding continues without fixed shapes: %s", (str(error) or repr(error)).splitlines()[0]
                )
                return
            self._shapes[rows] = shapes

    def _compare(self, inputs: Mapping[str, Tensor], grammar: Grammar, shapes: FixedShapes) -> None:
        """Raises FixedShapesError."""
        token = int(grammar.columns[grammar.mask(grammar.start)][0])
        others = {key: value.flip(-1) if value.is_floating_point() else value for key, value in inputs.items()}
        for each in (inputs, others):
            found: list[Tensor] = []
            for session in (DecodingSession(self.model, each), FixedSession(self.model, each, shapes)):
                first = session.prompt([token], logits=False).clone()
                session.forget(1)
                found.append(torch.cat([first, session.more([token, token], logits=False)]).float())
            difference = float((found[0] - found[1]).abs().max()) / (float(found[0].std()) + 1e-6)
            if not difference <= FIXED_TOLERANCE.get(self.model.dtype, 0.1):
                raise FixedShapesError(f"they differ from the model's own by {difference:.1e} of the spread")

    @torch.inference_mode()
    def decode(
        self,
        inputs: Mapping[str, Tensor],
        grammar: Grammar,
        *,
        previous: Sequence[int] = (),
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
        early: int = 0,
    ) -> Generator[Decoded, None, None]:
        """Generates an output of the grammar; the last result is the complete one.

        inputs: of the prompt, on the model's device. previous: tokens of an earlier output, used as a draft.
        temperature: 0 for greedy decoding. early: numbers per step, to yield the first steps as soon as a
        pass has completed them but not yet all; 0: yield only the complete output.
        """
        session = self._session(inputs, grammar)
        limits = session.longest_first_guess, session.longest_guess
        writing = self.write_action(grammar, previous, temperature, generator, early, limits)
        rows = session.prompt(_reading(next(writing)).guess, logits=not self._sliced)
        while True:
            found = writing.send(rows)
            if isinstance(found, Decoded):
                yield found
                if found.numbers == grammar.size:
                    return
                found = next(writing)
            step = _reading(found)
            session.forget(step.rejected)
            rows = session.more([*step.tokens, *step.guess], logits=not self._sliced)

    def write_action(
        self,
        grammar: Grammar,
        previous: Sequence[int],
        temperature: float,
        generator: torch.Generator | None,
        early: int,
        limits: tuple[int | None, int | None],
    ) -> Generator[Reading | Decoded, Tensor | None, None]:
        """Yields the input of the next pass and receives the rows after it; see `decode`. limits: longest drafts.

        After a Decoded it must be resumed with None; the last one is the complete output.
        """
        state, passes = grammar.start, 1
        guess = self._guess(grammar, state, previous, limits[0])
        rows = yield Reading((), guess, 0)
        tokens, probabilities = list[int](), list[float]()
        seen = _Seen()
        written, end = 0, 0  # numbers of complete steps, and the tokens up to there
        while True:
            assert rows is not None
            begin, masks = state, self._masks(grammar, state, guess)
            chosen = self._choose(rows[: len(masks)], masks, grammar, temperature, generator)
            for i, (token, probability) in enumerate(chosen):
                tokens.append(token)
                probabilities.append(probability)
                state = grammar.advance(state, token)
                if early and grammar.written(state) >= written + early:
                    written, end = grammar.written(state) // early * early, len(tokens)
                if state == END or i == len(guess) or token != guess[i]:
                    break
            seen.add(rows[: i + 1], masks[: i + 1])
            if state == END:
                break
            if written and early:
                early = 0
                yield self._decoded(tokens[:end], probabilities[:end], seen, grammar, passes, written)
            rejected = len(guess) - i
            if previous and i < len(guess) and self._later_guess is None:  # a few alone make the draft worse
                previous = grammar.corrected(previous, begin, guess, [token for token, _ in chosen])
            longest = min(self._later_guess, 2 * i + 1) if self._later_guess else limits[1]
            guess = self._guess(grammar, state, previous, longest)
            rows = yield Reading(tokens[-1:], guess, rejected)
            passes += 1
        yield self._decoded(tokens, probabilities, seen, grammar, passes, grammar.size)

    @torch.inference_mode()
    def write(self, inputs: Mapping[str, Tensor], stop: frozenset[int], limit: int) -> Iterator[int]:
        """Generates free text greedily, one token per pass; ends at a token in `stop` or after `limit` tokens."""
        session = DecodingSession(self.model, inputs)
        rows = session.prompt((), logits=True)
        for _ in range(limit):
            session.forget(0)
            token = int(rows[-1].argmax())
            if token in stop:
                return
            yield token
            rows = session.more([token], logits=True)

    def _guess(self, grammar: Grammar, state: Hashable, previous: Sequence[int], longest: int | None) -> list[int]:
        return list(itertools.islice(grammar.guess(state, previous), longest)) if self._takes_back else []

    def _session(self, inputs: Mapping[str, Tensor], grammar: Grammar) -> DecodingSession:
        shapes = self._shapes.get(bucket(inputs["input_ids"].shape[1], grammar.longest))
        return DecodingSession(self.model, inputs) if shapes is None else FixedSession(self.model, inputs, shapes)

    def _masks(self, grammar: Grammar, state: Hashable, guess: Sequence[int]) -> Tensor:
        """Masks of the legal tokens in a state and after each draft token until the end, (rows, C)."""
        masks = [self._mask(grammar, state)]
        for token in guess:
            state = grammar.advance(state, token)
            if state == END:
                break
            masks.append(self._mask(grammar, state))
        return torch.stack(masks)

    def _choose(
        self,
        rows: Tensor,
        masks: Tensor,
        grammar: Grammar,
        temperature: float,
        generator: torch.Generator | None,
    ) -> list[tuple[int, float]]:
        """The token chosen at each row, with its probability."""
        columns, chances = choose(self._logits(rows, grammar), masks, temperature, generator)
        found = torch.stack(
            [self._columns(grammar)[columns].double(), chances.double()]
        ).tolist()  # a single copy to the host
        return [(int(token), chance) for token, chance in zip(*found, strict=True)]

    def _decoded(
        self, tokens: list[int], probabilities: list[float], seen: _Seen, grammar: Grammar, passes: int, numbers: int
    ) -> Decoded:
        """A result; the whole output head is read once for it, however many passes there were."""
        rows, masks = seen.take(grammar.action_length(tokens), len(tokens))
        if len(rows):
            every = self._logsumexp(rows)
            legal = self._logits(rows, grammar).float().masked_fill(~masks, -torch.inf).logsumexp(-1)
            seen.legal += float((legal.double() - every.double()).sum())
        return Decoded(tuple(tokens), tuple(probabilities), seen.legal, passes, numbers)

    def _logsumexp(self, rows: Tensor) -> Tensor:
        """Log-sum-exp over all tokens, shape (R,); on a CPU in blocks that stay in the cache."""
        if not self._sliced:
            return rows.float().logsumexp(-1)
        weight = self._head.weight.split(CPU_HEAD_ROWS if rows.device.type == "cpu" else len(self._head.weight))
        bias = [None] * len(weight) if self._head.bias is None else self._head.bias.split(len(weight[0]))
        parts = [
            self._capped(nn.functional.linear(rows, *part)).float().logsumexp(-1)
            for part in zip(weight, bias, strict=True)
        ]
        return torch.stack(parts).logsumexp(0)

    def _logits(self, rows: Tensor, grammar: Grammar) -> Tensor:
        columns = self._columns(grammar)
        if not self._sliced:
            return rows[:, columns] if len(columns) < rows.shape[-1] else rows
        if len(columns) == len(self._head.weight):
            return self._capped(self._head(rows))
        weight = self._cached(grammar, "head", lambda: self._head.weight[columns])
        logits = rows @ weight.T
        return self._capped(logits if self._head.bias is None else logits + self._head.bias[columns])

    def _capped(self, logits: Tensor) -> Tensor:
        return logits if self._softcap is None else torch.tanh(logits / self._softcap) * self._softcap

    def _columns(self, grammar: Grammar) -> Tensor:
        return self._cached(grammar, "columns", lambda: self._on_device(grammar.columns))

    def _mask(self, grammar: Grammar, state: Hashable) -> Tensor:
        return self._cached(grammar, ("mask", grammar.mask_index(state)), lambda: self._on_device(grammar.mask(state)))

    def _cached(self, grammar: Grammar, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Computed once per grammar, which is kept as well so that its id is not reused."""
        whole = (id(grammar), key)
        if whole not in self._kept:
            self._kept[whole] = (grammar, make())
        return self._kept[whole][1]

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.model.device)


def _reading(step: Reading | Decoded) -> Reading:
    assert isinstance(step, Reading)
    return step


def alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Whether no logit (R, C) differs by more than this, relative to the spread."""
    return one.shape == other.shape and float((one - other).abs().max()) <= tolerance * (float(one.std()) + 1e-6)
