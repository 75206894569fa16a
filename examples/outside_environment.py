"""Evaluate your own policy in a third-party Gymnasium environment.

    .venv/bin/python examples/outside_environment.py
    .venv/bin/python examples/outside_environment.py --episodes 50

The environment (examples/reach_environment.py) runs unchanged in a separate process. An action card defines its
actions. The policy, here a few lines instead of a network, sees pixels and an instruction. Prints one line per episode
and the success rate with its 95% interval. `rt-vla evaluate --env` does the same (docs/evaluation.md).
"""

import argparse
import os
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.summary import wilson_interval

CARD = ActionCard(
    name="reach",
    dimensions=tuple(ActionDimension(f"d{axis}", f"translation_{axis}", -0.02, 0.02, "m") for axis in "xy"),
    bins=256,
    quantization="round",
    frame="base",
    frame_id="plane",
    rotation="rotation_vector",
    gripper_open=0.0,
    gripper_closed=1.0,
    control_rate=10.0,  # Hz
    cameras=(CameraSpec("top", 64, 64, crop="none", vertical_fov=0.0),),
)


class TowardsTheMark:
    """Moves from the white pixels to the red ones."""

    name, card = "towards-the-mark", CARD

    def reset(self, instruction):
        """A network would use it."""

    def act(self, observation):
        green = observation.images["top"][:, :, 1]
        mark, hand = (np.argwhere(green == value).mean(axis=0) for value in (0, 255))  # row, column
        down, right = 0.01 * (mark - hand)  # [m]; a pixel is a cm
        translation = np.clip([right, -down, 0.0], -0.02, 0.02)
        return ActionChunk((EndEffectorStep(translation, rotation=np.zeros(3)),), CARD.period, frame_id=CARD.frame_id)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--episodes", type=int, default=5, help="default 5")
parser.add_argument("--out", type=Path, default=Path("runs/reach"), help="where the card is written")
args = parser.parse_args()

args.out.mkdir(parents=True, exist_ok=True)
CARD.save(args.out)
card, here = (args.out / CARD_FILE).resolve(), Path(__file__).resolve().parent
# None: the environment created by `rt-vla env install gymnasium`.
python = Path(sys.executable) if find_spec("gymnasium") else None
os.chdir(here)  # so that the process finds the module reach_environment
choice = EnvironmentChoice("gymnasium:reach_environment:Reach-v0", python, card)

with closing(choice.open(CARD)) as environment:
    player = DirectPlayer(TowardsTheMark(), environment, ExactFollower(environment.tick_ns))
    records = [player.play(choice.env, seed)[0] for seed in range(args.episodes)]
for record in records:
    print(f"seed {record.seed}: {record.instruction!r}: {record.outcome} after {record.steps} actions")
successes = sum(record.success for record in records)
low, high = wilson_interval(successes, args.episodes)
print(f"{successes} of {args.episodes} succeeded ({low:.0%} to {high:.0%}).")
