"""The simulated arm is recorded by its topic map and the card of a checkpoint, while somebody moves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from geometry_msgs.msg import TwistStamped
from rt_vla_ros.srv import StartEpisode
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from support.node_bench import NEWEST, NodeBench

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.nodes.conversions import nanoseconds, time_message
from rt_vla_ros.nodes.images import rgb_from_image
from rt_vla_ros.nodes.recorder_node import RecorderNode
from rt_vla_ros.nodes.sim_arm_node import SimArmNode

ROOT = Path(__file__).resolve().parents[2]
SPEED = 0.04  # [m/s]


def test_what_the_arm_did_is_what_was_recorded(make_bench: Callable[..., NodeBench], tmp_path: Path) -> None:
    bench = make_bench(
        *("--params-file", str(ROOT / "config/recorder_sim.yaml")),
        *("-p", f"recorder_node:card:={ROOT / 'rt_vla_ros/checkpoints/rt1-mini'}"),
        *("-p", f"recorder_node:out:={tmp_path / 'set'}", "-p", "recorder_node:commander:=human"),
        *("-p", "sim_arm_node:image_width:=96", "-p", "sim_arm_node:image_height:=96"),
    )
    images: list[Image] = bench.listen(Image, "image", NEWEST)
    arm, recorder = bench.add(SimArmNode()), bench.add(RecorderNode())
    twists = bench.publisher(TwistStamped, "delta_twist_cmds")
    bench.until(
        lambda: (
            len(images) > 3
            and recorder.recorder.streams.transforms.connected("panda_link0", recorder.recorder.streams.tip)
        )
    )
    assert bench.call(StartEpisode, "/recorder_node/start", instruction="go up").success
    command = TwistStamped()
    command.header.frame_id = "panda_link0"
    command.twist.linear.z = SPEED

    def moved() -> bool:
        command.header.stamp = time_message(arm.get_clock().now().nanoseconds)
        twists.publish(command)
        return recorder.recorder.frames > 8

    bench.until(moved)
    client = bench.world.create_client(SetBool, "/recorder_node/stop")
    bench.until(client.service_is_ready)
    answer = client.call_async(SetBool.Request(data=True))
    bench.until(answer.done)
    assert answer.result().success, answer.result().message
    episode = LeRobotDataset(tmp_path / "set")[0]
    shown = {rgb_from_image(image).tobytes(): nanoseconds(image.header.stamp) for image in images}
    stamps = [shown[image.tobytes()] for image in episode.images["front"]]  # each is one that was published
    assert (np.diff(stamps) >= 0).all()
    rising = episode.values[3:-1, 3] / 0.2  # its speed
    assert np.median(rising) > SPEED / 2
    assert np.abs(episode.values[:, 1:3]).max() < 0.004
    assert (episode.leader, episode.instruction) == ("expert", "go up")
