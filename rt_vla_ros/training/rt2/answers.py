"""Target tokens after a prompt: an action, a plan with an action, or an answer in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from rt_vla_ros.language.plain_text import HOLE, SEPARATOR, insert_text
from rt_vla_ros.policies.rt2.configuration import plan_config
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import ANCHOR, placeholders
from rt_vla_ros.policies.rt2.decoding.plan_grammar import PlanGrammar
from rt_vla_ros.policies.rt2.decoding.stop_tokens import stop_tokens
from rt_vla_ros.policies.rt2.loading.parts import RT2Parts
from rt_vla_ros.policies.rt2.policy import make_grammar
from rt_vla_ros.training.checks import TrainingError

LONGEST_TRAINED_PLAN = 64
"""Maximum plan length in training [tokens], unless the policy's or the base's limit is larger."""


class AnswerWriter:
    """Answers in the tokens of constrained decoding, followed by the end token.

    end: the end token. grammar: of actions. longest_plan: longer ones are truncated [tokens].
    """

    def __init__(self, parts: RT2Parts, plan_tokens: int = 0) -> None:
        """plan_tokens: maximum plan length; 0: the policy's limit on request. Raises VocabularyError."""
        on_request = max(parts.config.plan_on_request, LONGEST_TRAINED_PLAN)
        self.longest_plan = parts.config.plan_tokens or plan_tokens or on_request
        self._tokenizer = parts.processor.tokenizer
        self._control = placeholders(parts.model.config)
        self._parts = parts
        grammar = make_grammar(replace(parts, config=replace(parts.config, plan_tokens=0)))
        assert isinstance(grammar, ActionGrammar)
        self.grammar, self.end = grammar, end_token(parts)

    @cached_property
    def plan_grammar(self) -> PlanGrammar:
        """Raises VocabularyError if plan and action exceed the model's context."""
        grammar = make_grammar(replace(self._parts, config=plan_config(self._parts.config, self.longest_plan)))
        assert isinstance(grammar, PlanGrammar)
        return grammar

    def action(self, bins: Sequence[int]) -> tuple[list[int], list[slice]]:
        """Tokens of a chunk, and the positions of its numbers.

        A shorter one is the start of a chunk, without end token. Raises TrainingError for numbers that are not whole
        steps of the action card, or more than a chunk.
        """
        size, counts = self.grammar.size, self.grammar.counts
        if not 0 < len(bins) <= size or len(bins) % len(counts):
            raise TrainingError(
                f"An action has {len(bins)} numbers, expected a multiple of {len(counts)}, at most {size}."
            )
        tokens, places = list[int](), list[slice]()
        for place, number in enumerate(bins):
            if not 0 <= number < counts[place % len(counts)]:
                limit = counts[place % len(counts)] - 1
                raise TrainingError(f"An action has the bin {number} at position {place}, expected 0 to {limit}.")
            written = self.grammar.vocabulary.sequences(place)[number]
            places.append(slice(len(tokens), len(tokens) + len(written)))
            tokens += written
        return ([*tokens, self.end] if len(bins) == size else tokens), places

    def plan(self, plan: str) -> list[int]:
        """A plan with the separator before the action. Raises TrainingError for an empty one."""
        marker = self.plan_grammar.marker
        words = self._words(plan, "The plan", space=True)[: self.longest_plan]
        tokens = [*words, *marker]
        state = self.plan_grammar.start
        for i, token in enumerate(tokens):
            if not isinstance(state, tuple):  # the marker stands in the plan itself
                raise TrainingError(
                    f"The plan {plan!r} contains {self._tokenizer.decode(tokens[:i])!r}, which ends a plan."
                )
            state = self.plan_grammar.advance(state, token)
        return tokens

    def words(self, answer: str, prompt: str) -> list[int]:
        """An answer with the end token. prompt: the text before it. Raises TrainingError for an empty answer."""
        return [*self._words(answer, "The answer", space=not prompt[-1:].isspace()), self.end]

    def _words(self, text: str, what: str, *, space: bool) -> list[int]:
        words = text.strip()
        if not words:
            raise TrainingError(f"{what} is empty; add text or drop the sample.")
        return words_behind(self._tokenizer, words, space=space, control=self._control)


def words_behind(
    tokenizer: PreTrainedTokenizerBase, words: str, *, space: bool, control: Collection[int] = ()
) -> list[int]:
    """Tokens of untrusted text after a prompt, which may end in whitespace."""
    anchor = ANCHOR + (" " if space else "\n")
    before = tokenizer.encode(ANCHOR if space else anchor, add_special_tokens=False)
    whole = insert_text(tokenizer, [anchor, ""], words, control)
    ids: list[int] = tokenizer.encode(whole, add_special_tokens=False)
    separator = tokenizer.get_added_vocab().get(SEPARATOR)
    ids = [token for token in ids if token != separator]
    if ids[: len(before)] == before and len(ids) > len(before):
        return ids[len(before) :]
    alone: list[int] = tokenizer.encode(insert_text(tokenizer, ["", ""], words, control), add_special_tokens=False)
    return [token for token in alone if token != separator]


def end_token(parts: RT2Parts) -> int:
    """Of the model's end tokens, the one that its chat template puts after an answer, or the
    tokenizer's own end. Raises VocabularyError if there is none."""
    tokenizer, ends = parts.processor.tokenizer, stop_tokens(parts.model, parts.processor.tokenizer)
    if parts.config.chat:
        whole = parts.processor.render(HOLE, 0, chat=True, system=parts.config.system, before=1)
        behind = whole.split(HOLE)[2] if whole.count(HOLE) == 3 else ""
        found: list[int] = [token for token in tokenizer.encode(behind, add_special_tokens=False) if token in ends]
        if found:
            return found[0]
    return next((token for token in ends if token == tokenizer.eos_token_id), ends[0])
