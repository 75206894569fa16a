"""Keeps MoveIt Servo ready for velocities, and reports on `arm_status` whether it executes them.

The velocities do not pass through here: the smoother publishes them on Servo's own topic.
"""

from __future__ import annotations

import time
from typing import Any, NoReturn

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from rt_vla_ros.control.controller import LONGEST_REASON
from rt_vla_ros.control.status import State
from rt_vla_ros.msg import ArmStatus, ControllerStatus
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.managed import ManagedNode
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.running import end_process, run
from rt_vla_ros.nodes.servo_bridge_parameters import SERVO_BRIDGE_PARAMETERS
from rt_vla_ros.nodes.servo_pause import PausePlan
from rt_vla_ros.nodes.servo_watch import ServoWatch
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.velocity_rivals import VelocityRivals

LOOK_PERIOD = 0.02  # [s]
LOOKS_PER_STATUS = 2  # arm_status comes at 25 Hz, and at once where something changed
LOOKS_PER_GRAPH = 5
SMOOTHER_GONE = 50  # looks without a status of the smoother
NOT_CHECKED = "Servo's parameters are not checked (`check_servo_parameters` is false): distances may silently be wrong."


class ServoBridgeNode(ManagedNode):
    """All times are of the steady clock, also where the graph's time is a simulation's: Servo's loop is."""

    title = "The bridge to Servo"
    purpose = "to execute velocities"

    def __init__(self) -> None:
        super().__init__("servo_bridge_node")
        settings: dict[str, Any] = declare(self, SERVO_BRIDGE_PARAMETERS, **tables_of_others("servo_bridge_node"))
        servo, smoother = settings["servo_node"].rstrip("/"), settings["smoother_node"].rstrip("/")
        try:
            from moveit_msgs.msg import ServoStatus

            from rt_vla_ros.nodes.servo_checks import ServoChecks
            from rt_vla_ros.nodes.servo_link import TWIST, ServoLink
        except ImportError as error:
            raise StartError(
                f"MoveIt's messages are missing ({error}): sudo apt install ros-$ROS_DISTRO-moveit-msgs"
            ) from error
        self._twist = TWIST
        topic = self.resolve_topic_name(f"{servo}/status")
        self._watch, self._plan, self._link = ServoWatch(topic), PausePlan(), ServoLink(self, servo, topic)
        self._checks = ServoChecks(self, servo, smoother) if settings["check_servo_parameters"] else None
        self._rivals = VelocityRivals(self, f"{servo}/delta_twist_cmds")
        self._state, self._commanding, self._commander = int(State.IDLE), False, ""
        self._looks = self._smoother_silent = 0
        self._told: tuple[bool, str] | None = None
        self._statuses = self.create_publisher(ArmStatus, "arm_status", QoSProfile(depth=10))
        self.create_subscription(ServoStatus, topic, self._on_servo, QoSProfile(depth=10))
        lasting = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ControllerStatus, "controller_status", self._on_smoother, lasting)
        self.create_subscription(String, "instruction", self._on_instruction, QoSProfile(depth=10))
        self._diagnostics = Diagnostics(self, self._report)
        self.create_timer(LOOK_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.start(SERVO_BRIDGE_PARAMETERS, settings)

    def deactivate(self, sentence: str) -> None:
        """Pauses Servo once: whoever unpauses it has the arm."""
        now = time.monotonic()
        self._link.switch.reset()
        if self._link.is_there:
            self._link.pause.ask(True, now)
        self._tell(now, due=True)

    def _on_servo(self, message: Any) -> None:
        now = time.monotonic()
        if self._watch.status(message.code, now) and self._link.is_there:
            self._begin(now)  # a silent node may have been restarted
        self._tell(now)

    def _on_smoother(self, message: ControllerStatus) -> None:
        now = time.monotonic()
        self._smoother_silent = 0
        begins = message.state in (State.MOVING, State.HUMAN) and message.state != self._state
        begins |= message.commander == "human" != self._commander  # once more, in the same state
        self._commander = message.commander
        self._hear(message.state, message.commanding, now)
        if begins and self._link.is_there:
            self._begin(now)

    def _on_instruction(self, message: String) -> None:
        if message.data.strip():
            now = time.monotonic()
            self._plan.instruction(now)
            self._pause_or_wake(now)

    def _hear(self, state: int, commanding: bool, now: float) -> None:
        self._state, self._commanding = state, commanding
        self._watch.commanded(commanding, now)
        self._plan.smoother(state, commanding=commanding, now=now)
        self._pause_or_wake(now)

    def _begin(self, now: float) -> None:
        """Sets Servo up again: another node may have changed it, and parameters may be new."""
        if not self.is_open:
            return
        self._link.switch.ask(self._twist, now)
        if self._checks is not None:
            self._checks.read(now)

    def _pause_or_wake(self, now: float) -> None:
        """A Servo that is silent after unpausing may have been paused by an operator, who has to unpause it."""
        pause = self._plan.wants_pause(now) or self._rivals.problem is not None
        if self.is_open and not self._watch.is_silent and self._link.is_there and self._link.pause.wanted is not pause:
            self._link.pause.ask(pause, now)

    def _look(self) -> None:
        now = time.monotonic()
        self._looks += 1
        self._smoother_silent += 1
        is_new = self._looks % LOOKS_PER_GRAPH == 0 and self._link.look_at_graph()
        if is_new or (self.is_open and self._link.is_there and self._link.switch.wanted is None):
            self._meet(now)
        if self._smoother_silent == SMOOTHER_GONE and not self.get_parameter("use_sim_time").value:
            self._hear(int(State.FAULT), False, now)
        self._link.look(now)
        if self._checks is not None:
            self._checks.look(now)
        self._pause_or_wake(now)
        self._watch.look(now, awake=self._link.is_awake)
        self._tell(now, due=self._looks % LOOKS_PER_STATUS == 0)

    def _meet(self, now: float) -> None:
        """Sets up a new Servo."""
        self._watch.reset()
        self._link.reset()
        if self._checks is not None:
            self._checks.reset()
        self._begin(now)
        self._pause_or_wake(now)

    def _problem(self, now: float) -> str | None:
        """Why a velocity would not be executed now, as a sentence."""
        if (told := self.refusal or self._rivals.problem) is not None:
            return told
        settings = self._checks and self._checks.problem(now)
        if (problem := self._link.problem(now)) is not None and (not settings or not self._link.is_there):
            return problem
        if settings:
            return settings
        if (problem := self._watch.problem(now)) is not None:
            return problem
        if self._link.is_awake and not self._watch.is_heard:
            return "Servo's first status has not been received yet."
        return None

    def _tell(self, now: float, *, due: bool = False) -> None:
        """Publishes the status, periodically and on change."""
        problem = self._problem(now)
        reason = self._watch.slow_down() if problem is None else problem
        told = (problem is None, (reason or "")[:LONGEST_REASON])
        if due or told != self._told:
            self._told = told
            self._publish(*told)

    def _publish(self, ready: bool, reason: str) -> None:
        message = ArmStatus(ready=ready, reason=reason)
        message.header.stamp = time_message(self.get_clock().now().nanoseconds)
        self._statuses.publish(message)

    def _report(self) -> Report:
        now = time.monotonic()
        values = {
            "command_type": "TWIST" if self._link.switch.is_taken else "not reported yet",
            "paused": bool(self._link.pause.taken),
            "servo_status": self._watch.code if self._watch.is_heard else "",
        }
        if (problem := self._problem(now)) is not None:
            return Report(Level.ERROR if self.is_open else Level.WARN, problem, values)
        warnings = [
            self._watch.warning(),
            self._link.warning(now),
            self._checks.warning() if self._checks else NOT_CHECKED,
        ]
        if said := [warning for warning in warnings if warning]:
            return Report(Level.WARN, " ".join(said), values)
        asleep = self._link.pause.wanted is True
        well = "Servo is paused until it is needed." if asleep else "Servo executes velocities."
        return Report(Level.OK, well, values)

    def callback_failed(self, where: str, error: Exception) -> str:
        """Reports the fault on `arm_status`, so that nothing moves under a node whose callbacks fail."""
        sentence = super().callback_failed(where, error)
        self._publish(False, f"The bridge to Servo has a fault: {sentence}")
        return sentence

    def close(self) -> None:
        """Reports as the last message that Servo is no longer supervised."""
        super().close()
        self._publish(False, "The bridge to Servo was shut down.")


def main() -> NoReturn:
    """The program `servo_bridge_node`."""
    end_process(run(ServoBridgeNode))


if __name__ == "__main__":
    main()
