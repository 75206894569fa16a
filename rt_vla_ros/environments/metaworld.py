"""Meta-World (Yu et al., 2019; https://metaworld.farama.org), version 3: its action card, protocol and instructions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.environments.foreign import Benchmark

STEP = 0.01  # of a full action [m]
RATE = 80.0  # [Hz]
MT10 = (
    "reach-v3",
    "push-v3",
    "pick-place-v3",
    "door-open-v3",
    "drawer-open-v3",
    "drawer-close-v3",
    "button-press-topdown-v3",
    "peg-insert-side-v3",
    "window-open-v3",
    "window-close-v3",
)
SENTENCES = {
    "assembly-v3": "put the ring on the peg",
    "basketball-v3": "put the ball into the basket",
    "bin-picking-v3": "move the cube from one bin to the other",
    "box-close-v3": "put the lid on the box",
    "button-press-topdown-v3": "press the button from above",
    "button-press-topdown-wall-v3": "press the button behind the wall from above",
    "button-press-v3": "press the button",
    "button-press-wall-v3": "press the button behind the wall",
    "coffee-button-v3": "press the button of the coffee machine",
    "coffee-pull-v3": "pull the mug away from the coffee machine",
    "coffee-push-v3": "push the mug under the coffee machine",
    "dial-turn-v3": "turn the dial",
    "disassemble-v3": "take the ring off the peg",
    "door-close-v3": "close the door",
    "door-lock-v3": "lock the door",
    "door-open-v3": "open the door",
    "door-unlock-v3": "unlock the door",
    "drawer-close-v3": "close the drawer",
    "drawer-open-v3": "open the drawer",
    "faucet-close-v3": "close the faucet",
    "faucet-open-v3": "open the faucet",
    "hammer-v3": "drive the nail in with the hammer",
    "hand-insert-v3": "put the hand into the hole",
    "handle-press-side-v3": "press the handle down from the side",
    "handle-press-v3": "press the handle down",
    "handle-pull-side-v3": "pull the handle up from the side",
    "handle-pull-v3": "pull the handle up",
    "lever-pull-v3": "pull the lever up",
    "peg-insert-side-v3": "insert the peg into the hole from the side",
    "peg-unplug-side-v3": "pull the peg out of the hole",
    "pick-out-of-hole-v3": "pick the puck out of the hole",
    "pick-place-v3": "pick up the puck and bring it to the goal",
    "pick-place-wall-v3": "pick up the puck and bring it over the wall to the goal",
    "plate-slide-back-side-v3": "pull the plate out of the cabinet sideways",
    "plate-slide-back-v3": "pull the plate out of the cabinet",
    "plate-slide-side-v3": "slide the plate into the cabinet sideways",
    "plate-slide-v3": "slide the plate into the cabinet",
    "push-back-v3": "pull the puck back to the goal",
    "push-v3": "push the puck to the goal",
    "push-wall-v3": "push the puck around the wall to the goal",
    "reach-v3": "reach the goal",
    "reach-wall-v3": "reach the goal behind the wall",
    "shelf-place-v3": "put the block on the shelf",
    "soccer-v3": "push the ball into the goal",
    "stick-pull-v3": "pull the box with the stick",
    "stick-push-v3": "push the box with the stick",
    "sweep-into-v3": "sweep the block into the hole",
    "sweep-v3": "sweep the block off the table",
    "window-close-v3": "close the window",
    "window-open-v3": "open the window",
}


def instructions_key(sentences: Mapping[str, str]) -> str:
    """The key of this choice, which is another one as soon as the instruction of any task changes."""
    return f"instructions-{sha256(json.dumps(dict(sentences), sort_keys=True).encode()).hexdigest()[:8]}"


PROTOCOL = {
    "steps-500-first-success": "500 steps of 12.5 ms; an episode ends at the first success, as in metaworld.evaluation",
    "mt1-starts": (
        "seeds 0 to 49 are the 50 starts that MT1 draws from its seed 0, 50 to 99 those from its seed 1, and so on"
    ),
    "corner2-rotated": (
        "the camera corner2, which is mounted upside down, rotated by 180 degrees, rendered in the policy's size"
    ),
    "equal-parts": (
        "an action of the policy is divided equally over the steps of its period, without smoothing or limits"
    ),
    instructions_key(SENTENCES): "instructions are defined by rt_vla_ros: Meta-World has none",
}


def metaworld_card(size: tuple[int, int] = (224, 224), rate: float = RATE) -> ActionCard:
    """The action card for Meta-World policies. size: of images [px]. rate: 80 Hz or a divisor."""
    reach = STEP * RATE / rate
    return ActionCard(
        name="Meta-World",
        dimensions=(
            *(ActionDimension(axis, f"translation_{axis}", -reach, reach, "m") for axis in "xyz"),
            ActionDimension("gripper", "gripper", -1.0, 1.0, "1"),
        ),
        bins=256,
        quantization="round",
        frame="base",
        frame_id="world",
        rotation="rotation_vector",
        gripper_open=-1.0,
        gripper_closed=1.0,
        control_rate=rate,
        cameras=(CameraSpec("corner2", *size, "stretch", 0.0),),
        notes=("The axes are those of the Meta-World scene: x to the right, y away from the robot, z up.",),
    )


def tasks_of(given: str) -> list[str]:
    """The tasks of `metaworld:GIVEN`: one or more comma-separated tasks, MT10 or MT50."""
    groups = {"MT10": list(MT10), "MT50": list(SENTENCES)}
    return groups.get(given) or [name.strip() for name in given.split(",")]


def metaworld_benchmark(size: tuple[int, int]) -> Benchmark:
    """size: of the policy's images [px]."""
    card, describe = metaworld_card(size), {"size": list(size)}
    return Benchmark("Meta-World", "metaworld", card, PROTOCOL, SENTENCES, "", describe, knows_scene=True)
