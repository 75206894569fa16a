"""The order of examples in a mixture of sources: a stream determined by its seed and the step.

Each batch has the share of examples of every source, rounded; rounding errors are carried over, so that the shares hold
over a run. A source is read without repetition until exhausted, then again in a new order.
`python -m rt_vla_ros.data.mixture` prints the table of temperatures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from rt_vla_ros.data.permutation import mixed, shuffled
from rt_vla_ros.data.shares import MixtureError, by_probability, by_temperature, mixture_shares

UNIT = 1 << 48  # shares are whole multiples of 1 / UNIT, so that nothing is lost however long a run is
WEB, ROBOT = 10**9, 130_000
"""Sizes in the table: a web dataset, and the episodes that RT-1 and RT-2 were trained on."""
TEMPERATURES = (1.0, 2.0, 5.0, math.inf)


class Draw(NamedTuple):
    """source: its index in the mixture. index: of the example in it. seed: for random augmentation, 64 bits."""

    source: int
    index: int  # type: ignore[assignment]  # hides the method of tuples
    seed: int


class SizedSource(Protocol):
    """The part of an `ExampleSource` that a mixture needs."""

    name: str
    is_robot: bool

    def __len__(self) -> int: ...


class Mixture:
    """names: of the sources, unique. shares: of all samples, by name; their sum is 1.

    In distributed training with `processes`, process `rank` gets its part of each batch: disjoint parts with the same
    shares. Together they draw the same examples as a single process with the global batch size.
    """

    def __init__(
        self,
        sources: Sequence[SizedSource],
        shares: Mapping[str, float],
        *,
        seed: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """shares: by `distinct_names` of the sources. Raises MixtureError."""
        if not 0 <= rank < processes:
            raise MixtureError(f"The rank is {rank}, expected 0 to {processes - 1}.")
        self.names = distinct_names(source.name for source in sources)
        if {*shares} != {*self.names}:
            there, wanted = ", ".join(shares) or "none", ", ".join(self.names) or "none"
            raise MixtureError(f"Shares are given for {there}; the sources are {wanted}.")
        checked = by_probability(shares)
        self.shares = {name: checked[name] for name in self.names}
        self.sizes = {name: len(source) for name, source in zip(self.names, sources, strict=True)}
        empty = [name for name in self.names if self.shares[name] > 0 and not self.sizes[name]]
        if empty:
            raise MixtureError(f"These sources are empty: {', '.join(empty)}.")
        self._seed, self._rank, self._processes = seed, rank, processes
        self._weights = _whole(list(self.shares.values()))
        self._reached: dict[int, tuple[int, list[int]]] = {}

    @classmethod
    def of(
        cls,
        sources: Sequence[SizedSource],
        *,
        seed: int,
        robot_share: float | None = None,
        temperature: float = 1.0,
        explicit: Mapping[str, float] | None = None,
        rank: int = 0,
        processes: int = 1,
    ) -> Mixture:
        """A mixture of robot and web data, with shares from `mixture_shares`. Raises MixtureError."""
        named = list(zip(distinct_names(source.name for source in sources), sources, strict=True))
        robot, web = ({name: len(one) for name, one in named if one.is_robot == kind} for kind in (True, False))
        shares = mixture_shares(robot, web, robot_share=robot_share, temperature=temperature, explicit=explicit)
        return cls(sources, shares, seed=seed, rank=rank, processes=processes)

    def draw(self, step: int, batch_size: int) -> list[Draw]:
        """This process's part of the batch at step 0, 1, ...: `batch_size` examples. A resumed run may start anywhere.

        Seeking costs some microseconds per skipped step, once.
        """
        if step < 0 or batch_size < 1:
            raise ValueError(f"Invalid batch size {batch_size} or step {step}.")
        before, after = self.counts(step, batch_size), self.counts(step + 1, batch_size)
        drawn = [draw for source in range(len(before)) for draw in self._drawn(source, before[source], after[source])]
        own = drawn[self._rank :: self._processes]  # of each source as many as other processes have, or one more
        order = shuffled(np.arange(batch_size), batch_size, mixed(self._seed, step, self._rank))
        return [own[at] for at in order.tolist()]

    def counts(self, step: int, batch_size: int) -> list[int]:
        """Number of examples of each source that all processes have drawn before a step."""
        size = batch_size * self._processes
        at, counts = self._reached.get(size, (0, [0] * len(self._weights)))
        if at > step:
            at, counts = 0, [0] * len(self._weights)
        while at < step:
            counts = self._next(at, counts, size)
            at += 1
        self._reached[size] = at, counts
        return counts

    def _next(self, step: int, counts: Sequence[int], size: int) -> list[int]:
        """The counts after this step: the integer parts, plus one for the sources with the largest remainders."""
        parts = [size * weight for weight in self._weights]  # in 1 / UNIT
        grown = [count + part // UNIT for count, part in zip(counts, parts, strict=True)]
        owed = {i: (step + 1) * part - grown[i] * UNIT for i, part in enumerate(parts) if part % UNIT}
        left = size * (step + 1) - sum(grown)
        for i in sorted(owed, key=lambda i: -owed[i])[:left]:
            grown[i] += 1
        return grown

    def _drawn(self, source: int, first: int, end: int) -> Iterator[Draw]:
        """Indices of the examples drawn from a source as number first ... end - 1 of the run."""
        size = self.sizes[self.names[source]]
        while first < end:
            epoch, at = divmod(first, size)
            count = min(end - first, size - at)
            indices = shuffled(np.arange(at, at + count), size, mixed(self._seed, source, epoch, 1))
            for number, index in enumerate(indices.tolist(), first):
                yield Draw(source, index, mixed(self._seed, source, number, 2))
            first += count


def distinct_names(names: Iterable[str]) -> list[str]:
    """Repeated names get a number: train, train-2."""
    given: list[str] = []
    for name in names:
        number, distinct = 1, name
        while distinct in given:
            number += 1
            distinct = f"{name}-{number}"
        given.append(distinct)
    return given


def _whole(shares: Sequence[float]) -> list[int]:
    """Shares in units of 1 / UNIT, with the sum UNIT."""
    weights = [round(share * UNIT) for share in shares]
    weights[weights.index(max(weights))] += UNIT - sum(weights)
    return weights


def temperature_table(web: int = WEB, robot: int = ROBOT, temperatures: Iterable[float] = TEMPERATURES) -> str:
    """Shares of a large and a small dataset by temperature, in Markdown."""
    lines = [
        f"| T | web, {web:,} | robot, {robot:,} | of a batch of 2,048 | robot repetitions per pass over the web data |",
        "|---|---|---|---|---|",
    ]
    for temperature in temperatures:
        shares = by_temperature({"web": web, "robot": robot}, temperature)
        often = shares["robot"] / robot / (shares["web"] / web)
        name = "infinity" if math.isinf(temperature) else f"{temperature:g}"
        lines.append(
            f"| {name} | {shares['web']:.3%} | {shares['robot']:.3%} | {2048 * shares['robot']:.1f} | {often:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(temperature_table())
