"""One demonstration: camera images and expert actions. The contract of all data formats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.observations.image import check_image

SCENE_SIZE = 10
LEADERS = ("expert", "mixed", "learner", "unknown")
COMMANDERS = ("human", "policy", "expert", "unknown", "")


class EpisodeError(ValueError):
    """The episode is inconsistent or contradicts its action card; the message says where."""


class DatasetError(ValueError):
    """The dataset cannot be read or written; the message says which file, why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class EpisodeLabels:
    """N time steps of one demonstration of one instruction, without its images.

    card: what the values mean and what the cameras are.
    values: the expert's action at each step, float64 (N, D) in the card's dimensions and units, as ActionTokenizer
    encodes them. In DAgger the arm may have executed something else.
    stamps: timestamps of the images from the start of the episode [s], float64 (N,), increasing.
    scene: ground truth for auxiliary losses in training, never for a policy: float32 (N, 10), the target's and
    the tool's x, y, z in the base frame [m], then where both are in the first camera's image, u, v in 0 ... 1 from the
    top left corner; None if unknown.
    states: the robot state at each step, float64 (N, S) in the order and units of the card's `state`; None if it
    has none.
    chunks: the actions of the expert if it acted alone from each step on, float64 (N, H, D) for the card's
    horizon H; `values` are the first of them. None: the chunk of a step is the following rows of `values`.
    leader: who acted: "expert", "learner", "mixed" (both in turn), or "unknown". success: the outcome.
    suite, seed: of the simulated scene; empty and -1 otherwise.
    interventions: whether a human corrects a running policy at each step, bool (N,); None if not recorded.
    commanders: who commanded the arm at each step, one of COMMANDERS, empty for nobody, unknown if a merged dataset
    had no such column; None if not recorded.
    audit: JSON of measurements during recording: an object with "topics" and "problems", a list of sentences;
    empty if there is none.
    Raises EpisodeError for invalid data.
    """

    card: ActionCard
    instruction: str
    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    scene: NDArray[np.float32] | None = None
    states: NDArray[np.float64] | None = None
    chunks: NDArray[np.float64] | None = None
    leader: str = "unknown"
    success: bool = False
    suite: str = ""
    seed: int = -1
    interventions: NDArray[np.bool_] | None = None
    commanders: tuple[str, ...] | None = None
    audit: str = ""

    def __post_init__(self) -> None:
        count = len(self.stamps)
        if count == 0:
            raise EpisodeError("The episode has no time steps.")
        if not self.instruction.strip():
            raise EpisodeError("The episode has no instruction.")
        if self.leader not in LEADERS:
            raise EpisodeError(f"The episode's leader is {self.leader!r}, expected one of {', '.join(LEADERS)}.")
        self._check_numbers("values", self.values, (count, len(self.card.dimensions)))
        self._check_numbers("stamps", self.stamps, (count,))
        if (self.states is None) != (not self.card.state):
            there, wanted = "states" if self.states is not None else "no states", len(self.card.state)
            raise EpisodeError(f"The episode has {there}; its action card has {wanted} dimensions of the state.")
        if self.states is not None:
            self._check_numbers("states", self.states, (count, len(self.card.state)))
        if self.scene is not None:
            self._check_numbers("scene", self.scene, (count, SCENE_SIZE))
        if self.chunks is not None:
            self._check_numbers("chunks", self.chunks, (count, self.card.horizon, len(self.card.dimensions)))
        self._check_who_commands()
        if (np.diff(self.stamps) <= 0).any():
            raise EpisodeError("The episode's timestamps do not increase.")

    def __len__(self) -> int:
        return len(self.stamps)

    def _check_who_commands(self) -> None:
        count = len(self)
        if self.interventions is not None:
            if self.interventions.dtype != np.bool_:
                raise EpisodeError(f"The episode's interventions are {self.interventions.dtype}, expected bool.")
            self._check_numbers("interventions", self.interventions, (count,))
        if self.commanders is not None:
            if len(self.commanders) != count:
                raise EpisodeError(f"The episode has {len(self.commanders)} commanders for {count} time steps.")
            for step, one in enumerate(self.commanders):
                if one not in COMMANDERS:
                    choices = ", ".join(map(repr, COMMANDERS))
                    raise EpisodeError(f"The episode's commander at time step {step} is {one!r}, expected {choices}.")

    def _check_numbers(self, name: str, array: NDArray[np.generic], shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise EpisodeError(f"The episode's {name} have the shape {array.shape}, expected {shape}.")
        bad = ~np.isfinite(array.astype(np.float64)).reshape(len(array), -1).all(axis=1)
        if bad.any():
            where = f"{int(bad.sum())} of {len(array)} time steps, first at number {int(bad.argmax())}"
            raise EpisodeError(f"The episode's {name} are not finite at {where}: {array[bad.argmax()].tolist()}.")


@dataclass(frozen=True, kw_only=True)
class Episode(EpisodeLabels):
    """A demonstration with its images.

    images: camera name -> RGB uint8 (N, H, W, 3), for every camera of the card, in its size.
    Raises EpisodeError.
    """

    images: Mapping[str, NDArray[np.uint8]]

    def __post_init__(self) -> None:
        super().__post_init__()
        cameras = [camera.name for camera in self.card.cameras]
        if {*self.images} != {*cameras}:
            there = ", ".join(sorted(self.images)) or "none"
            raise EpisodeError(f"The episode has images of: {there}; the card's cameras are: {', '.join(cameras)}.")
        for camera in self.card.cameras:
            images = self.images[camera.name]
            if len(images) != len(self):
                what = f"{len(images)} images of the camera {camera.name!r}"
                raise EpisodeError(f"The episode has {what} for {len(self)} time steps.")
            try:
                check_image(images[0], camera)
            except ValueError as error:
                raise EpisodeError(str(error)) from error


def card_difference(ours: ActionCard, theirs: ActionCard) -> str:
    """The difference of two cards, as "KEY A instead of B, ..."; empty if they are equivalent.

    Names, notes and the columns of camera images may differ.
    """
    return ", ".join(_difference(key, mine, other) for key, mine, other in _different_keys(ours, theirs))


def card_differences(ours: ActionCard, theirs: ActionCard) -> str:
    """As `card_difference`, but with all differences of a list instead of the first."""
    found = (_all_differences(key, mine, other) for key, mine, other in _different_keys(ours, theirs))
    return ", ".join(one for some in found for one in some)


def _different_keys(ours: ActionCard, theirs: ActionCard) -> Iterator[tuple[str, Any, Any]]:
    mine, other = (
        json.loads(
            json.dumps(asdict(replace(card, cameras=tuple(replace(camera, column="") for camera in card.cameras))))
        )
        for card in (ours, theirs)
    )
    for key in mine:
        if key not in ("name", "notes") and mine[key] != other[key]:
            yield key, mine[key], other[key]


def _all_differences(key: str, ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from _all_differences(f"{key}[{i}]", a, b)
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours:
            yield from _all_differences(f"{key}.{name}", ours[name], theirs.get(name))
    elif ours != theirs:
        yield _difference(key, ours, theirs)


def _difference(key: str, ours: object, theirs: object) -> str:
    """For lists, the first differing entries."""
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return f"{key}: {len(theirs)} instead of {len(ours)}"
        index = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        return _difference(f"{key}[{index}]", ours[index], theirs[index])
    if isinstance(ours, dict) and isinstance(theirs, dict):
        changed = next(name for name in ours if ours[name] != theirs.get(name))
        return _difference(f"{key}.{changed}", ours[changed], theirs.get(changed))
    return f"{key} {json.dumps(theirs)} instead of {json.dumps(ours)}"
