"""A scripted human at a stick, as a separate process: `python -m rt_vla_ros.live.human_at_stick --ros-args ...`.

It subscribes to the state of the simulated arm and publishes like a joystick driver. Its task comes as JSON on
`human_task`: suite and seed of the scene, and whether it watches a policy or acts itself; an empty text ends the task.
It reports on `human_says`: "takes over: WHY", then "done".
"""

from __future__ import annotations

import json
from typing import NoReturn

import numpy as np

from rt_vla_ros import ros

ros.ensure()

from geometry_msgs.msg import TwistStamped, Vector3  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Bool, Float64, Float64MultiArray, String  # noqa: E402

from rt_vla_ros.action_space.frames import BASE_LINK  # noqa: E402
from rt_vla_ros.nodes.running import ProgramNode, end_process, run  # noqa: E402
from rt_vla_ros.sim import TabletopSim, make_scene  # noqa: E402
from rt_vla_ros.sim.scripted_human import HumanTraits, ScriptedHuman  # noqa: E402

TASK, SAYS = "human_task", "human_says"
TAKES_OVER, DONE = "takes over: ", "done"
RATE = 40.0  # of a stick where there is no simulated clock [Hz]
REPEAT = 10  # readings of the stick after which the gripper is sent again
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class HumanAtStick(ProgramNode):
    """With use_sim_time it moves its stick at every tick of /clock, 50 times a second of the simulated arm's time.

    In lock step time waits for a command; then it repeats its command for every image.
    """

    def __init__(self) -> None:
        super().__init__("human_at_stick")
        self._eyes, self._time = TabletopSim(), 0.0
        self._human: ScriptedHuman | None = None
        self._said, self._readings, self._gripper = "", 0, -1.0
        self._deadman = self.create_publisher(Bool, "teleop_deadman", 10)
        self._twists = self.create_publisher(TwistStamped, "teleop_twist", 10)
        self._grippers = self.create_publisher(Float64, "teleop_gripper", 10)
        self._words = self.create_publisher(String, SAYS, 10)
        self.create_subscription(String, TASK, self._on_task, 10)
        self.create_subscription(Float64MultiArray, "sim_arm_node/state", self._on_state, 100)
        if self.get_parameter("use_sim_time").value:
            self.create_subscription(Clock, "/clock", lambda message: self._move(message.clock), NEWEST)
            self.create_subscription(Image, "image", lambda message: self._move(message.header.stamp), NEWEST)
        else:
            self.create_timer(1 / RATE, lambda: self._move(self.get_clock().now().to_msg()))

    def _on_task(self, message: String) -> None:
        self._human, self._said, self._time, self._gripper = None, "", 0.0, -1.0
        if not message.data:
            return
        task = json.loads(message.data)
        scene = make_scene(task["suite"], task["seed"])
        rng = np.random.default_rng([task["seed"], 11])
        self._human = ScriptedHuman(self._eyes, scene, rng, HumanTraits(), watches=task["watches"])

    def _on_state(self, message: Float64MultiArray) -> None:
        values = np.array(message.data, np.float64)
        if self._human is not None:
            self._time = float(values[0])
            self._human.see(self._time, values[1:])

    def _move(self, stamp: object) -> None:
        """One reading of the stick."""
        human = self._human
        command = None if human is None else human.command(self._time)
        self._deadman.publish(Bool(data=command is not None and command.held))
        if human is None or command is None:
            return
        if human.reason and not self._said:
            self._say(TAKES_OVER + human.reason)
        if command.held:
            twist = TwistStamped()
            twist.header.stamp, twist.header.frame_id = stamp, BASE_LINK
            linear, angular = (Vector3(x=x, y=y, z=z) for x, y, z in command.velocity.reshape(2, 3).tolist())
            twist.twist.linear, twist.twist.angular = linear, angular
            self._twists.publish(twist)
            # Repeated like by a driver: one before the deadman does not count.
            self._readings += 1
            if command.gripper is not None and (command.gripper != self._gripper or self._readings % REPEAT == 0):
                self._gripper = command.gripper
                self._grippers.publish(Float64(data=command.gripper))
        if command.done and self._said != DONE:
            self._say(DONE)

    def _say(self, words: str) -> None:
        self._said = words
        self._words.publish(String(data=words))

    def close(self) -> None:
        """Releases the graphics memory."""
        self._eyes.close()


def main() -> NoReturn:
    """The program."""
    end_process(run(HumanAtStick))


if __name__ == "__main__":
    main()
