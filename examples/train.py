"""Collect episodes, train an RT-1 on them, and measure its success rate.

    .venv/bin/python examples/train.py
    .venv/bin/python examples/train.py --episodes 200 --steps 20000      # hours on a CPU; use a GPU

A scripted expert demonstrates picking up a red cube. Prints the loss of every step and the success rate, which is near
0 after the few default steps. `./rt-vla collect`, `train` and `evaluate` do the same, with reports.
"""

import argparse
from pathlib import Path

from rt_vla_ros.data.lerobot import load_datasets
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim import TabletopSim, make_scene
from rt_vla_ros.training.dagger_policy import CollectionSettings, Demonstrator
from rt_vla_ros.training.dataset_source import DatasetSource
from rt_vla_ros.training.run import CHECKPOINT, TrainingRun
from rt_vla_ros.training.settings import default_settings

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("runs/trained"), help="resumes if it exists")
parser.add_argument("--episodes", type=int, default=20, help="training episodes (default 20)")
parser.add_argument("--steps", type=int, default=200, help="optimizer steps (default 200)")
parser.add_argument("--trials", type=int, default=5, help="evaluation episodes (default 5)")
args = parser.parse_args()

writer = LeRobotWriter(args.out / "data", tabletop_card("a red cube"), with_scene=True)
expert = Demonstrator(CollectionSettings(("red-cube",), seed=0, noise=0.5, expert_share=0.0), writer.card)
for index in range(writer.episodes, args.episodes):
    writer.add(expert.collect(index))
writer.commit()
print(f"{writer.episodes} episodes, {writer.frames} frames in {writer.directory}.")

settings = default_settings("rt1-mini", steps=args.steps, batch_size=16)
source = DatasetSource(load_datasets([writer.directory]), settings)
run = TrainingRun(args.out, source, settings, say=print)
run.train(save_interval=100, say=print)  # a line for every step

policy = load_policy(str(args.out / CHECKPOINT))
sim = TabletopSim()
records = [rollout(policy, make_scene("red-cube", seed), sim, make_controller(sim)) for seed in range(args.trials)]
print(f"{sum(record.success for record in records)} of {args.trials} succeeded. The last one: {records[-1].reason}")
