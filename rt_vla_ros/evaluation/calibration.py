"""What a policy with int8 weights is calibrated with: episodes that it plays, or images of a dataset."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.evaluation.offline import offline_steps
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED, find_suite


def calibrate(policy: Policy, source: str, episodes: int) -> None:
    """The policy acts on so many episodes, at most. source: the directory of a dataset, or the name of a suite.

    Seeds are those of training, so that no evaluation has the same scenes.
    Raises ValueError for neither, DatasetError and ActionCardError for data that does not fit, and what `act` raises.
    """
    if Path(source).expanduser().is_dir():
        dataset = LeRobotDataset(Path(source).expanduser())
        offline_steps(policy, dataset, range(min(episodes, len(dataset.parts))))
        return
    suite = find_suite(source).name
    with closing(DirectPlayer(policy)) as player:
        for number in range(episodes):
            player.play(suite, FIRST_TRAINING_SEED + number)
