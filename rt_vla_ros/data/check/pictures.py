"""Checks images in one pass: lag, frozen, repeated and blank ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.data.check.finding import DataFinding, episode_list
from rt_vla_ros.data.check.lagged import best_lag
from rt_vla_ros.data.check.measured_motion import measured_translation
from rt_vla_ros.data.check.recorded import PictureChanges, RecordedEpisode
from rt_vla_ros.data.idle_steps import speeds
from rt_vla_ros.data.video import Images

LOOKED_AT = 48  # rows and columns of an image that are compared, about
GREEN = 1
MOVES = 0.2  # of the fast motions of the set: enough to be seen
SAME, AGAIN = 0.015, 0.2  # of the usual change while the arm moves: of the same image by a lossy codec; of one anew
FROZEN = 3  # changes after each other
MOST_REPEATED = 0.03  # share of the time steps with motion
ONE_COLOUR = 6.0  # contrast, 0 ... 255
LATE = 0.25  # an arm may follow its commands so late [s]
CLEAR, BETTER, SURE = 0.3, 0.05, 0.95  # correlation; by how much another lag must be better; share of the draws


def picture_changes(images: Iterator[Images]) -> PictureChanges:
    """Summarizes images (H, W, 3) one by one; none is kept."""
    changes, contrasts = list[float](), list[float]()
    last: Images | None = None
    last_small: Images | None = None
    for image in images:
        step = max(1, min(image.shape[:2]) // LOOKED_AT)
        small = np.ascontiguousarray(image[::step, ::step, GREEN])
        contrast = float(np.ptp(small))
        contrasts.append(contrast if contrast >= ONE_COLOUR else float(np.ptp(image, axis=(0, 1)).max()))
        if last is not None and last_small is not None:
            change = _difference(small, last_small)
            changes.append(change if change > 0 else _difference(image, last))  # what the sample does not show
        last, last_small = image, small
    return PictureChanges(np.array(changes, np.float32), np.array(contrasts, np.float32))


def _difference(image: Images, other: Images) -> float:
    """Mean of the absolute differences."""
    return float((np.maximum(image, other) - np.minimum(image, other)).mean(dtype=np.float32))


def picture_findings(card: ActionCard, rate: float, episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """rate: frames per second."""
    if not episodes:
        return
    moved, measured = _motion(card, episodes)
    for camera in card.cameras:
        seen = [
            (one, one.pictures[camera.name], speed)
            for one, speed in zip(episodes, moved, strict=True)
            if camera.name in one.pictures
        ]
        if seen:
            yield from _blank(camera.name, seen)
            yield from _still(camera.name, rate, seen)
            yield from _lag(camera.name, rate, measured, seen)


Seen = Sequence[tuple[RecordedEpisode, PictureChanges, NDArray[np.float64]]]


def _motion(card: ActionCard, episodes: Sequence[RecordedEpisode]) -> tuple[list[NDArray[np.float64]], bool]:
    """Speed of the arm between images, (n - 1,), 1 is fast; and whether it was measured."""
    motions = [None if card.postprocessing else measured_translation(card, one) for one in episodes]
    found = [np.linalg.norm(motion, axis=1) for motion in motions if motion is not None]
    if len(found) == len(episodes):
        fast = float(np.nanpercentile(np.concatenate(found), 95)) if sum(map(len, found)) else 0.0
        if fast > 0:
            return [np.nan_to_num(one / fast) for one in found], True
    return [np.nan_to_num(one[:-1]) for one in speeds(card, [one.values for one in episodes])], False


def _blank(camera: str, seen: Seen) -> Iterator[DataFinding]:
    found = {
        one.number: int((its.contrast < ONE_COLOUR).sum()) for one, its, _ in seen if (its.contrast < ONE_COLOUR).any()
    }
    if found:
        first = next((one, its) for one, its, _ in seen if one.number in found)
        at = float(first[0].stamps[int((first[1].contrast < ONE_COLOUR).argmax())])
        what = (
            f"{sum(found.values())} images of the camera {camera!r} have a single color, in {episode_list([*found])}."
        )
        yield DataFinding("blank", what, tuple(found), sum(found.values()), at)


def _still(camera: str, rate: float, seen: Seen) -> Iterator[DataFinding]:
    moving = [speed > MOVES for _, _, speed in seen]
    usual = np.concatenate(
        [its.change[move] for (_, its, _), move in zip(seen, moving, strict=True)] or [np.zeros(0, np.float32)]
    )
    usual = usual[usual > 0]
    if not len(usual):
        return
    usual_change = float(np.median(usual))
    frozen, single = dict[int, list[tuple[int, int]]](), dict[int, int]()
    for (one, its, _), move in zip(seen, moving, strict=True):
        same = its.change <= SAME * usual_change
        same[1:-1] |= same[:-2] & same[2:] & (its.change[1:-1] <= AGAIN * usual_change)
        runs = _runs(same & move & (its.contrast[1:] >= ONE_COLOUR))
        if long := [run for run in runs if run[1] >= FROZEN]:
            frozen[one.number] = long
        if short := sum(length for _, length in runs if length < FROZEN):
            single[one.number] = short
    if frozen:
        number, ((first, length), *_) = next(iter(frozen.items()))
        at = float(next(one for one, _, _ in seen if one.number == number).stamps[first])
        what = (
            f"The camera {camera!r} is frozen while the arm moves in {episode_list([*frozen])}; first for "
            f"{length / rate:.1f} s at {at:.1f} s."
        )
        frames = sum(length for runs in frozen.values() for _, length in runs)
        yield DataFinding("frozen", what, tuple(frozen), frames, at)
    share = sum(single.values()) / sum(int(move.sum()) for move in moving)
    if share > MOST_REPEATED:
        what = f"{share:.0%} of the images of the camera {camera!r} repeat the previous one while the arm moves."
        yield DataFinding("repeated", what, tuple(single), sum(single.values()))


def _runs(same: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and length of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    return [*zip(edges[::2].tolist(), (edges[1::2] - edges[::2]).tolist(), strict=True)]


def _lag(camera: str, rate: float, measured: bool, seen: Seen) -> Iterator[DataFinding]:
    """Images change as the arm moves. Commands are followed a step later, or LATE."""
    pairs = [(speed.astype(np.float64), np.sqrt(its.change.astype(np.float64))) for _, its, speed in seen]
    best = best_lag(pairs)
    if best is None or best.correlation < CLEAR or best.correlation - best.at_zero < BETTER:
        return
    confidence = best.outside(0 if measured else max(1, int(LATE * rate)))
    if confidence < SURE:
        return
    side, what = "later" if best.lag > 0 else "earlier", "measured motion" if measured else "commands"
    steps = f"{abs(best.lag)} time step{'s' * (abs(best.lag) != 1)} ({abs(best.lag) / rate:.2f} s)"
    yield DataFinding(
        "camera-lag",
        f"The images of the camera {camera!r} change {steps} {side} than the {what} (correlation "
        f"{best.correlation:.2f}, {best.at_zero:.2f} without the shift; confidence {confidence:.0%}).",
    )
