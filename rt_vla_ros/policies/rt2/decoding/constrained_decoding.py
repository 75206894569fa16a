"""What a model may write next: on a robot prompt, only what is the beginning of a legal action (RT-2, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rt_vla_ros.policies.rt2.decoding.action_vocabulary import ActionVocabulary

if TYPE_CHECKING:
    from rt_vla_ros.policies.rt2.decoding.plan_grammar import Grammar

END = 0
"""The state of every grammar in which everything is written."""
START = 1


class ActionGrammar:
    """Reads the tokens of an action one by one: its numbers, each as a path through a trie of token sequences.

    counts: how many bins each dimension has, such as (2, 256, 256). start: the state before the first token. columns:
    all tokens that are legal anywhere, ascending, shape (C,). longest: number of tokens of the longest output.
    """

    def __init__(self, vocabulary: ActionVocabulary, counts: Sequence[int]) -> None:
        if any(not 1 <= count <= vocabulary.bins for count in counts) or not counts:
            raise ValueError(f"expected dimensions of 1 to {vocabulary.bins} bins, got {list(counts)}")
        self.vocabulary, self.counts = vocabulary, tuple(counts)
        self._moves: list[dict[int, int]] = [{}]  # of each state: token -> state; END has none
        self._closes: list[dict[int, tuple[int, ...]]] = [{}]  # of each state: token -> the bins that are then known
        # Of each state: which numbers of its own dimension lie behind a token.
        self._inside: list[dict[int, tuple[int, ...]]] = [{}]
        self._dimension = [len(counts)]
        self._whole = [-1]  # the number that is written when a state is reached, -1 within a number
        self._roots = [self._add_state(dimension) for dimension in range(len(counts))]
        for dimension, count in enumerate(counts):
            for number, sequence in enumerate(vocabulary.sequences(dimension)[:count]):
                self._add_path(dimension, number, sequence)
        self._join()
        self.columns: NDArray[np.int64] = np.array(sorted({t for moves in self._moves for t in moves}), dtype=np.int64)
        self.start: Hashable = START
        self.longest = 1 + sum(
            max(len(sequence) for sequence in vocabulary.sequences(d)[:n]) for d, n in enumerate(counts)
        )

    def legal(self, state: Hashable) -> list[int]:
        """Tokens that may follow, ascending; none at the END."""
        return sorted(self._moves[state_number(state)])

    def mask(self, state: Hashable) -> NDArray[np.bool_]:
        """Which columns are legal in a state, shape (C,)."""
        return np.isin(self.columns, list(self._moves[state_number(state)]))

    def mask_index(self, state: Hashable) -> Hashable:
        """States of the same index have the same mask."""
        return state

    def advance(self, state: Hashable, token: int) -> int:
        """The state behind a legal token. Raises ValueError for an illegal one."""
        try:
            return self._moves[state_number(state)][token]
        except KeyError:
            raise ValueError(f"the token {token} is not legal here; legal are {self.legal(state)[:8]} ...") from None

    def decode(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Token ids of a whole action, with or without an end -> bins, one per dimension. Raises ValueError."""
        state, bins = START, list[int]()
        for token in tokens:
            after = self.advance(state, token)
            bins += self._closes[state].get(token, ())
            state = after
        bins += self._closes[state].get(self.vocabulary.ends[0], ())
        if len(bins) != len(self.counts):
            raise ValueError(f"expected the tokens of {len(self.counts)} numbers, got {len(bins)}: {list(tokens)}")
        return tuple(bins)

    def is_whole(self, tokens: Sequence[int]) -> bool:
        """Whether nothing can follow. Raises ValueError for illegal tokens."""
        state = START
        for token in tokens:
            state = self.advance(state, token)
        return state == END

    def plan(self, tokens: Sequence[int]) -> str:
        """What a whole output says in words before the action: nothing."""
        return ""

    def action_length(self, tokens: Sequence[int]) -> int:
        """How many tokens of a whole output, counted from the end, are the action."""
        return len(tokens)

    def guess(self, state: Hashable, previous: Sequence[int]) -> list[int]:
        """What will probably follow, all of it legal: what must follow, and what an earlier output suggests.

        previous: tokens of an earlier whole output of this grammar; may be empty.
        """
        bins = self.decode(previous) if previous else ()
        place, tokens = state_number(state), list[int]()
        while place != END:
            token = self._likely(place, bins)
            if token is None:
                break
            tokens.append(token)
            place = self._moves[place][token]
        return tokens

    def _likely(self, state: int, bins: Sequence[int]) -> int | None:
        if len(self._moves[state]) == 1:
            return next(iter(self._moves[state]))
        if not bins:
            return None
        dimension = self._dimension[state]
        wanted = bins[dimension]
        if self._whole[state] >= 0 and all(wanted not in numbers for numbers in self._inside[state].values()):
            if dimension + 1 == len(self.counts):
                return self.vocabulary.ends[0]  # whichever it is: nothing follows it
            state, wanted = self._roots[dimension + 1], bins[dimension + 1]
        inside = self._inside[state]
        return min(inside, key=lambda token: min(abs(number - wanted) for number in inside[token]))

    def _add_state(self, dimension: int) -> int:
        for table in (self._moves, self._closes, self._inside):
            table.append({})
        self._dimension.append(dimension)
        self._whole.append(-1)
        return len(self._moves) - 1

    def _add_path(self, dimension: int, number: int, sequence: Sequence[int]) -> None:
        state = self._roots[dimension]
        for token in sequence:
            if token not in self._moves[state]:
                self._moves[state][token] = self._add_state(dimension)
            self._inside[state][token] = (*self._inside[state].get(token, ()), number)
            state = self._moves[state][token]
        self._whole[state] = number

    def _join(self) -> None:
        """From each whole number on to the next dimension; the last one ends by itself where nothing could go on."""
        final = len(self.counts) - 1
        for state in range(START, len(self._moves)):
            number, dimension = self._whole[state], self._dimension[state]
            if number >= 0 and dimension < final:
                following = self._moves[self._roots[dimension + 1]]
                self._moves[state].update(following)
                self._closes[state].update(dict.fromkeys(following, (number,)))
            elif number >= 0 and self._moves[state]:
                self._moves[state].update(dict.fromkeys(self.vocabulary.ends, END))
                self._closes[state].update(dict.fromkeys(self.vocabulary.ends, (number,)))
        for state in range(START, len(self._moves)):
            for token, after in self._moves[state].items():
                if after != END and self._dimension[after] == final and not self._moves[after]:
                    self._moves[state][token] = END
                    self._closes[state][token] = (*self._closes[state].get(token, ()), self._whole[after])


