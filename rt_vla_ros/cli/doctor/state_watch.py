"""The robot state that a policy needs, watched for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.doctor.graph_look import GraphLook
from rt_vla_ros.cli.doctor.parameter_files import SIM_TIME
from rt_vla_ros.nodes.robot_state import RobotState
from rt_vla_ros.observations.robot_state import StateError

JOINTS, NUMBERS = "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray"
TYPES = {JOINTS: "joint_states", NUMBERS: "state"}
TYPE_OF_KIND = {"joint": JOINTS, "gripper": JOINTS, "topic": NUMBERS}


def needed_types(card: ActionCard | None) -> set[str]:
    """Names of the robot state topics that a policy node with this card subscribes to, besides TF."""
    kinds = {one.kind for one in card.state} if card is not None else set()
    return {TYPE_OF_KIND[kind] for kind in kinds if kind in TYPE_OF_KIND}


class StateWatch:
    """Listens from now on, as the policy node does.

    values: the policy node's parameters. full_name: its name. runs: whether it is on the graph; then its topics are
    those that it listens to. Raises ValueError where a parameter is missing that the card needs.
    """

    def __init__(
        self, look: GraphLook, card: ActionCard, values: Mapping[str, Any], full_name: str, *, runs: bool
    ) -> None:
        self._look, self._card, self._values = look, card, values
        listened = look.topics(full_name, published=False) if runs else []
        heard = {TYPES[kind]: topic for topic, kind in listened if kind in TYPES}
        space = full_name.rpartition("/")[0]
        topics = [heard.get(name, f"{space}/{name}") for name in TYPES.values()]
        self._state = RobotState(look.node, card, values, self._now_ns, threading.Condition(), (topics[0], topics[1]))

    def _now_ns(self) -> int:
        return int(self._look.clock_ns or 0) if self._values[SIM_TIME] else time.time_ns()

    def _stamp_ns(self) -> int:
        """Stamp of an image arriving now, to compare the state's stamps with."""
        return self._now_ns() - round(float(self._values["max_state_age"]) * 1e9)

    def findings(self) -> Iterator[Finding]:
        """What is missing, or the current state."""
        stamp_ns = self._stamp_ns()
        lacking = self._state.samples.lacking(stamp_ns)
        yield from (Finding(False, sentence) for sentence in lacking)
        if lacking:
            return
        try:
            numbers = zip(self._card.state, self._state.samples.at(stamp_ns), strict=True)
        except StateError as error:
            yield Finding(False, str(error))
        else:
            told = ", ".join(f"{one.name} {number:.3g} {one.unit}" for one, number in numbers)
            yield Finding(True, f"The robot's state is available: {told}.")
