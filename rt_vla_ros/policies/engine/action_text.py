"""Actions as text: what an engine may write, as a regular expression, and the check of what it has written.

Both come from one grammar, that of RT-2's decoding, with the characters of the text as its tokens.
"""

from __future__ import annotations

import itertools
import re

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.policies.engine.until import until
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.decoding.action_grammar import ActionGrammar
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import ActionVocabulary
from rt_vla_ros.policies.rt2.decoding.number_trie import NumberTrie

END_OF_TEXT = -1  # no character
SHOWN = 120  # [characters]


class ActionText:
    """pattern: regular expression of a whole output, with the plan if there is one, without the end of the text.

    longest: characters of the longest action. size: numbers in an action, over all its steps.
    """

    def __init__(self, card: ActionCard, config: RT2Config) -> None:
        """config: of the vocabulary "integers"."""
        others = tuple(_codes(f" {number}") for number in range(card.bins))
        first = others if config.leading_space else tuple(_codes(str(number)) for number in range(card.bins))
        self._grammar = ActionGrammar(ActionVocabulary(first, others, (END_OF_TEXT,)), card.counts, card.horizon)
        self._counts, self._lead = card.counts, " " if config.leading_space else ""
        self._marker = config.plan_end.strip() if config.plan_tokens else ""
        self.size, self.longest = self._grammar.size, self._grammar.longest - 1
        alike = [(one, len(list(run))) for one, run in itertools.groupby(map(_number, self._grammar.tries))]
        numbers = "".join(one if count == 1 else f"(?:{one}){{{count}}}" for one, count in alike)
        self.pattern = until(self._marker) + numbers if self._marker else numbers

    def read(self, text: str) -> tuple[tuple[int, ...], str]:
        """An output -> the numbers of all steps, in the card's order, and the plan.

        Spaces around it do not count: some engines drop them. Raises DecodingError, with the text, for anything else.
        """
        plan, marker, action = text.partition(self._marker) if self._marker else ("", "", text)
        if marker != self._marker:
            raise DecodingError(self._refusal(text, f"it has no {self._marker!r} after a plan"))
        try:
            return self._grammar.decode(_codes(self._lead + action.strip())), plan.strip()
        except ValueError as error:
            raise DecodingError(self._refusal(text, self._problem(action))) from error

    def starts(self, text: str) -> bool:
        """Whether an output starts with what `pattern` allows, whatever follows it."""
        whole = text.strip() if self._marker else self._lead + text.strip()
        return re.match(rf"(?:{self.pattern})(?![0-9])", whole) is not None

    def _refusal(self, text: str, problem: str) -> str:
        shown = repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
        return f"The engine's answer {shown} is not an action: {problem}. It is not executed."

    def _problem(self, action: str) -> str:
        words = action.split()
        if not words:
            return f"it is empty, expected {self._expected()}"
        strange = next((word for word in words if not (word.isascii() and word.isdigit())), None)
        if strange is not None:
            return f"it contains {strange[:20]!r}, expected only {self._expected()}"
        if len(words) != self.size:
            count = f"{len(words)} numbers" if len(words) > 1 else "one number"
            return f"it has {count}, expected {self._expected()}"
        for place, word in enumerate(words):
            most = self._counts[place % len(self._counts)] - 1
            if len(word) > len(str(most)) or int(word) > most:
                return f"its number {place + 1} is {word[:20]}, expected 0 to {most}"
        return "its numbers must be separated by one space, without leading zeros"

    def _expected(self) -> str:
        steps = len(self._counts)
        chunk = f" ({self.size // steps} steps of {steps})" if self.size > steps else ""
        return f"{self.size} numbers{chunk}"


def _codes(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


def _number(trie: NumberTrie, node: int = 0) -> str:
    """The regular expression of the paths below a node of a trie of digits and spaces."""
    ways: dict[str, str] = {}  # what may follow -> the characters before it
    for code, child in trie.moves[node].items():
        rest = _number(trie, child)
        ways[rest] = ways.get(rest, "") + chr(code)
    options = [f"{signs if len(signs) == 1 else f'[{signs}]'}{rest}" for rest, signs in ways.items()]
    if not options:
        return ""
    whole = options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
    return f"(?:{whole})?" if trie.numbers[node] >= 0 else whole
