"""A recorder that is killed, at any moment, loses at most the episode under way."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    where, saved = tmp_path / "set", 0
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'test'}", "PATH": "/usr/bin:/bin"}
    for number in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(where)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(number).uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split()
        process.wait()
        saved = max([saved, *(int(index) + 1 for index in told)])
        writer = LeRobotWriter(where, CARD, with_scene=False, with_commanders=True)
        assert writer.episodes in (saved, saved + 1)  # one may have been written and not told
        saved = writer.episodes
        assert not list(where.rglob("*.part"))
        if saved:
            dataset = LeRobotDataset(where)
            assert len(dataset) == saved
            assert dataset[saved - 1].instruction == "lift the cube"
    assert saved > 0
