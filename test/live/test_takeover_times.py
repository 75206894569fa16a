"""Takeovers among real processes."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_simulated_arm_obeys_a_stick_over_topics() -> None:
    command = [sys.executable, "-m", "rt_vla_ros.live.takeover_times", "--times", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("from the stick until a velocity goes out: median ")
    assert second.startswith("from the stick until a joint moves: median ")