def prefix_allowed_tokens(grammar: Grammar, prompt_length: int) -> Callable[[int, Tensor], list[int]]:
    """The same constraint for transformers' own `generate(prefix_allowed_tokens_fn=...)`.

    prompt_length: number of tokens before the first generated one. Behind the END only the last token is allowed.
    """

    def allowed(batch: int, tokens: Tensor) -> list[int]:
        state, token = grammar.start, int(grammar.columns[0])
        for token in tokens[prompt_length:].tolist():
            if state == END:
                break
            state = grammar.advance(state, token)
        if state == END:
            return [token]
        return [int(column) for column in grammar.columns[grammar.mask(state)]]

    return allowed


def choose(
    logits: Tensor, masks: Tensor, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Picks one legal column a row.

    logits: (R, C). masks: (R, C), True where legal. temperature: 0 takes the most likely one.
    Returns columns (R,) and their probabilities (R,) among the legal ones, at temperature 1.
    """
    legal = logits.float().masked_fill(~masks, -torch.inf)  # (R, C)
    probabilities = legal.softmax(dim=-1)
    if temperature > 0:
        scaled = (legal / temperature).softmax(dim=-1)
        columns = torch.multinomial(scaled, 1, generator=generator)[:, 0]
    else:
        columns = legal.argmax(dim=-1)
    return columns, probabilities.gather(1, columns[:, None])[:, 0]


def state_number(state: Hashable) -> int:
    """Checks that a state is one of ActionGrammar's."""
    assert isinstance(state, int)
    return state
