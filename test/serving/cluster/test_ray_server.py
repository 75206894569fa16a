"""`rt-vla serve --ray` with the real Ray, where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from urllib.request import urlopen

import numpy as np
import pytest

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.serving.cluster.processes import PROC, descendants, listening

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
PATIENCE = 120.0
REPLICA = "ray::ServeRepli"


def test_a_server_on_ray_decides_as_a_local_policy_survives_a_replica_and_leaves_nothing_behind() -> None:
    family: set[int] = set()
    words = [sys.executable, "-m", "rt_vla_ros.cli", "serve", "rt1-mini", "--ray", "--replicas", "2", "--port", "0"]
    with subprocess.Popen([*words, "--device", "cpu"], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            for line in server.stderr:
                if "policy:=" in line:
                    break
            address = line.split("policy:=")[1].split(". ")[0]
            robot, local = load_policy(address, remote=RemoteSettings(budget=60.0)), load_policy("rt1-mini")
            for one in (robot, local):
                one.reset("pick up the red cube")
            family = descendants(server.pid)
            assert all(one.local for one in listening({server.pid, *family}))
            replicas = [one for one in family if (PROC / str(one) / "comm").read_text().strip() == REPLICA]
            assert len(replicas) == 2
            assert {os.getpriority(os.PRIO_PROCESS, one) for one in replicas} == {os.getpriority(os.PRIO_PROCESS, 0)}
            for step in range(12):
                if step == 4:
                    os.kill(replicas[0], signal.SIGKILL)
                rng = np.random.default_rng(step)
                images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in robot.card.cameras}
                seen = Observation(images, step * robot.card.decision_period)
                assert robot.act(seen).tokens == local.act(seen).tokens
            with urlopen(f"http://{address.removeprefix('remote:')}/health") as health:
                assert json.load(health)["healthy"]
            family |= descendants(server.pid)
        finally:
            server.kill()
        until = time.monotonic() + PATIENCE
        while left := [one for one in family if (PROC / str(one)).is_dir()]:
            assert time.monotonic() < until, left
            time.sleep(0.1)
