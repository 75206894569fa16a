"""Checks whether recorded actions are plausible for their card: units, ranges and conventions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, kind_of_motion, part_of
from rt_vla_ros.action_space.state import StateDimension

MAX_CLIPPED = 0.05
"""Share of a dimension's values that may be outside its range."""
FASTEST = {"translation": 3.0, "rotation": 10.0, "base_translation": 3.0, "base_rotation": 10.0}
"""Highest plausible speeds [m/s], [rad/s]: collaborative arms reach 1 to 2 m/s and 3 rad/s at the tool."""
NORMALISED = 1.001  # values in a controller's or data set's own scale are within -1 ... 1
STANDSTILL, LITTLE = 0.02, 0.1  # of the range between open and closed
ROUNDING = 1e-3  # share of a state's range: datasets store float32
NEARLY_ALL = 0.9


class ImplausibleActionsError(ValueError):
    """The numbers are implausible for the card; the message says why and what they look like."""


@dataclass(frozen=True)
class DimensionUse:
    """How recorded values use a dimension's range.

    low, high: 1st and 99th percentile, in the dimension's unit. largest: 99th percentile of the absolute value.
    clipped: share outside the range by more than half a bin, 0 ... 1; for `terminate`, of numbers that are not a mode.
    """

    dimension: ActionDimension
    low: float
    high: float
    largest: float
    clipped: float


def measure_use(card: ActionCard, values: NDArray[np.float64]) -> tuple[DimensionUse, ...]:
    """values: (N, D) in the card's dimensions and units, finite, N >= 1."""
    uses = []
    for dimension, column in zip(card.dimensions, values.T, strict=True):
        low, high = np.percentile(column, (1, 99))
        largest = np.percentile(np.abs(column), 99)
        clipped = _outside(dimension, column, card.bins).mean()
        uses.append(DimensionUse(dimension, float(low), float(high), float(largest), float(clipped)))
    return tuple(uses)


def check_recorded(card: ActionCard, values: NDArray[np.float64]) -> tuple[DimensionUse, ...]:
    """See measure_use. Raises ImplausibleActionsError if the values are implausible for the card."""
    uses = measure_use(card, values)
    clipped = [use for use in uses if use.clipped > MAX_CLIPPED and use.dimension.role != "unused"]
    if clipped:
        raise ImplausibleActionsError(
            f"Of {len(values)} recorded actions, these are outside the card's range: "
            + "; ".join(clipped_sentence(use) for use in clipped)
            + f". At most {MAX_CLIPPED:.0%} are allowed, because they would be clipped to the range. Convert the "
            "recorded actions to the card's units, or correct the card."
        )
    if not card.postprocessing:
        check_speed({use.dimension: use.largest for use in uses}, card.control_rate)
        check_moves(card, uses)
    check_gripper(card, values)
    check_terminate(card, values)
    return uses


def check_recorded_state(card: ActionCard, states: NDArray[np.float64]) -> None:
    """states: (N, S) in the card's order and units, finite, N >= 1.

    Raises ImplausibleActionsError if more than MAX_CLIPPED of a dimension's values are outside the card's range.
    """
    clipped = []
    for one, column in zip(card.state, states.T, strict=True):
        margin = ROUNDING * (one.high - one.low)
        share = float(((column < one.low - margin) | (column > one.high + margin)).mean())
        if share > MAX_CLIPPED:
            low, high = np.percentile(column, (1, 99))
            kind = {"rad": "rotation", "m": "translation"}.get(one.unit)
            guess = other_unit(kind, float(np.percentile(np.abs(column), 99)))
            looks = f": they look like {guess}" if guess else ""
            clipped.append(f"{share:.1%} of {one.name!r} ({_span(one)}; most are {low:.3g} to {high:.3g}){looks}")
    if clipped:
        raise ImplausibleActionsError(
            f"Of {len(states)} recorded states, these are outside the card's range: {'; '.join(clipped)}. At most "
            f"{MAX_CLIPPED:.0%} are allowed, because they would be clipped to the range. Convert the recorded "
            "states to the card's units, or correct the card's `state`."
        )


def check_speed(largest: Mapping[ActionDimension, float], control_rate: float) -> None:
    """largest: largest absolute values [m], [rad] per action; control_rate [Hz].

    Raises ImplausibleActionsError for a speed that no arm, or no base, has.
    """
    for dimension, value in largest.items():
        kind = kind_of_motion(dimension.role)
        if kind is not None and value * control_rate > FASTEST[kind]:
            raise ImplausibleActionsError(
                f"{dimension.name!r} goes up to {value:.3g} {dimension.unit} per action, at {control_rate:g} Hz "
                f"{value * control_rate:.3g} {dimension.unit}/s: no {part_of(kind)} is as fast "
                f"(at most {FASTEST[kind]:g})."
                f"{_looks_like(kind, value)}"
            )


