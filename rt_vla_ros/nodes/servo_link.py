"""A MoveIt Servo on the graph: whether it is there or was replaced, and what it was asked for."""

from __future__ import annotations

from moveit_msgs.srv import ServoCommandType
from rclpy.node import Node
from std_srvs.srv import SetBool

from rt_vla_ros.nodes.service_request import ServiceRequest

TWIST = int(ServoCommandType.Request.TWIST)
# A Servo that does not answer for this long [s] is taken as not executing velocities.
UNANSWERED = 0.3


class ServoLink:
    """Times are of a steady clock [s].

    switch: asks for a command type. pause: asks for true, to pause, or false, to wake.
    """

    def __init__(self, node: Node, servo: str, status_topic: str) -> None:
        self._node, self._topic = node, status_topic
        self._switch_client = node.create_client(ServoCommandType, f"{servo}/switch_command_type")
        self._pause_client = node.create_client(SetBool, f"{servo}/pause_servo")
        self._switch_name = node.resolve_service_name(f"{servo}/switch_command_type")
        self._pause_name = node.resolve_service_name(f"{servo}/pause_servo")
        self.switch = ServiceRequest(
            lambda kind: self._switch_client.call_async(ServoCommandType.Request(command_type=kind)),
            lambda answer: bool(answer.success),
            self._switch_client.remove_pending_request,
        )
        self.pause = ServiceRequest(
            lambda pause: self._pause_client.call_async(SetBool.Request(data=pause)),
            lambda answer: bool(answer.success),
            self._pause_client.remove_pending_request,
        )
        self._known: set[tuple[int, ...]] = set()
        self.is_there = False

    @property
    def is_awake(self) -> bool:
        """Whether it is there and was unpaused by this node."""
        return self.is_there and self.pause.wanted is False and self.pause.is_taken

    def look_at_graph(self) -> bool:
        """Whether a Servo has appeared or was replaced; it has to be set up then."""
        infos = self._node.get_publishers_info_by_topic(self._topic)
        found = {tuple(info.endpoint_gid) for info in infos}
        offered = self._switch_client.service_is_ready() and self._pause_client.service_is_ready()
        was_there, self.is_there = self.is_there, bool(found) and offered
        if not self.is_there:
            self._known = set()
            return False
        is_new = not was_there or not found <= self._known
        self._known = found
        return is_new

    def reset(self) -> None:
        """Forgets the requests to the old Servo."""
        self.switch.reset()
        self.pause.reset()

    def look(self, now: float) -> None:
        """To be called often."""
        self.switch.look(now)
        self.pause.look(now)

    def problem(self, now: float) -> str | None:
        """Why it executes nothing, as a sentence."""
        if not self.is_there:
            return (
                f"No MoveIt Servo: the service {self._switch_name!r} is not available. Start it (`servo.launch.py`), "
                "or give "
                "the name of its node in the bridge's parameter `servo_node`."
            )
        if not self.switch.is_taken:
            if self.switch.refused:
                return (
                    f"Servo rejects velocities: {self._switch_name!r} did not accept TWIST. See its log for the reason."
                )
            return f"Servo's command type is not set yet: no answer from {self._switch_name!r}."
        if self.pause.wanted is False and not self.pause.is_taken:
            if self.pause.waiting(now) <= UNANSWERED:
                return "Servo is being unpaused for the first time." if self.pause.taken is None else None
            return (
                f"Servo does not unpause: no answer from {self._pause_name!r}. It may be waiting for a new joint "
                "state: is the arm's driver publishing? If so, restart Servo."
            )
        return None

    def warning(self, now: float) -> str | None:
        """Why Servo cannot be paused, as a sentence, or None."""
        if self.pause.wanted is True and self.pause.waiting(now) > 1.0:
            return f"Servo cannot be paused: no answer from {self._pause_name!r}. The arm stands still anyway."
        return None
