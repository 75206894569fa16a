"""The grammar of an action: on a robot prompt, only prefixes of legal actions can be written (RT-2, section 3.2)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.policies.rt2.decoding.action_vocabulary import ActionVocabulary
from rt_vla_ros.policies.rt2.decoding.number_trie import NumberTrie

END = 0
"""The final state of every grammar."""
START = 1


class ActionGrammar:
    """Consumes the tokens of a chunk one by one: the numbers of all steps in order, each a path through a trie.

    counts: number of bins of each dimension, such as (2, 256, 256). size: number of numbers in a chunk. start:
    the state before the first token. columns: all tokens that are legal anywhere, ascending, shape (C,). longest:
    number of tokens of the longest output. tries: of each number of a chunk.

    Dimensions with the same bins share a trie: a state is the index of the current number and a node of its trie.
    """

    def __init__(self, vocabulary: ActionVocabulary, counts: Sequence[int], horizon: int = 1) -> None:
        """horizon: steps of a chunk. Raises ValueError for dimensions without bins, or with too many."""
        if any(not 1 <= count <= vocabulary.bins for count in counts) or not counts or horizon < 1:
            raise ValueError(
                f"expected dimensions of 1 to {vocabulary.bins} bins and a horizon of at least 1 step, got "
                f"{list(counts)} and {horizon}"
            )
        self.vocabulary, self.counts, self.horizon = vocabulary, tuple(counts), horizon
        self.size = horizon * len(counts)
        kinds = [(place == 0, count) for place, count in enumerate(self.counts * horizon)]
        tries = {kind: NumberTrie(vocabulary.sequences(0 if kind[0] else 1)[: kind[1]]) for kind in set(kinds)}
        self.tries = [tries[kind] for kind in kinds]
        # Numbers for which the same tokens are legal: they have the same trie, followed by the same trie.
        follows = [*kinds[1:], None]
        self._kinds = [(one, following) for one, following in zip(kinds, follows, strict=True)]
        self._stride = max(len(trie.moves) for trie in tries.values())
        tokens = {token for trie in tries.values() for moves in trie.moves for token in moves}
        last = self.tries[-1]
        if any(number >= 0 and moves for number, moves in zip(last.numbers, last.moves, strict=True)):
            tokens.update(vocabulary.ends)
        self.columns: NDArray[np.int64] = np.array(sorted(tokens), dtype=np.int64)
        self.start: Hashable = START
        longest = {kind: max(map(len, trie.sequences)) for kind, trie in tries.items()}
        self.longest = 1 + sum(longest[kind] for kind in kinds)

    def legal(self, state: Hashable) -> list[int]:
        """Legal next tokens, ascending; none at the END."""
        if state == END:
            return []
        place, node = self._place(state)
        trie = self.tries[place]
        tokens: set[int] = set(trie.moves[node])
        if trie.numbers[node] >= 0:
            tokens.update(self.tries[place + 1].moves[0] if place + 1 < self.size else self.vocabulary.ends)
        return sorted(tokens)

    def mask(self, state: Hashable) -> NDArray[np.bool_]:
        """Which columns are legal in a state, shape (C,)."""
        return np.isin(self.columns, self.legal(state))

    def mask_index(self, state: Hashable) -> Hashable:
        """States of the same index have the same mask."""
        if state == END:
            return state
        place, node = self._place(state)
        return self._kinds[place], -1 if self.tries[place].is_whole(node) else node

    def advance(self, state: Hashable, token: int) -> int:
        """The state after a legal token. Raises ValueError for an illegal one."""
        after = None if state == END else self._follow(*self._place(state), token)
        if after is None:
            raise ValueError(f"the token {token} is not legal here; legal are {self.legal(state)[:8]} ...")
        place, node = after
        if place == self.size or (place + 1 == self.size and self.tries[place].is_whole(node)):
            return END
        return START + place * self._stride + node

    def written(self, state: Hashable) -> int:
        """How many numbers are complete, whatever follows."""
        if state == END:
            return self.size
        place, node = self._place(state)
        return place + self.tries[place].is_whole(node)

    def read(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Token ids of the beginning of a chunk -> the bins written so far; the last one may be incomplete.

        Raises ValueError for illegal tokens.
        """
        place, node, bins = 0, 0, list[int]()
        for token in tokens:
            after = None if place == self.size else self._follow(place, node, token)
            if after is None:
                raise ValueError(f"the token {token} is not legal after {len(bins)} of {self.size} numbers")
            if after[0] > place:
                bins.append(self.tries[place].numbers[node])
            place, node = after
        if place < self.size and self.tries[place].numbers[node] >= 0:
            bins.append(self.tries[place].numbers[node])
        return tuple(bins)

    def decode(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Token ids of a complete chunk, with or without an end token -> bins of all steps. Raises ValueError."""
        bins = self.read(tokens)
        if len(bins) != self.size:
            raise ValueError(f"expected the tokens of {self.size} numbers, got {len(bins)}: {list(tokens)}")
        return bins

    def is_whole(self, tokens: Sequence[int]) -> bool:
        """Whether the output is complete and nothing can follow. Raises ValueError for illegal tokens."""
        state = START
        for token in tokens:
            state = self.advance(state, token)
        return state == END

    def plan(self, tokens: Sequence[int]) -> str:
        """The plan in words of a complete output: empty for this grammar."""
        return ""

    def action_length(self, tokens: Sequence[int]) -> int:
        """Number of action tokens at the end of an output."""
        return len(tokens)

    def shifted(self, tokens: Sequence[int], steps: int) -> tuple[int, ...]:
        """An earlier complete output without the steps that were executed; the last step is repeated to fill it."""
        bins, dimensions = self.decode(tokens), len(self.counts)
        kept = bins[min(steps, self.horizon - 1) * dimensions :]
        return tuple(self.vocabulary.encode((*kept, *kept[-dimensions:] * self.horizon)[: self.size]))

    def guess(self, state: Hashable, previous: Sequence[int]) -> Iterator[int]:
        """A legal draft of the next tokens: forced tokens, and tokens from an earlier output.

        previous: tokens of an earlier complete output of this grammar; may be empty.
        """
        bins = self.decode(previous) if previous else ()
        while state != END:
            token = self._likely(*self._place(state), bins)
            if token is None:
                return
            yield token
            state = self.advance(state, token)

    def corrected(
        self, previous: Sequence[int], state: Hashable, guess: Sequence[int], chosen: Sequence[int]
    ) -> tuple[int, ...]:
        """The earlier output, corrected with the model's choices as if the draft before each were right.

        guess: the draft after a state, with a rejected token. chosen: the model's choices in that state and after
        each draft token. A corrected number is the nearest one that starts with the chosen tokens.
        """
        bins, corrected = list(self.decode(previous)), -1
        for guessed, token in zip(guess, chosen, strict=False):
            if state == END:
                break
            place, node = self._place(state)
            after = self._follow(place, node, token)
            if token != guessed and corrected < place and after is not None:
                corrected = place
                trie = self.tries[place]
                bins[place] = trie.nearest(after[1], bins[place]) if after[0] == place else trie.numbers[node]
            state = self.advance(state, guessed)
        return tuple(self.vocabulary.encode(bins))

    def _likely(self, place: int, node: int, bins: Sequence[int]) -> int | None:
        trie = self.tries[place]
        whole = trie.is_whole(node)
        if not whole and bins and trie.numbers[node] >= 0:
            whole = trie.nearest(node, bins[place]) == trie.numbers[node]
        if whole:
            if place + 1 == self.size:
                return self.vocabulary.ends[0]  # any end token: nothing follows it
            place, node, trie = place + 1, 0, self.tries[place + 1]
        if trie.numbers[node] < 0 and len(trie.moves[node]) == 1:
            return next(iter(trie.moves[node]))
        return trie.towards(node, trie.nearest(node, bins[place])) if bins else None

    def _follow(self, place: int, node: int, token: int) -> tuple[int, int] | None:
        """The number's index and the node after a token, (size, 0) after an end token; None for an illegal token."""
        trie = self.tries[place]
        if token in trie.moves[node]:
            return place, trie.moves[node][token]
        if trie.numbers[node] < 0:
            return None
        if place + 1 == self.size:
            return (self.size, 0) if token in self.vocabulary.ends and trie.moves[node] else None
        after = self.tries[place + 1].moves[0].get(token)
        return None if after is None else (place + 1, after)

    def _place(self, state: Hashable) -> tuple[int, int]:
        """The number's index and the node of a state other than END."""
        assert isinstance(state, int)
        return divmod(state - START, self._stride)
