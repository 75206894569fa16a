"""Use a vision-language model of transformers as an RT-2 policy, without training.

    .venv/bin/python examples/own_vlm.py
    .venv/bin/python examples/own_vlm.py MODEL_DIR      # any AutoModelForImageTextToText with its processor

Without MODEL_DIR it creates a small Qwen2-VL with random weights in runs/own_vlm. Two files next to the weights make a
model a policy: rt2_config.json defines how it writes actions, action_card.json what the numbers mean. Prints actions of
the untrained model: decoding is constrained to the card's dimensions and bins, so even random weights write only legal
actions. Also prints the probability of a legal action without the constraint.
"""

import argparse
from pathlib import Path

from rt_vla_ros.action_space.card import CARD_FILE
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.configuration import RT2Config
from rt_vla_ros.policies.rt2.tiny.untrained import save_small_base
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.sim import TabletopSim, make_scene

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("directory", nargs="?", type=Path, metavar="MODEL_DIR", default=Path("runs/own_vlm"))
directory = parser.parse_args().directory

if not (directory / "config.json").exists():
    save_small_base(directory)  # as model.save_pretrained(...) and processor.save_pretrained(...) do
if not (directory / CARD_FILE).exists():
    tabletop_card("my robot").save(directory)  # examples/own_card.py writes one from scratch
    RT2Config("integers").save(directory)  # bin numbers as text: " 1 128 91 241 5 101"

scene, sim = make_scene("pick-any", seed=3), TabletopSim()
sim.reset(scene.layout)
image = sim.render("front")
sim.close()

policy = load_policy(str(directory))
policy.reset(scene.task.instruction)
for sentence in ("the first image", "the same image again"):
    chunk = policy.act(Observation({"front": image}, stamp=0.0))
    print(f"{sentence}: tokens {chunk.tokens}, confidence {chunk.confidence:.1%}")
names = [one.name for one in policy.card.dimensions]
print(f"The tokens are bins 0 to {policy.card.bins - 1} of {', '.join(names)}.")
print(f"Answer to a question: {policy.ask({'front': image}, 'what do you see?')[:60]!r}")
print(f"Probability of a legal action without the constraint: {chunk.legal_probability:.2g}. Train it:")
print(f"./rt-vla train rt2 --base {directory} --robot DATASET --out runs/rt2    (docs/rt2_training.md)")
