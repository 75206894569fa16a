"""Simultaneous requests from several robots to one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy

ActRequest = tuple[Policy, Observation]
"""A request: a robot's policy session and its current observation."""


def check_requests(requests: Sequence[ActRequest], most: int, belongs: Callable[[Policy], bool]) -> None:
    """Raises ValueError for more than `most` requests, two requests of one session, or a session of another policy."""
    if len(requests) > most:
        raise ValueError(f"got {len(requests)} requests, this policy takes {most} at a time")
    if len({id(session) for session, _ in requests}) < len(requests):
        raise ValueError("got two requests of one session; the second one must wait for the first one's action")
    for session, _ in requests:
        if not belongs(session):
            raise ValueError(f"got a request of another policy's session, {session.name}")


def outcome(session: Policy, observation: Observation) -> ActionChunk | Exception:
    """The result or error of `act`."""
    try:
        return session.act(observation)
    except Exception as error:  # reported to the robot that sent the request
        return error
