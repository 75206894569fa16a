"""Calibration of int8 weights: on episodes run by the policy, or on images of a dataset."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.evaluation.offline import offline_steps
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, find_suite


def calibrate(policy: Policy, source: str, episodes: int) -> None:
    """Run the policy on at most this many episodes. source: a dataset directory, or the name of a suite.

    Uses training seeds, so that no evaluation has the same scenes.
    Raises ValueError for any other source, DatasetError and ActionCardError for mismatched data, and what `act` raises.
    """
    if Path(source).expanduser().is_dir():
        dataset = LeRobotDataset(Path(source).expanduser())
        offline_steps(policy, dataset, range(min(episodes, len(dataset.parts))))
        return
    suite = find_suite(source).name
    with closing(DirectPlayer(policy)) as player:
        for number in range(episodes):
            player.play(suite, FIRST_TRAINING_SEED + number)
