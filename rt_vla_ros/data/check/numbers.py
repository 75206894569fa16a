"""Checks actions and states alone: units, ranges, and idle steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, kind_of_motion
from rt_vla_ros.action_space.plausibility import (
    MAX_CLIPPED,
    ImplausibleActionsError,
    check_gripper,
    check_moves,
    check_recorded_state,
    check_speed,
    check_terminate,
    clipped_sentence,
    measure_use,
    other_unit,
)
from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.check.recorded import RecordedEpisode
from rt_vla_ros.data.idle_steps import idle_ends, moving_steps

SOME = 0.002  # share of a dimension's values outside its range that is worth a note
MOST_IDLE = 0.3  # share of all time steps
LONGEST_WAIT = 1.0  # at the start or end of an episode [s]
FEW = 0.1  # share of episodes that may wait for longer


def number_findings(card: ActionCard, rate: float, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """rate: frames per second."""
    broken = [one for one in episodes if not np.isfinite(one.values).all() or not _finite(one.states)]
    for one in broken[:1]:
        bad = ~np.isfinite(one.values).all(axis=1)
        bad |= False if one.states is None else ~np.isfinite(one.states).all(axis=1)
        at, numbers = float(one.stamps[bad.argmax()]), tuple(each.number for each in broken)
        what = f"Actions or states are not finite in {episode_list(numbers)}; first at {at:.2f} s."
        yield DataFinding("not-finite", what, numbers, int(bad.sum()), at)
    whole = [one for one in episodes if one not in broken]
    if not whole:
        return
    yield from _ranges(card, whole)
    if whole[0].states is not None:
        try:
            check_recorded_state(card, np.concatenate([one.states for one in whole if one.states is not None]))
        except ImplausibleActionsError as error:
            yield DataFinding("state-range", str(error))
    yield from _idle(rate, whole, moving_steps(card, [one.values for one in whole]))


def _finite(states: NDArray[np.float32] | None) -> bool:
    return states is None or bool(np.isfinite(states).all())


def _ranges(card: ActionCard, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    values = np.concatenate([one.values for one in episodes]).astype(np.float64)
    uses = [use for use in measure_use(card, values) if use.dimension.role != "unused"]
    for use in uses:
        frames, sentence = round(use.clipped * len(values)), f"{clipped_sentence(use)}."
        if use.clipped > MAX_CLIPPED:
            guess = other_unit(kind_of_motion(use.dimension.role), use.largest)
            yield DataFinding("units" if guess else "clipped", sentence, frames=frames)
        elif use.clipped > SOME:
            yield DataFinding("clipped-some", sentence, frames=frames)
    largest = {use.dimension: use.largest for use in uses}
    checks: dict[str, Callable[[], object]] = {
        "gripper-values": lambda: check_gripper(card, values),
        "terminate-values": lambda: check_terminate(card, values),
        "speed": lambda: check_speed(largest, card.control_rate),
        "no-motion": lambda: check_moves(card, uses),
    }
    for code, check in checks.items():
        if card.postprocessing and code in ("speed", "no-motion"):
            continue
        try:
            check()
        except ImplausibleActionsError as error:
            yield DataFinding(code, str(error))


def _idle(
    rate: float, episodes: Sequence[RecordedEpisode], moving: Sequence[NDArray[np.bool_]]
) -> Iterator[DataFinding]:
    frames, idle = sum(map(len, episodes)), sum(int((~one).sum()) for one in moving)
    if idle > MOST_IDLE * frames:
        what = (
            f"In {idle / frames:.0%} of {frames:,} time steps no motion is commanded, expected at most {MOST_IDLE:.0%}."
        )
        yield DataFinding("idle", what, frames=idle)
    for code, word, steps in (
        ("idle-start", "begin", [idle_ends(one)[0] for one in moving]),
        ("idle-end", "end", [idle_ends(one)[1] for one in moving]),
    ):
        wait = LONGEST_WAIT * rate
        long = [(one.number, count) for one, count in zip(episodes, steps, strict=True) if wait < count < len(one)]
        if len(long) > FEW * len(episodes):
            counts = [count for _, count in long]
            what = (
                f"{len(long)} of {len(episodes)} episodes {word} with more than {LONGEST_WAIT:g} s of idle time, "
                f"{np.median(counts) / rate:.1f} s at the median."
            )
            at = 0.0 if word == "begin" else None
            yield DataFinding(code, what, tuple(number for number, _ in long), sum(counts), at)
