"""A plan in words before the action: `Plan: pick rxbar chocolate. Action: 1 128 ...` (RT-2, section 4.4; ECoT)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from rt_vla_ros.language.plain_text import special_tokens
from rt_vla_ros.policies.rt2.configuration import PLAN_END
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar


class PlanGrammar:
    """Free text of at most `limit` tokens up to a marker such as "Action:", followed by an action.

    A longer plan is truncated, and the marker is appended. States: a tuple of the plan's tokens so far; ("marker", i)
    within the marker and the lead; or a state of the action's grammar.
    """

    def __init__(
        self,
        action: ActionGrammar,
        tokenizer: PreTrainedTokenizerBase,
        limit: int,
        vocabulary_size: int,
        placeholders: Collection[int] = (),
        *,
        marker: str = PLAN_END,
        lead: Sequence[int] = (),
    ) -> None:
        """placeholders: the model's image placeholder tokens. lead: tokens between the marker and the action.

        Raises ValueError for a limit below 1.
        """
        if limit < 1:
            raise ValueError(f"expected a plan of at least 1 token, got a limit of {limit}")
        self.action, self._tokenizer, self._limit = action, tokenizer, limit
        tokens = tokenizer.encode(f" {marker}", add_special_tokens=False)
        self.marker = (*tokens, *lead)  # between the plan and the action
        self._marker, self._lead = list(self.marker), len(tokens)
        self._written = self._text(tokens).strip()  # "action :" for a tokenizer without capital letters
        self.columns: NDArray[np.int64] = np.arange(vocabulary_size, dtype=np.int64)
        # Only ordinary tokens of the tokenizer: no special token, no end token, no padding row of the embedding table.
        apart = special_tokens(tokenizer).union(placeholders, action.vocabulary.ends)
        words = set(tokenizer.get_vocab().values()) - apart
        self._free = np.isin(self.columns, list(words))
        self._split = functools.lru_cache(maxsize=4)(self._separate)
        self.start: Hashable = ()
        self.size, self.longest = action.size, limit + len(self._marker) + action.longest

    def mask_index(self, state: Hashable) -> Hashable:
        """See ActionGrammar; a plan has a single mask."""
        if not isinstance(state, tuple):
            return self.action.mask_index(state)
        return state if state[:1] == ("marker",) else "plan"

    def mask(self, state: Hashable) -> NDArray[np.bool_]:
        """See ActionGrammar."""
        if not isinstance(state, tuple):
            return np.isin(self.columns, self.action.legal(state))
        if state[:1] == ("marker",):
            return np.isin(self.columns, self._marker[state[1]])
        return self._free

    def advance(self, state: Hashable, token: int) -> Hashable:
        """See ActionGrammar."""
        if not isinstance(state, tuple):
            return self.action.advance(state, token)
        if not self.mask(state)[token]:
            raise ValueError(f"the token {token} is not legal in a plan")
        if state[:1] == ("marker",):
            following = int(state[1]) + 1
            return self.action.start if following == len(self._marker) else ("marker", following)
        plan = (*state, token)
        # Every token is at least one byte of text, so this many tokens are enough to find the marker.
        if self._text(plan[-len(self._written.encode()) - 1 :]).endswith(self._written):
            return ("marker", self._lead) if self._lead < len(self._marker) else self.action.start
        return ("marker", 0) if len(plan) >= self._limit else plan

    def written(self, state: Hashable) -> int:
        """See ActionGrammar."""
        return 0 if isinstance(state, tuple) else self.action.written(state)

    def guess(self, state: Hashable, previous: Sequence[int]) -> Iterator[int]:
        """See ActionGrammar: the earlier plan as long as this one is the same, followed by the earlier action."""
        if not isinstance(state, tuple):
            return self.action.guess(state, self._split(tuple(previous))[1])
        if state[:1] == ("marker",):
            following = self.action.guess(self.action.start, self._split(tuple(previous))[1])
            return itertools.chain(self._marker[int(state[1]) :], following)
        return iter(previous[len(state) :] if tuple(previous[: len(state)]) == state else ())

    def shifted(self, tokens: Sequence[int], steps: int) -> tuple[int, ...]:
        """See ActionGrammar; the plan is unchanged."""
        plan, action = self._split(tuple(tokens))
        return (*plan, *self.action.shifted(action, steps))

    def corrected(
        self, previous: Sequence[int], state: Hashable, guess: Sequence[int], chosen: Sequence[int]
    ) -> tuple[int, ...]:
        """See ActionGrammar; the plan is unchanged, and while it is being written so is the action."""
        plan, action = self._split(tuple(previous))
        if isinstance(state, tuple):
            return tuple(previous)
        return (*plan, *self.action.corrected(action, state, guess, chosen))

    def plan(self, tokens: Sequence[int]) -> str:
        """The plan in words of a complete output."""
        plan = self._split(tuple(tokens))[0]
        text = self._text(plan[: len(plan) - len(self._marker) + self._lead])
        return text.removesuffix(self._written).strip()

    def decode(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Token ids of a complete output -> bins of its action. Raises ValueError for anything else."""
        return self.action.decode(self._split(tuple(tokens))[1])

    def read(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """See ActionGrammar."""
        return self.action.read(self._split(tuple(tokens))[1])

    def action_length(self, tokens: Sequence[int]) -> int:
        """Number of action tokens at the end of an output."""
        return len(self._split(tuple(tokens))[1])

    def _separate(self, tokens: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Splits an output into the plan with its marker, and the action."""
        state = self.start
        for i, token in enumerate(tokens):
            if not isinstance(state, tuple):
                return list(tokens[:i]), list(tokens[i:])
            state = self.advance(state, token)
        return list(tokens), []

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens))).rstrip()


Grammar = ActionGrammar | PlanGrammar
