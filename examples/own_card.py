"""Write the action card of your robot, which defines the numbers of a policy. Does not need PyTorch.

    .venv/bin/python examples/own_card.py
    .venv/bin/python examples/own_card.py --out DIR      # next to a checkpoint's weights, or for `rt-vla record`

Prints the card's path, the meaning of a tuple of action tokens, and the error messages of three mistakes.
docs/action_card.md explains every field.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError, ActionDimension, CameraSpec
from rt_vla_ros.action_space.decoder import ActionDecoder

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default=Path("runs/own_card"), help="directory (default runs/own_card)")
out = parser.parse_args().out

card = ActionCard(
    name="UR5e with a wrist camera",
    dimensions=(
        ActionDimension("done", "terminate", 0.0, 0.0, "mode", modes=("terminate", "move")),
        *(ActionDimension(f"d{axis}", f"translation_{axis}", -0.05, 0.05, "m") for axis in "xyz"),
        *(ActionDimension(f"r{axis}", f"rotation_{axis}", -0.25, 0.25, "rad") for axis in "xyz"),
        ActionDimension("grip", "gripper", 0.0, 1.0, "1"),
    ),
    bins=256,
    quantization="round",
    frame="base",  # the axes of translation and rotation ...
    frame_id="base_link",  # ... and their name in the robot's TF tree
    rotation="rotation_vector",
    gripper_open=1.0,  # inverted: this gripper's 0 is closed
    gripper_closed=0.0,
    control_rate=10.0,  # Hz
    cameras=(CameraSpec("wrist", width=224, height=224, crop="center", vertical_fov=math.radians(42)),),
)
out.mkdir(parents=True, exist_ok=True)
card.save(out)
card = ActionCard.load(out)  # checks it again, as every program that uses it does
print(f"{out / CARD_FILE}: {len(card.dimensions)} dimensions at {card.control_rate:g} Hz.")

step = ActionDecoder(card).from_tokens((1, 255, 128, 128, 128, 128, 128, 255), confidence=1.0).steps[0]
print(f"Tokens 1 255 128 128 128 128 128 255: {step.translation.round(4)} m in {card.frame_id}, {step.gripper_word}.")

mistakes = {
    "millimeters called meters": {"dimensions": (ActionDimension("dx", "translation_x", -50.0, 50.0, "m"),)},
    "an unknown frame": {"frame": "world"},
    "a gripper that never closes": {"gripper_closed": 1.0},
}
for mistake, change in mistakes.items():
    try:
        replace(card, **change)
    except ActionCardError as error:
        print(f"Refused, {mistake}: {error}")
