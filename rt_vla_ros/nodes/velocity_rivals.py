"""Detects several publishers of the velocities of an arm or a base, which would follow them in turn."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.nodes.sources import Sources

CHECK_PERIOD = 0.1  # [s]
ALLOW_OTHER_VELOCITIES = Parameter(
    "allow_other_velocities",
    False,
    "Allow motion while several nodes publish on the arm's velocity topic.",
)


class VelocityRivals:
    """For the smoother, and for the bridges that execute its velocities.

    problem: the publishers, as a sentence; None unless there are several. Of one name there are two where an old
    process still runs, or where the middleware has not missed one that died: nobody can know which, and nothing moves.
    """

    def __init__(self, node: Node, *topics: str) -> None:
        """topics: as the node names them. The node has the parameter ALLOW_OTHER_VELOCITIES."""
        self.problem: str | None = None
        if node.get_parameter(ALLOW_OTHER_VELOCITIES.name).value:
            return
        self._sources = {topic: Sources(node, topic) for topic in map(node.resolve_topic_name, topics)}
        node.create_timer(CHECK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _look(self) -> None:
        self.problem = None
        for topic, sources in self._sources.items():
            names = sources.names()
            if len(names) > 1:
                self.problem = (
                    f"{topic!r} has {len(names)} publishers, {' and '.join(names)}, and nothing moves until there is "
                    "only one: stop all but one. Some middlewares detect a dead process only after 20 s. To allow "
                    f"several, set {ALLOW_OTHER_VELOCITIES.name}."
                )
                return
