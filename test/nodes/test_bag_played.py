"""A bag that is played into the graph and recorded gives what `rt-vla data from-bag` makes of it, in processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rt_vla_ros.srv import StartEpisode
from std_srvs.srv import SetBool
from support import bags
from support.bags import BEGIN, SECOND, Said, topic_map, write
from support.node_bench import NodeBench
from support.node_processes import ROOT, NodeProcess
from support.recorded_robot import CARD

from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot import LeRobotDataset

LASTS = 2.35
"""Of the bag [s]: behind an image that comes after the last frame, so that no frame waits for what is not in it."""
SLOWER = "0.5"
"""A gripper's command has no stamp: it is of when it is heard, here at most 0.2 s of this time after it was sent."""
CAMERAS = ("front", "wrist")
TWO = replace(CARD, cameras=tuple(replace(CARD.cameras[0], name=name) for name in CAMERAS))


def said() -> list[Said]:
    """Two cameras, joints, a tip that moves, and a gripper that closes in the middle between two frames."""
    one = [entry for entry in bags.robot(4.0, image_rate=10.0) if entry.time_ns <= BEGIN + round(LASTS * SECOND)]
    other = [entry._replace(topic="/wrist/image") for entry in one if entry.topic == "/camera/image"]
    closes = Said("/gripper_command", "std_msgs/msg/Float64", BEGIN + round(1.11 * SECOND), bags.number(1.0))
    return sorted([*one, *other, closes], key=lambda entry: entry.time_ns)


def rt_vla(*words: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rt_vla_ros.cli", *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def the_same(played: Episode, read: Episode) -> None:
    np.testing.assert_array_equal(played.values, read.values)
    assert played.states is not None
    assert read.states is not None
    np.testing.assert_array_equal(played.states, read.states)
    np.testing.assert_array_equal(played.stamps, read.stamps)
    for camera in CAMERAS:
        np.testing.assert_array_equal(played.images[camera], read.images[camera])
    for name in ("instruction", "commanders", "success", "leader"):
        assert getattr(played, name) == getattr(read, name)


def test_a_bag_that_is_played_gives_what_is_read_of_it(make_bench: Callable[..., NodeBench], tmp_path: Path) -> None:
    bench = make_bench()
    card = tmp_path / "card.json"
    card.write_text(json.dumps(TWO.to_dict()))
    cameras = ["front=/camera/image", "wrist=/wrist/image"]
    topics = topic_map(tmp_path / "topics.yaml", cameras=cameras)  # the tip is 'tool', in 'base'
    bag = write(tmp_path / "bag", said())
    rt_vla("data", "from-bag", bag, "--card", card, "--topics", topics, "--out", tmp_path / "read")

    settings = {"card": card, "out": tmp_path / "played", "use_sim_time": "true", "cameras": json.dumps(cameras)}
    settings |= {"base_frame": "base", "tip_frame": "tool"}
    with NodeProcess("recorder_node", *(f"{name}:={value}" for name, value in settings.items())) as recorder:
        assert bench.call(StartEpisode, "/recorder_node/start", instruction="lift the cube").success
        rt_vla("bag", "play", bag, "--clock", "100", "--rate", SLOWER)
        answer = bench.call(SetBool, "/recorder_node/stop", data=True)
        assert answer.success, answer.message
        assert recorder.interrupt() == 0

    (played,), (read,) = LeRobotDataset(tmp_path / "played"), LeRobotDataset(tmp_path / "read")
    the_same(played, read)
    assert len(read) == 12
    assert sorted(set(read.values[:, -1].tolist())) == [0.0, 1.0]
