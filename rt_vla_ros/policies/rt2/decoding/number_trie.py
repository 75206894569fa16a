"""A trie of the token sequences of a dimension's numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class NumberTrie:
    """A trie of token sequences; node 0 is the root.

    sequences: of each number. moves: token -> child, for each node. numbers: the number that ends at each node, or -1.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self.sequences = sequences
        self.moves: list[dict[int, int]] = [{}]
        self.numbers = [-1]
        self._depth = [0]
        self._behind: list[list[int]] = [[]]  # the numbers in the subtree of each node, ascending
        for number, sequence in enumerate(sequences):
            self._add(number, sequence)

    def is_whole(self, node: int) -> bool:
        """Whether a number ends at this node and cannot continue."""
        return self.numbers[node] >= 0 and not self.moves[node]

    def nearest(self, node: int, wanted: int) -> int:
        """The number in the subtree of a node that is nearest to another."""
        behind = self._behind[node]
        place = bisect_left(behind, wanted)
        return min(behind[max(place - 1, 0) : place + 1], key=lambda number: abs(number - wanted))

    def towards(self, node: int, number: int) -> int:
        """The next token on the path from a node to a number in its subtree."""
        return self.sequences[number][self._depth[node]]

    def _add(self, number: int, sequence: Sequence[int]) -> None:
        node = 0
        self._behind[node].append(number)
        for token in sequence:
            if token not in self.moves[node]:
                self.moves[node][token] = len(self.moves)
                self.moves.append({})
                self.numbers.append(-1)
                self._depth.append(self._depth[node] + 1)
                self._behind.append([])
            node = self.moves[node][token]
            self._behind[node].append(number)
        self.numbers[node] = number
