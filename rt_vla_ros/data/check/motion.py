"""Compares actions with the measured motion: do the displacements add up to the motion in the state?

m = g a is fitted for each pair of axes: m is how far the tool moved within half a second, a what the actions of that
half second sum up to. The correlations of all pairs say which axis follows which action, and g whether they have one
unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.check.lagged import MOST_LAG, BestLag, Floats, aligned, blocks, drawn
from rt_vla_ros.data.check.measured_motion import commanded, measured_rotation, measured_translation
from rt_vla_ros.data.check.recorded import RecordedEpisode

WINDOW = 0.5  # [s]
FEWEST = 60  # time steps
CLEAR, SURE = 0.5, 0.95  # correlation; share of the draws
BETTER = 0.3  # by so much another axis must correlate better
UNRELATED = 0.15  # correlation
SCALE = 2.5  # a gain may be so many times too large or too small: arms lag behind, and stop early
LATE = 0.25  # an arm may follow its actions so late [s]
OWN_CLEAR, OWN_STEPS = 0.75, 15  # of an episode by itself
NAMES = "xyz"


def motion_findings(card: ActionCard, rate: float, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """rate: frames per second."""
    if card.postprocessing:
        what = f"The actions are in a model's own scale ({card.postprocessing})."
        yield DataFinding("motion-unseen", what)
        return
    own = [one for one in episodes if one.own and len(one) > 2 and np.isfinite(one.values).all()]
    seen = False
    for kind, measured in (("translation", measured_translation), ("rotation", measured_rotation)):
        pairs = list[tuple[int, Floats, Floats]]()
        for one in own:
            motion = measured(card, one)
            if motion is not None and np.isfinite(motion).all():
                pairs.append((one.number, commanded(card, one, kind)[:-1], motion))
        if pairs:
            seen = True
            yield from Comparison(kind, rate, pairs).findings()
    if not seen:
        why = (
            "the actions are labels, not what was executed"
            if episodes and not own
            else "no column has the tool's position"
        )
        yield DataFinding("motion-unseen", f"Actions cannot be compared with motion: {why}.")


@dataclass(frozen=True)
class Fit:
    """correlation[i, j]: of the motion along axis i with the action along j. gain, most: of m = g a, the same: noise of
    the actions makes the first too small, noise of the motion the second too large. steps: n.
    """

    correlation: Floats
    gain: Floats
    most: Floats
    steps: float


class Comparison:
    """Of one kind of motion, over all episodes.

    A row of sums is n, a (3), m (3), a² (3), m² (3), m aᵀ (9).
    """

    def __init__(self, kind: str, rate: float, pairs: Sequence[tuple[int, Floats, Floats]]) -> None:
        """pairs: the number of an episode, its actions (n, 3), and how the tool moved (n, 3)."""
        self._kind, self._rate, self._pairs = kind, rate, pairs
        self._unit = "m" if kind == "translation" else "rad"
        self._window = max(1, round(WINDOW * rate))

    def findings(self) -> Iterator[DataFinding]:
        if sum(len(actions) for _, actions, _ in self._pairs) < FEWEST:
            return
        best = self._lag()
        lag = 0 if best is None else best.lag
        if best is not None and best.outside(max(1, int(LATE * self._rate))) >= SURE:
            side = "before the actions" if lag < 0 else "after the actions"
            steps = f"{abs(lag)} time step{'s' * (abs(lag) != 1)} ({abs(lag) / self._rate:.2f} s)"
            yield DataFinding("motion-lag", f"The measured {self._kind} comes {steps} {side}.")
        sums = [blocks(self._rows(actions, motion, lag)) for _, actions, motion in self._pairs]
        everything = np.concatenate(sums)
        if not len(everything):  # no episode is as long as WINDOW
            return
        fit, axes = _fit(everything.sum(axis=0)), self._moving(everything.sum(axis=0))
        order, signs = _assigned(fit.correlation)
        yield from self._axes(fit, _fit(drawn(everything)), order, signs, axes)
        yield from self._scale(fit, order, signs, axes)
        weak = [i for i in axes if np.abs(fit.correlation[:, i]).max() < UNRELATED and fit.steps >= FEWEST]
        if weak:
            each = ", ".join(f"{NAMES[i]} ({fit.correlation[i, i]:.2f})" for i in weak)
            what = f"The measured {self._kind} and the actions hardly correlate: {each}."
            yield DataFinding("motion-unrelated", what)
        yield from self._of_episodes([_fit(one.sum(axis=0)) for one in sums], order, signs, axes)

    def _rows(self, actions: Floats, motion: Floats, lag: int, window: int = 0) -> Floats:
        """window: number of time steps to sum; 0: as long as WINDOW."""
        size = window or self._window
        a, m = aligned(actions, motion, lag)
        if len(a) < size:
            return np.zeros((0, 22))
        a, m = _sums(a, size), _sums(m, size)
        products = (m[:, :, None] * a[:, None, :]).reshape(-1, 9)
        return np.concatenate([np.ones((len(a), 1)), a, m, a * a, m * m, products], axis=1)

    def _lag(self) -> BestLag | None:
        """The lag of the motion behind the actions [steps], None if unclear."""
        lags = range(-MOST_LAG, MOST_LAG + 1)
        stats = []
        for lag in lags:
            rows = [blocks(self._rows(actions, motion, lag, 1)) for _, actions, motion in self._pairs]
            stats.append(np.concatenate(rows))
        if min(map(len, stats)) < 3:
            return None
        scores = [_score(_fit(one.sum(axis=0)).correlation) for one in stats]
        best = int(np.argmax(scores))
        order, signs = _assigned(_fit(stats[best].sum(axis=0)).correlation)
        followed = np.stack([_followed(_fit(drawn(one)).correlation, order, signs).sum(axis=-1) for one in stats])
        if scores[best] < CLEAR or best in (0, 2 * MOST_LAG):
            return None
        return BestLag(lags[best], scores[best], scores[MOST_LAG], followed.argmax(axis=0) - MOST_LAG)

    def _moving(self, sums: Floats) -> list[int]:
        """The axes with actions of more than a hundredth of the strongest."""
        spread = np.sqrt(np.maximum(0.0, sums[7:10] / sums[0] - (sums[1:4] / sums[0]) ** 2))
        return [axis for axis in range(3) if spread[axis] > 0.01 * spread.max(initial=0.0) > 0]

    def _axes(
        self, fit: Fit, draws: Fit, order: tuple[int, ...], signs: Floats, axes: list[int]
    ) -> Iterator[DataFinding]:
        found, plain = _followed(fit.correlation, order, signs), np.diagonal(fit.correlation)
        better = _followed(draws.correlation, order, signs) - np.diagonal(draws.correlation, axis1=-2, axis2=-1)
        for i in range(3):
            clear = order[i] in axes and found[i] > CLEAR and found[i] - plain[i] > BETTER
            if not clear or (better[:, i] > 0).mean() < SURE:
                continue
            if order[i] != i:
                other = f"{'minus ' if signs[i] < 0 else ''}{NAMES[order[i]]} (correlation {found[i]:.2f}"
                what = f"follows the actions along {other}, along its own {plain[i]:.2f})"
                yield DataFinding("motion-axes", f"The measured {self._kind} along {NAMES[i]} {what}.")
            elif signs[i] < 0:
                what = f"is opposite to the actions (correlation {plain[i]:.2f})"
                yield DataFinding("motion-sign", f"The measured {self._kind} along {NAMES[i]} {what}.")

    def _scale(self, fit: Fit, order: tuple[int, ...], signs: Floats, axes: list[int]) -> Iterator[DataFinding]:
        found, wrong, gains = _followed(fit.correlation, order, signs), list[int](), list[float]()
        for i in range(3):
            low, high = fit.gain[i, order[i]] * signs[i], fit.most[i, order[i]] * signs[i]
            gains.append(float(np.sqrt(max(0.0, low * high))))
            if order[i] in axes and found[i] > CLEAR and (low > SCALE or high < 1 / SCALE):
                wrong.append(i)
        if wrong:
            yield DataFinding("motion-scale", self._scale_sentence(wrong, gains))

    def _scale_sentence(self, wrong: Sequence[int], gains: Sequence[float]) -> str:
        size = float(np.median([gains[i] for i in wrong]))
        each = ", ".join(f"{NAMES[i]} {gains[i]:.3g}" for i in wrong)
        guesses = (
            {"millimeters": 1e-3, "centimeters": 1e-2, "inches": 0.0254}
            if self._unit == "m"
            else {"degrees": np.pi / 180}
        )
        guesses |= {"speeds per second instead of displacements per action": 1 / self._rate}
        near = [name for name, gain in guesses.items() if abs(np.log(size / gain)) < np.log(1.6)]
        looks = f" The actions look like {near[0]}." if near else ""
        return f"For an action of 1 {self._unit}, the tool moved by, in {self._unit}: {each}.{looks}"

    def _of_episodes(
        self, fits: Sequence[Fit], order: tuple[int, ...], signs: Floats, axes: list[int]
    ) -> Iterator[DataFinding]:
        """Episodes that differ from the others."""
        against, scaled = list[int](), list[int]()
        known = np.median([_followed(fit.correlation, order, signs) for fit in fits], axis=0)
        gains = np.median([fit.gain for fit in fits], axis=0)
        for (number, _, _), fit in zip(self._pairs, fits, strict=True):
            found = _followed(fit.correlation, order, signs)
            clear = [i for i in range(3) if order[i] in axes and fit.steps >= OWN_STEPS and known[i] > CLEAR]
            against += [number] * any(found[i] < -OWN_CLEAR for i in clear)
            ratio = [fit.gain[i, order[i]] / gains[i, order[i]] for i in clear if found[i] > OWN_CLEAR]
            scaled += [number] * (bool(ratio) and not 1 / 4 < float(np.median(ratio)) < 4)
        for code, numbers, word in (
            ("motion-sign", against, "in the opposite direction"),
            ("motion-scale", scaled, "on a different scale"),
        ):
            if numbers and len(numbers) < len(fits) / 2:
                what = (
                    f"In {episode_list(numbers)} the {self._kind} follows the actions {word} compared with the others."
                )
                yield DataFinding(code, what, tuple(numbers))


def _sums(part: Floats, size: int) -> Floats:
    """Sums of every `size` consecutive rows, (n - size + 1, 3)."""
    total = np.concatenate([np.zeros((1, 3)), part.cumsum(axis=0)])
    return np.asarray(total[size:] - total[:-size], np.float64)


def _fit(sums: Floats) -> Fit:
    """sums: (..., 22)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / sums[..., :1]
        a, m = mean[..., 1:4], mean[..., 4:7]
        spread_a = np.maximum(0.0, mean[..., 7:10] - a**2)
        spread_m = np.maximum(0.0, mean[..., 10:13] - m**2)
        shared = mean[..., 13:].reshape(*mean.shape[:-1], 3, 3) - m[..., :, None] * a[..., None, :]
        correlation = shared / np.sqrt(spread_m[..., :, None] * spread_a[..., None, :])
        gain, most = shared / spread_a[..., None, :], spread_m[..., :, None] / shared
    correlation, gain, most = (np.nan_to_num(one, posinf=0, neginf=0) for one in (correlation, gain, most))
    return Fit(correlation, gain, most, float(np.sum(sums[..., 0])))


def _assigned(correlation: Floats) -> tuple[tuple[int, ...], Floats]:
    """The action that each axis of the motion follows, and with which sign: of all orders the best correlated one."""
    best = max(permutations(range(3)), key=lambda order: sum(abs(correlation[i, order[i]]) for i in range(3)))
    signs = np.array([-1.0 if correlation[i, best[i]] < 0 else 1.0 for i in range(3)])
    return best, signs


def _followed(correlation: Floats, order: tuple[int, ...], signs: Floats) -> Floats:
    """The correlations of the pairs of an assignment, (..., 3)."""
    return np.stack([correlation[..., i, order[i]] * signs[i] for i in range(3)], axis=-1)


def _score(correlation: Floats) -> float:
    """The mean over the axes that have actions."""
    found = _followed(correlation, *_assigned(correlation))
    return float(found.sum() / max(1, (found > 0).sum()))
