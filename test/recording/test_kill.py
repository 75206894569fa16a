"""A recorder that is killed, at any moment, loses at most the episode under way."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.recorded_robot import CARD

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_writer import LeRobotWriter

ROUNDS = 6
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from support.recorded_robot import CARD, RecordedRobot, decode
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.recording.episode_builder import EpisodeBuilder
writer = LeRobotWriter(Path(sys.argv[1]), CARD, with_scene=False, with_commanders=True)
robot = RecordedRobot()
_, moments = robot.record(1.0)
print("ready", flush=True)
while True:
    builder = EpisodeBuilder(writer, robot.streams, decode)
    for moment in moments:
        builder.add(moment)
    print(builder.save(success=True).index, flush=True)
"""


def killed(where: Path, seconds: float) -> list[int]:
    """The episodes that a recorder told of before it was killed."""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'test'}", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(where)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    told = process.stdout.read().split()
    process.wait()
    return [int(index) for index in told]


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    where, saved = tmp_path / "set", 0
    for number in range(ROUNDS):
        told = killed(where, random.Random(number).uniform(0.0, 0.4))
        saved = max([saved, *(index + 1 for index in told)])
        writer = LeRobotWriter(where, CARD, with_scene=False, with_commanders=True)
        assert writer.episodes in (saved, saved + 1)  # one may have been written and not told
        saved = writer.episodes
        assert not list(where.rglob("*.part"))
        if saved:
            dataset = LeRobotDataset(where)
            assert len(dataset) == saved
            assert dataset[saved - 1].instruction == "lift the cube"
    assert saved > 0


def test_the_lerobot_package_opens_what_a_killed_recorder_left(tmp_path: Path) -> None:
    package = pytest.importorskip("lerobot.datasets.lerobot_dataset", exc_type=ImportError)
    where, told = tmp_path / "set", list[int]()
    while len(told) < 2:
        told += killed(where, 1.0)
    ours, found = LeRobotDataset(where), package.LeRobotDataset("someone/some", root=where, video_backend="pyav")
    assert (found.num_episodes, len(found)) == (len(ours), sum(map(len, ours)))
    for index, (episode, step) in enumerate((one, step) for one in ours for step in range(len(one))):
        item = found[index]
        pixels = (item["observation.images.front"].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
        np.testing.assert_array_equal(pixels, episode.images["front"][step])
        np.testing.assert_allclose(item["action"].numpy(), episode.values[step], atol=1e-7)
        assert (item["task"], bool(item["intervention"])) == ("lift the cube", False)
