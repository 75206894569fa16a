"""The simulated arm and its cameras on a ROS graph: subscribes to velocities, publishes images and states."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, Float64

from rt_vla_ros.control.twist import Twist
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report, listed
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.running import ProgramNode, end_process, run
from rt_vla_ros.nodes.sim_arm_parameters import sim_arm_parameters
from rt_vla_ros.nodes.sim_frames import SimFrames
from rt_vla_ros.nodes.sim_publishers import SimPublishers
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.nodes.velocity_rivals import VelocityRivals
from rt_vla_ros.sim import SUITES, Outcome, TabletopSim
from rt_vla_ros.sim.pacing import LockStep, StepStatus, WallPace
from rt_vla_ros.sim.world import STEP_NS, SimWorld
from rt_vla_ros.srv import ResetScene, TaskOutcome

SIM_ARM_PARAMETERS = sim_arm_parameters(tuple(SUITES))
REPEAT_PERIOD = 0.5  # [s]


class SimArmNode(ProgramNode):
    """Everything happens in the executor's one thread, which therefore also owns the graphics context."""

    def __init__(self) -> None:
        super().__init__("sim_arm_node")
        self._settings: dict[str, Any] = declare(self, SIM_ARM_PARAMETERS, **tables_of_others("sim_arm_node"))
        self._cameras = ("front", "wrist") if self._settings["wrist_image"] else ("front",)
        self._world = self._make_world()
        self._own_clock = self._settings["publish_clock"] or self._settings["lock_step"]
        self._outputs = SimPublishers(self, self._world.sim, self._cameras, clock=self._own_clock)
        self._frames = SimFrames(self, self._world.sim, self._stamp_ns)
        self._rivals = VelocityRivals(self, "delta_twist_cmds")
        self._twist: tuple[int, Twist] | None = None
        self._unresolved: TwistStamped | None = None  # lock step waits for it
        self._gripper: float | None = None
        self._message = "No command received yet."
        reliable = QoSProfile(depth=10)
        self.create_subscription(TwistStamped, "delta_twist_cmds", self._on_twist, reliable)
        self.create_subscription(Float64, "gripper_command", self._on_gripper, reliable)
        self.create_subscription(ControllerStatus, "controller_status", self._on_status, reliable)
        self.create_subscription(ChunkMsg, "action", self._on_action, reliable)
        self.create_subscription(Bool, "terminate", self._on_terminate, reliable)
        self.create_service(ResetScene, "~/reset_scene", self._on_reset_scene)
        self.create_service(TaskOutcome, "~/outcome", self._on_outcome)
        self._diagnostics = Diagnostics(self, self._report)
        self._steps_per_image = _whole(50 / self._settings["image_rate"], "image_rate", "50 Hz by a whole number")
        self._pace = WallPace(STEP_NS)
        self._until_image = 0
        self._published = time.monotonic()
        self._lock_step = self._make_lock_step() if self._settings["lock_step"] else None
        if self._lock_step is None:
            self.create_timer(STEP_NS / 1e9, self._on_wall_tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        else:
            self.create_timer(REPEAT_PERIOD / 2, self._on_repeat, clock=Clock(clock_type=ClockType.STEADY_TIME))
            self._lock_step.begin()
        self.get_logger().info(f"Scene: {self._world.scene.task.instruction!r}.")

    def _make_world(self) -> SimWorld:
        s = self._settings
        try:
            sim = TabletopSim(size=(s["image_width"], s["image_height"]))
            world = SimWorld(sim, s["suite"], s["seed"], s["instruction"])
            sim.render("front")
        except (ValueError, OSError, RuntimeError) as error:
            raise StartError(f"The simulated arm cannot start: {error}") from error
        return world

    # Pace ------------------------------------------------------------------------------------------------------------

    def _make_lock_step(self) -> LockStep:
        steps = _whole(self._settings["policy_period"] / 0.02, "policy_period", "a multiple of 0.02 s")
        return LockStep(self, steps * STEP_NS)

    def _on_wall_tick(self) -> None:
        for _ in range(self._pace.due(time.monotonic_ns())):
            gripper, self._gripper = self._gripper, None
            self.advance(self._fresh_twist(), gripper)
            if self._own_clock:
                self.publish_clock(self._world.time_ns)
            stamp_ns = self._stamp_ns()
            self._outputs.publish_state(stamp_ns)
            if self._until_image == 0:
                self._outputs.publish_images(stamp_ns)
            self._until_image = (self._until_image + 1) % self._steps_per_image

    def _on_repeat(self) -> None:
        if self._unresolved is not None:
            self._on_twist(self._unresolved)
            self._outputs.publish_state(self._stamp_ns())  # its frame may be attached to one of the arm's
        if self._lock_step is not None and time.monotonic() - self._published > REPEAT_PERIOD:
            self._lock_step.repeat()

    def _fresh_twist(self) -> Twist | None:
        if self._rivals.problem is not None:
            self._twist = None
        if self._twist is None:
            return None
        stamp_ns, twist = self._twist
        # A stamp from the future would stay fresh for too long: commands from another clock are ignored.
        age_ns = self._stamp_ns() - stamp_ns
        if abs(age_ns) <= self._settings["twist_timeout"] * 1e9:
            return twist
        self._twist = None
        self._message = "Standing still: no recent velocity command."
        if age_ns < 0:
            self._message += f" The last one is stamped {convert.seconds(-age_ns):.2f} s in the future."
        return None

    # What LockStep drives --------------------------------------------------------------------------------------------

    @property
    def time_ns(self) -> int:
        """See pacing.SteppedSimulation."""
        return self._world.time_ns

    def advance(self, twist: Twist | None, gripper: float | None) -> None:
        """See pacing.SteppedSimulation."""
        self._world.advance(twist, gripper)
        self._outputs.publish_whole_state()

    def publish_clock(self, time_ns: int) -> None:
        """See pacing.SteppedSimulation."""
        self._published = time.monotonic()
        self._outputs.publish_clock(time_ns)

    def publish_images(self) -> None:
        """See pacing.SteppedSimulation."""
        self._published = time.monotonic()
        self._outputs.publish_state(self._stamp_ns())
        if self._time_is_up():
            return
        self._outputs.publish_images(self._stamp_ns())

    def _time_is_up(self) -> bool:
        """Without an image there is no action, and without an action no step."""
        limit = float(self._settings["time_limit"])
        return 0 < limit <= self._world.sim.time + STEP_NS / 2e9

    def _stamp_ns(self) -> int:
        return self._world.time_ns if self._own_clock else int(self.get_clock().now().nanoseconds)

    # In --------------------------------------------------------------------------------------------------------------

    def _on_twist(self, message: TwistStamped) -> None:
        if self._rivals.problem is not None:
            return
        stamp_ns, no_time = convert.nanoseconds(message.header.stamp), convert.refuse_stamp(message.header.stamp)
        twist = no_time or self._frames.resolve(convert.twist_from_message(message))
        # Its frame may be one of which this node has yet to hear; in lock step nobody sends the velocity again.
        self._unresolved = message if isinstance(twist, str) else None
        if isinstance(twist, str):
            self._message = twist
            return
        self._message = "Following velocity commands."
        if self._lock_step is not None:
            self._lock_step.on_twist(stamp_ns, twist)
        else:
            self._twist = (stamp_ns, twist)

    def _on_gripper(self, message: Float64) -> None:
        if not 0 <= message.data <= 1:
            self._message = f"The gripper command is {message.data}, expected 0 (open) to 1 (closed)."
        elif self._lock_step is not None:
            self._lock_step.on_gripper(message.data)
        else:
            self._gripper = message.data

    def _on_status(self, message: ControllerStatus) -> None:
        if self._lock_step is not None:
            self._lock_step.on_status(
                StepStatus(
                    convert.nanoseconds(message.header.stamp),
                    convert.nanoseconds(message.action_stamp),
                    convert.nanoseconds(message.refused_stamp),
                    message.state,
                    message.commanding,
                    message.gripper_commanded,
                )
            )

    def _on_action(self, message: ChunkMsg) -> None:
        self._world.steps += bool(message.steps)

    def _on_terminate(self, message: Bool) -> None:
        self._world.terminated = message.data
        if message.data:
            self._message = "The policy has terminated."

    # Services --------------------------------------------------------------------------------------------------------

    def _on_reset_scene(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        try:
            scene = self._world.reset(request.suite, request.seed, request.instruction)
        except ValueError as error:
            response.success, response.message = False, str(error)
            return response
        self._twist = self._gripper = self._unresolved = None
        self._outputs.publish_mounts()
        self._resume()
        response.success, response.instruction = True, scene.task.instruction
        return response

    def _on_outcome(self, request: TaskOutcome.Request, response: TaskOutcome.Response) -> TaskOutcome.Response:
        # The caller may have seen a terminate that is still on its way to this node.
        outcome = self._world.verdict(terminated=request.terminated)
        self._pace.restart()
        response.success, response.outcome = outcome is Outcome.SUCCESS, outcome.value
        response.message, response.steps, response.seconds = outcome.sentence, self._world.steps, self._world.sim.time
        return response

    def _resume(self) -> None:
        """Resumes real-time pace after an interruption."""
        self._pace.restart()
        if self._lock_step is not None:
            self._lock_step.begin()

    def _report(self) -> Report:
        factor = self._pace.factor
        level, message = Level.OK, self._message
        if factor is not None and factor < 0.9:
            level, message = Level.WARN, "The simulation runs slower than real time: this machine is too slow."
        if self._rivals.problem is not None:
            level, message = Level.ERROR, self._rivals.problem
        values = {
            "instruction": self._world.scene.task.instruction,
            "instructions": listed(self._world.scene.instructions),
            "seconds": round(self._world.sim.time, 2),
            "steps": self._world.steps,
            "real_time_factor": "" if factor is None else round(factor, 2),
        }
        return Report(level, message, values)

    def close(self) -> None:
        """Releases the graphics memory."""
        self._world.sim.close()


def _whole(number: float, name: str, expected: str) -> int:
    if round(number) < 1 or abs(number - round(number)) > 1e-6:
        raise StartError(f"The parameter {name!r} must be {expected}.")
    return round(number)


def main() -> NoReturn:
    """The program `sim_arm_node`."""
    end_process(run(SimArmNode))


if __name__ == "__main__":
    main()
