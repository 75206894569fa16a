"""Converts messages of times, actions and velocities to the package's own types and back; for images see `images`."""

from __future__ import annotations

import math
from array import array

import numpy as np
from builtin_interfaces.msg import Duration as DurationMsg
from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import TwistStamped, Vector3
from numpy.typing import NDArray
from std_msgs.msg import Header

from rt_vla_ros.action_space.card import BASE_ROLES, LONGEST_HORIZON
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.ensemble import ALONE, NEWEST, Ensemble
from rt_vla_ros.control.twist import Twist
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import EndEffectorStep as StepMsg

NANOSECONDS = 1_000_000_000
LATEST_NS = 2**31 * NANOSECONDS - 1


def nanoseconds(message: TimeMsg | DurationMsg) -> int:
    """A time or duration in whole nanoseconds."""
    return int(message.sec) * NANOSECONDS + int(message.nanosec)


def refuse_stamp(message: TimeMsg) -> str | None:
    """Why a stamp is invalid, as a sentence, else None."""
    if message.sec >= 0 and message.nanosec < NANOSECONDS:
        return None
    return f"The stamp is {message.sec} s and {message.nanosec} ns, expected 0 s or more and less than 10^9 ns."


def stamp_seconds(message: TimeMsg) -> float:
    """A stamp in [s]; NaN if it is invalid."""
    return seconds(nanoseconds(message)) if refuse_stamp(message) is None else math.nan


def seconds(time_ns: int) -> float:
    """The float64 nearest to a time in nanoseconds [s]."""
    return time_ns / NANOSECONDS


def time_message(time_ns: int) -> TimeMsg:
    """A time in nanoseconds as a message; clipped to the latest that a message can hold (2038)."""
    whole, rest = divmod(min(time_ns, LATEST_NS), NANOSECONDS)
    return TimeMsg(sec=whole, nanosec=rest)


def duration_message(duration_ns: int) -> DurationMsg:
    """A duration in nanoseconds as a message."""
    whole, rest = divmod(duration_ns, NANOSECONDS)
    return DurationMsg(sec=whole, nanosec=rest)


def chunk_message(chunk: ActionChunk, stamp_ns: int, frame_id: str, latency_ns: int) -> ChunkMsg:
    """stamp_ns: of the oldest image that the policy looked at. latency_ns: as in the message."""
    return ChunkMsg(
        header=Header(stamp=time_message(stamp_ns), frame_id=frame_id),
        steps=[_step_message(step) for step in chunk.steps],
        period=duration_message(round(chunk.period * NANOSECONDS)),
        terminate=chunk.terminate,
        confidence=float(chunk.confidence),
        legal_probability=float(chunk.legal_probability),
        plan=chunk.plan,
        tokens=array("i", chunk.tokens),
        latency=duration_message(latency_ns),
        ensemble=chunk.ensemble.rule,
        ensemble_weight=float(chunk.ensemble.weight),
        ensemble_chunks=chunk.ensemble.chunks,
    )


def chunk_from_message(message: ChunkMsg) -> ActionChunk:
    """The reverse of `chunk_message`; `frame_id` is the header's, and a period that is no duration is NaN.

    A terminate is one whatever the rest says. Of too many steps one more is left than a controller takes. Raises
    ValueError for an ensemble that there is not.
    """
    steps = tuple(_step(step) for step in message.steps[: LONGEST_HORIZON + 1])
    if message.terminate and not (steps and steps[0].terminate):
        steps = (EndEffectorStep.still(terminate=True),)
    return ActionChunk(
        steps,
        period=seconds(nanoseconds(message.period)) if message.period.nanosec < NANOSECONDS else math.nan,
        confidence=message.confidence,
        legal_probability=message.legal_probability,
        tokens=tuple(message.tokens),
        plan=message.plan,
        frame_id=message.header.frame_id,
        ensemble=_ensemble(message) if moves(message) else NEWEST,
    )


def moves(message: ChunkMsg) -> bool:
    """Whether it has steps to be done: it is neither a terminate nor one that only drops what was decided before."""
    return bool(message.steps) and not message.terminate and not message.steps[0].terminate


def _ensemble(message: ChunkMsg) -> Ensemble:
    if message.ensemble in ("", *ALONE):
        return Ensemble(message.ensemble or NEWEST.rule)
    return Ensemble(message.ensemble, message.ensemble_weight, message.ensemble_chunks)


def _step_message(step: EndEffectorStep) -> StepMsg:
    return StepMsg(
        translation=_vector_message(step.translation),
        rotation=_vector_message(step.rotation),
        gripper=float(step.gripper),
        terminate=bool(step.terminate),
        **{name: float(value) for name, value in zip(BASE_ROLES, step.base, strict=True)},
    )


def _step(message: StepMsg) -> EndEffectorStep:
    translation, rotation = _vector(message.translation), _vector(message.rotation)
    base = np.array([message.base_x, message.base_y, message.base_yaw])
    return EndEffectorStep(translation, rotation, message.gripper, message.terminate, base)


def twist_message(velocity: Twist, stamp_ns: int) -> TwistStamped:
    """A velocity, in the axes of its frame."""
    message = TwistStamped(header=Header(stamp=time_message(stamp_ns), frame_id=velocity.frame_id))
    message.twist.linear = _vector_message(velocity.linear)
    message.twist.angular = _vector_message(velocity.angular)
    return message


def twist_from_message(message: TwistStamped) -> Twist:
    """The inverse of `twist_message`."""
    return Twist(_vector(message.twist.linear), _vector(message.twist.angular), message.header.frame_id)


def _vector(message: Vector3) -> NDArray[np.float64]:
    return np.array([message.x, message.y, message.z])


def _vector_message(vector: NDArray[np.float64]) -> Vector3:
    x, y, z = map(float, vector)
    return Vector3(x=x, y=y, z=z)
