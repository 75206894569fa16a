"""Run one decision of a policy: an image and an instruction in, an action in SI units out.

    .venv/bin/python examples/act_on_an_image.py
    .venv/bin/python examples/act_on_an_image.py --image photo.png --instruction "pick up the green ball"

Without --image, the image is from the simulated camera. Prints the action, its period and the policy's confidence. A
robot executes it for `period` seconds, then decides again from a new image.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.sim import TabletopSim, make_scene

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--policy", default="rt1-mini", help="checkpoint: name, directory or Hub name (default rt1-mini)")
parser.add_argument("--image", type=Path, help="an image file; default: the simulated camera")
parser.add_argument("--instruction", help="default: that of the simulated scene")
args = parser.parse_args()

scene = make_scene("pick-any", seed=3)
instruction = args.instruction or scene.task.instruction
if args.image:
    pixels = np.asarray(Image.open(args.image).convert("RGB"))
else:
    sim = TabletopSim()
    sim.reset(scene.layout)
    pixels = sim.render("front")
    sim.close()

policy = load_policy(args.policy)
camera = policy.card.cameras[0]
policy.reset(instruction)
chunk = policy.act(Observation({camera.name: fit_image(pixels, camera)}, stamp=0.0))
step = chunk.steps[0]

print(f"{policy.name} on {instruction!r}, an image of {pixels.shape[1]}x{pixels.shape[0]} pixels:")
print(f"  translation  {step.translation.round(4)} m    in the axes of {chunk.frame_id}")
print(f"  rotation     {step.rotation.round(4)} rad  (rotation vector)")
print(f"  gripper      {step.gripper:.2f}  (0 open, 1 closed: {step.gripper_word})")
print(f"  terminate    {step.terminate}")
print(f"  period       {chunk.period:g} s, confidence {chunk.confidence:.0%}, tokens {chunk.tokens}")
