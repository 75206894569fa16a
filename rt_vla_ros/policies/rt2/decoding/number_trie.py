"""The numbers of a dimension as paths of tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class NumberTrie:
    """Token sequences that share their beginnings; node 0 is where every number begins.

    sequences: of each number. moves: of each node, token -> node. numbers: what is written at a node, -1 within one.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self.sequences = sequences
        self.moves: list[dict[int, int]] = [{}]
        self.numbers = [-1]
        self._depth = [0]
        self._behind: list[list[int]] = [[]]  # of each node, the numbers at it or behind it, ascending
        for number, sequence in enumerate(sequences):
            self._add(number, sequence)

    def is_whole(self, node: int) -> bool:
        """Whether a number is written and could not go on."""
        return self.numbers[node] >= 0 and not self.moves[node]

    def nearest(self, node: int, wanted: int) -> int:
        """Of the numbers at a node and behind it, the one nearest to another."""
        behind = self._behind[node]
        place = bisect_left(behind, wanted)
        return min(behind[max(place - 1, 0) : place + 1], key=lambda number: abs(number - wanted))

    def towards(self, node: int, number: int) -> int:
        """The token behind a node on the way to a number that lies behind it."""
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
