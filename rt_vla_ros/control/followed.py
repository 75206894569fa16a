"""What follows its commands, an arm or a mobile base: how closely, and what may be wrong if it does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Followed:
    """name: in sentences. prefix: of its parameters' names.

    own_axes: its velocities are in its own axes, otherwise in those of a frame that does not move.
    max_lag: how far it may be behind its commands [s]: all lags up to this are tried, and the best one counts.
    jitter: how much the lag may vary [s]: the clocks of stamps are not exact, and it has inertia.
    floor: measurement resolution over any time: translation [m] and rotation [rad].
    blocked, misdirected, slow, fast, loose: a question about the cause if it does not move, moves in another direction,
    too little, too much, or although it is commanded to stand still.
    """

    name: str
    prefix: str
    own_axes: bool
    max_lag: float
    jitter: float
    floor: tuple[float, float]
    blocked: str
    misdirected: str
    slow: str
    fast: str
    loose: str


ARM = Followed(
    name="arm",
    prefix="",
    own_axes=False,
    max_lag=0.2,
    jitter=0.015,
    floor=(0.0045, 0.035),
    blocked="Is it paused, is its driver not in velocity mode, or is it blocked by an obstacle?",
    misdirected="Does its driver interpret the velocities in a different frame?",
    slow="Is it slowed down by a limit, a smoothing filter or a scale of its driver, or near a singularity?",
    fast="Is another node commanding it as well, or does its driver scale velocities?",
    loose="Is another node commanding it, or does it not stop by itself?",
)
BASE = Followed(
    name="base",
    prefix="base_",
    own_axes=True,
    max_lag=0.4,
    jitter=0.03,
    floor=(0.02, 0.05),
    blocked="Is its driver running, is its emergency stop pressed, or is it blocked by an obstacle?",
    misdirected="Are its axes x forward and y left, and can it drive sideways?",
    slow="Is it slowed down by a limit of its driver, or do its wheels slip?",
    fast="Is another node commanding it as well, or does its driver scale velocities?",
    loose="Is another node commanding it, is it pushed or rolling, or was its odometry reset?",
)