def table(uses: Sequence[DimensionUse]) -> str:
    """A Markdown table of the used range and the clipped share of each dimension."""
    rows = ["| dimension | range | 1 % to 99 % of the values | clipped |", "|---|---|---|---|"]
    for use in uses:
        if use.dimension.role != "terminate":
            dimension = use.dimension
            rows.append(
                f"| `{dimension.name}` | {_span(dimension)} | {use.low:.3g} to {use.high:.3g} | {use.clipped:.1%} |"
            )
    return "\n".join(rows)


def _outside(dimension: ActionDimension, column: NDArray[np.float64], bins: int) -> NDArray[np.bool_]:
    if dimension.role == "terminate":
        return ~np.isin(column, np.arange(len(dimension.modes)))
    half = 0.5 * (dimension.high - dimension.low) / (bins - 1)
    outside: NDArray[np.bool_] = (column < dimension.low - half) | (column > dimension.high + half)
    return outside


def clipped_sentence(use: DimensionUse) -> str:
    """A phrase about the share of a dimension outside its range, and the likely cause."""
    dimension = use.dimension
    if dimension.role == "terminate":
        modes = ", ".join(f"{i} {mode}" for i, mode in enumerate(dimension.modes))
        return f"{use.clipped:.1%} of {dimension.name!r}, which must be one of {modes}"
    return (
        f"{use.clipped:.1%} of {dimension.name!r} ({_span(dimension)}; most are {use.low:.3g} to {use.high:.3g})"
        f"{_looks_like(kind_of_motion(dimension.role), use.largest, use)}"
    )


def _span(dimension: ActionDimension | StateDimension) -> str:
    unit = "" if dimension.unit == "1" else f" {dimension.unit}"
    return f"{dimension.low:g} to {dimension.high:g}{unit}"


def _looks_like(kind: str | None, largest: float, use: DimensionUse | None = None) -> str:
    """The likely cause in words; empty if there is none."""
    guess = other_unit(kind, largest)
    if not guess and kind is not None:
        if use is not None and min(abs(use.low), abs(use.high)) > use.high - use.low:
            guess = "absolute poses instead of displacements"
        elif 0.3 < largest <= NORMALISED:
            guess = "values in a controller's own scale, -1 to 1"
    return f" These look like {guess}." if guess and use is None else f": they look like {guess}" if guess else ""


def other_unit(kind: str | None, largest: float) -> str:
    """The probable unit of numbers up to `largest`; empty if they may be [m] or [rad]."""
    if kind in ("rotation", "base_rotation") and largest > 2 * math.pi:
        return "degrees"
    if largest <= 2:
        return ""
    guesses = {"translation": "millimeters, or joint angles in degrees", "base_translation": "millimeters"}
    return guesses.get(kind or "", "")


def check_moves(card: ActionCard, uses: Sequence[DimensionUse]) -> None:
    """Raises ImplausibleActionsError unless some dimension has values more than half a bin from 0."""
    moving = [use for use in uses if kind_of_motion(use.dimension.role)]
    bins = [(use.dimension.high - use.dimension.low) / (card.bins - 1) for use in moving]
    if moving and all(use.largest < size / 2 for use, size in zip(moving, bins, strict=True)):
        used = "; ".join(f"{use.dimension.name!r} ({_span(use.dimension)}) up to {use.largest:.3g}" for use in moving)
        raise ImplausibleActionsError(
            f"The recorded actions are all in the bin of 0: {used}. A policy trained on them would stand "
            "still. If the arm moved during the recording, convert the recorded actions to the card's "
            "units, or correct the card."
        )


def check_gripper(card: ActionCard, values: NDArray[np.float64]) -> None:
    """Checks that a gripper moves, and that a gripper with two values is not half open at one of them.

    Some grippers close only to an object's width: the two values need not be those of open and closed.
    values: as in `check_recorded`. Raises ImplausibleActionsError.
    """
    index = card.index("gripper")
    if index is None or card.postprocessing:
        return
    told = np.unique(values[:, index])
    places = (told - card.gripper_open) / (card.gripper_closed - card.gripper_open)
    two = len(told) == 2
    halfway = two and (np.abs(places - 0.5) < STANDSTILL).any()
    if halfway or (0 if two else STANDSTILL) < np.ptp(places) <= LITTLE:
        raise ImplausibleActionsError(
            f"The gripper is only commanded to {told[0]:g} {'and' if two else 'to'} {told[-1]:g}, but the card says "
            f"that it is open at {card.gripper_open:g} and closed at {card.gripper_closed:g}. Correct gripper_open and "
            "gripper_closed, and the range of that dimension."
        )


def check_terminate(card: ActionCard, values: NDArray[np.float64]) -> None:
    """Raises ImplausibleActionsError if nearly all values (see `check_recorded`) are 'terminate'."""
    index = card.index("terminate")
    if index is None:
        return
    modes = card.dimensions[index].modes
    share = float((values[:, index] == modes.index("terminate")).mean())
    if share > NEARLY_ALL:
        raise ImplausibleActionsError(
            f"{share:.0%} of the recorded actions are 'terminate'. Probably the modes of "
            f"{card.dimensions[index].name!r} are in another order than the card's {list(modes)}."
        )
