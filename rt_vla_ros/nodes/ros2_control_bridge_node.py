"""Converts the smoother's tip velocities to commands of a ros2_control joint group controller, without MoveIt."""

from __future__ import annotations

import time
from typing import Any, NoReturn

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String

from rt_vla_ros.arms.chain import Chain, ChainError, read_chain
from rt_vla_ros.arms.joint_commander import JointCommander
from rt_vla_ros.msg import ArmStatus
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.controller_watch import ControllerWatch
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.managed import ManagedNode
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.ros2_control_parameters import ROS2_CONTROL_BRIDGE_PARAMETERS, commander_settings, joint_names
from rt_vla_ros.nodes.running import end_process, run
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.transform_tree import TransformTree, rotation_of
from rt_vla_ros.nodes.velocity_rivals import VelocityRivals

Floats = NDArray[np.float64]
STATUS_PERIOD = 0.05  # [s]
# Without a tick for this time, by the steady clock, the node's own clock is stopped [s].
CLOCK_STANDS = 0.5
LONGEST_REASON = 1000  # [characters]


class Ros2ControlBridgeNode(ManagedNode):
    """Everything happens in the executor's one thread; only the solver is a process of its own.

    commander: None until a robot description has come that describes the arm.
    """

    title = "The bridge to ros2_control"
    purpose = "to execute velocities"

    def __init__(self) -> None:
        super().__init__("ros2_control_bridge_node")
        others = tables_of_others("ros2_control_bridge_node")
        self._settings: dict[str, Any] = declare(self, ROS2_CONTROL_BRIDGE_PARAMETERS, **others)
        s = self._settings
        if s["max_condition"] <= s["max_condition_slow"]:
            raise StartError("The parameter 'max_condition' must be greater than 'max_condition_slow'.")
        self._commander_settings = commander_settings(s)
        self.commander: JointCommander | None = None
        self._description = ""
        self._refusal: str | None = None
        self._twist: TwistStamped | None = None
        self._ticked = time.monotonic()
        self._ready: bool | None = None
        self._tree = TransformTree(self, self._now_ns)
        self._rivals = VelocityRivals(self, "delta_twist_cmds")
        manager = s["controller_manager"].rstrip("/")
        self._watch = ControllerWatch(
            self,
            manager,
            s["controller"],
            s["command_interface"],
            may_switch=lambda: s["switch_controllers"] and self.is_open,
        )
        space = manager.rpartition("/")[0]
        topic = f"{space}/{s['controller']}/commands" if "/" in manager else f"{s['controller']}/commands"
        reliable, lasting = QoSProfile(depth=10), QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._commands = self.create_publisher(Float64MultiArray, topic, QoSProfile(depth=1))
        self._statuses = self.create_publisher(ArmStatus, "arm_status", reliable)
        self.create_subscription(String, "robot_description", self._on_description, lasting)
        newest = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(JointState, "joint_states", self._on_joints, newest)
        self.create_subscription(TwistStamped, "delta_twist_cmds", self._on_twist, QoSProfile(depth=1))
        self._diagnostics = Diagnostics(self, self._report)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        simulated = bool(self.get_parameter("use_sim_time").value)
        self.create_timer(1 / s["command_rate"], self._on_tick, clock=self.get_clock() if simulated else steady)
        self.create_timer(STATUS_PERIOD, self._publish_status, clock=steady)
        self.start(ROS2_CONTROL_BRIDGE_PARAMETERS, s)

    def activate(self) -> None:
        """Retries a solver that was given up."""
        if self.commander is not None and self.commander.solver.is_given_up:
            self._meet_arm()

    def deactivate(self, sentence: str) -> None:
        """Stops the arm and drops earlier velocities."""
        self._twist = None
        if self.commander is not None:
            self._command(self.commander.stand_still())
        self._publish_status()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _now(self) -> float:
        return convert.seconds(self._now_ns())

    # In --------------------------------------------------------------------------------------------------------------

    def _on_description(self, message: String) -> None:
        """An identical description changes nothing; a different one is a new arm."""
        if message.data == self._description:
            return
        self._description = message.data
        self._meet_arm()

    def _meet_arm(self) -> None:
        """Sets up the arm of the robot description, with its own solver."""
        self._forget_arm()
        try:
            chain = read_chain(self._description, self._settings["tip_frame"], self._settings["base_frame"])
            self.commander = self._make_commander(chain)
        except ChainError as error:
            self._refusal = str(error)
            return
        self._refusal = None
        self._watch.watch(self.commander.joints)
        names = ", ".join(self.commander.joints)
        self.get_logger().info(f"The arm's chain is {chain.base} to {chain.tip}, with the joints {names}.")

    def _make_commander(self, chain: Chain) -> JointCommander:
        chain = chain.with_accelerations(self._settings["max_joint_acceleration"])
        return JointCommander(chain, joint_names(self._settings), self._commander_settings)

    def _on_joints(self, message: JointState) -> None:
        if self.commander is None:
            return
        stamp = convert.stamp_seconds(message.header.stamp)
        refused = self.commander.feedback.put(list(message.name), list(message.position), stamp, self._now())
        if refused is not None:
            self.drop("joint_states", refused)

    def _on_twist(self, message: TwistStamped) -> None:
        refused = convert.refuse_stamp(message.header.stamp)
        if refused is not None:
            self.drop("delta_twist_cmds", refused)
        else:
            self._twist = message

    # Out -------------------------------------------------------------------------------------------------------------

    def _on_tick(self) -> None:
        self._ticked = time.monotonic()
        if self.commander is None:
            return
        now = self._now()
        twist = self._fresh_twist(now)
        problem = self.refusal or self._rivals.problem or self._watch.problem
        if isinstance(twist, str):
            problem, twist = problem or twist, None
        self._command(self.commander.tick(now, twist, problem))
        if (self._reason() is None) is not self._ready:
            self._publish_status()

    def _fresh_twist(self, now: float) -> Floats | str | None:
        """In the axes of the chain's base, shape (6,); None if none counts; a sentence where it cannot be used."""
        if self._twist is None:
            return None
        if abs(now - convert.stamp_seconds(self._twist.header.stamp)) > self._settings["twist_timeout"]:
            self._twist = None
            return None
        turn = self._turn(self._twist.header.frame_id.lstrip("/"))
        if isinstance(turn, str):
            return turn
        twist = convert.twist_from_message(self._twist)
        with np.errstate(all="ignore"):  # what is not finite is refused by the commander
            return np.concatenate((turn @ twist.linear, turn @ twist.angular))

    def _turn(self, frame: str) -> Floats | str:
        """From the axes of a frame to those of the chain's base, shape (3, 3)."""
        assert self.commander is not None
        base = self.commander.base
        if frame == base:
            return np.eye(3)
        if not frame:
            return "A velocity has no frame (header.frame_id)."
        placed = self._tree.lookup(base, frame)
        if isinstance(placed, str):
            return f"Velocities are in the frame {frame!r}, which TF cannot transform to {base!r}: {placed}."
        return rotation_of(placed.transform)

    def _command(self, values: Floats | None) -> None:
        if values is not None and np.isfinite(values).all():
            self._commands.publish(Float64MultiArray(data=values.tolist()))

    def _reason(self) -> str | None:
        """Why the arm does not execute velocities, as a sentence."""
        if self.refusal is not None:
            return self.refusal
        if self._refusal is not None:
            return self._refusal
        if self.commander is None:
            topic = self.resolve_topic_name("robot_description")
            return f"No robot description received on {topic!r}: is robot_state_publisher running?"
        if time.monotonic() - self._ticked > CLOCK_STANDS:
            return "The node's clock is stopped (use_sim_time): is the simulator running?"
        return self._rivals.problem or self._watch.problem or self.commander.reason

    def _publish_status(self) -> None:
        reason, commander = self._reason(), self.commander
        self._ready = reason is None
        if reason is None and commander is not None:
            reason = commander.warning
        message = ArmStatus(ready=self._ready, reason=(reason or "")[:LONGEST_REASON])
        message.header.stamp = convert.time_message(self._now_ns())
        self._statuses.publish(message)

    def _report(self) -> Report:
        reason, commander = self._reason(), self.commander
        if reason is not None:
            level, message = Level.ERROR if self.is_open else Level.WARN, reason
        elif commander is not None and commander.warning is not None:
            level, message = Level.WARN, commander.warning
        elif self._commands.get_subscription_count() == 0:
            level, message = Level.WARN, f"No subscriber for the commands on {self._commands.topic_name!r}."
        elif self._watch.warning is not None:
            level, message = Level.WARN, self._watch.warning
        else:
            level, message = Level.OK, "Executing velocities."
        values: dict[str, object] = {"controller": self._settings["controller"]}
        if commander is not None:
            values |= {
                "joints": ", ".join(commander.joints),
                "solver": commander.solver.about,
                "solver_starts": commander.solver.started,
            }
        return Report(level, message, values)

    def callback_failed(self, where: str, error: Exception) -> str:
        """Stops the arm: it must not move under a node whose callbacks fail."""
        sentence = super().callback_failed(where, error)
        self._twist = None
        if self.commander is not None:
            self._command(self.commander.stand_still())
        return sentence

    def _forget_arm(self) -> None:
        if self.commander is not None:
            self._command(self.commander.stand_still())
            self.commander.close()
            self.commander = None

    def close(self) -> None:
        """Commands standstill as the last message."""
        super().close()
        self._forget_arm()
        self._publish_status()


def main() -> NoReturn:
    """The program `ros2_control_bridge_node`."""
    end_process(run(Ros2ControlBridgeNode))


if __name__ == "__main__":
    main()
