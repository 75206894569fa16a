"""Record an episode from ROS topics into a dataset, and open it.

    .venv/bin/python examples/record.py
    .venv/bin/python examples/record.py --out data/demos      # again: adds an episode

The simulated arm and recorder_node run in this process, on a private ROS graph; this script publishes velocities like a
human operator. Prints the result of the recording and the first actions of the episode. For a real robot use
`rt-vla record` (docs/own_robot.md).
"""

import argparse
from pathlib import Path

from rt_vla_ros import ros
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.live.private_graph import PrivateGraph

ros.ensure()  # the ROS 2 sourced in this shell, or else the embedded runtime

import rclpy  # noqa: E402
from geometry_msgs.msg import TwistStamped  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from rt_vla_ros.nodes.recorder_node import RecorderNode  # noqa: E402
from rt_vla_ros.nodes.sim_arm_node import SimArmNode  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("runs/recorded"), help="dataset (default runs/recorded)")
parser.add_argument("--frames", type=int, default=10, help="length of the episode, at 5 per second (default 10)")
args = parser.parse_args()
parameters = ["-p", f"recorder_node:card:={ROOT / 'rt_vla_ros/checkpoints/rt1-mini'}"]
parameters += ["-p", f"recorder_node:out:={args.out}", "-p", "recorder_node:commander:=human"]
# Simulation time, so that slow machines record the same.
parameters += ["-p", "sim_arm_node:publish_clock:=true"]
parameters += ["-p", "recorder_node:use_sim_time:=true", "-p", "human:use_sim_time:=true"]

with PrivateGraph():
    rclpy.init(args=["--ros-args", "--params-file", str(ROOT / "config/recorder_sim.yaml"), *parameters])
    arm, recorder, human = SimArmNode(), RecorderNode(), rclpy.create_node("human")
    executor = SingleThreadedExecutor()
    for node in (arm, recorder, human):
        executor.add_node(node)
    publisher = human.create_publisher(TwistStamped, "delta_twist_cmds", 10)
    command = TwistStamped()
    command.header.frame_id = "panda_link0"
    command.twist.linear.z = 0.04  # m/s, upwards

    while human.get_clock().now().nanoseconds == 0:
        executor.spin_once(timeout_sec=0.02)
    recorder.begin("lift the hand")
    while recorder.recorder.busy and recorder.recorder.frames < args.frames:  # an episode may also end by itself
        command.header.stamp = human.get_clock().now().to_msg()
        publisher.publish(command)
        executor.spin_once(timeout_sec=0.02)
    if recorder.recorder.busy:
        executor.spin_until_future_complete(recorder.stop(success=True))
    print(recorder.last)
    rclpy.shutdown()

dataset = LeRobotDataset(args.out)
episode = dataset[len(dataset) - 1]
print(f"{len(dataset)} episodes. The last one: {episode.instruction!r}, {episode.stamps[-1]:.1f} s,")
print(f"images {episode.images['front'].shape}, commanded by {set(episode.commanders or ())}. Its first actions:")
for values in episode.values[:3]:
    named = zip(episode.card.dimensions, values, strict=True)
    print("  " + ", ".join(f"{one.name} {value:.4f} {one.unit}" for one, value in named))
