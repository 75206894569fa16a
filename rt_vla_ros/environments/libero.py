"""LIBERO (Liu et al., 2023; https://libero-project.github.io): its action card, protocol, tasks and images.

Step limits, settling, image size and trials are those of OpenVLA's published evaluation.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.foreign import Benchmark, ForeignEnvironment
from rt_vla_ros.environments.process import START_TIME, EnvironmentProcess
from rt_vla_ros.environments.worker.libero_suites import CAMERAS, SETTLING, SIZE, STATES, STEP_LIMITS
from rt_vla_ros.observations.image import Pixels

LIBERO = "libero"
METRES, RADIANS, RATE = 0.05, 0.5, 20.0  # of a full action of robosuite's OSC_POSE [m], [rad]; [Hz]
SHORT = {name.removeprefix("libero_"): name for name in STEP_LIMITS} | {"long": "libero_10"}
TASKS = dict.fromkeys(STEP_LIMITS, 10) | {"libero_90": 90}
JPEG_QUALITY = 95  # the default of tf.io.encode_jpeg, which OpenVLA uses
PROTOCOL = {
    f"steps-{'-'.join(map(str, STEP_LIMITS.values()))}-first-success": (
        f"step limits of OpenVLA's evaluation: {', '.join(f'{name} {most}' for name, most in STEP_LIMITS.items())}; an "
        "episode ends at the first success"
    ),
    f"initial-states-{STATES}-fixtures-0": (
        f"seeds 0 to {STATES - 1} are the benchmark's initial states of a task; the random generator that places "
        "fixtures is seeded with 0 before each episode, so an episode does not depend on those before it"
    ),
    f"settling-{SETTLING}": (
        f"before an episode, {SETTLING} steps without motion and with an open gripper, which do not count"
    ),
    f"agentview-eye-in-hand-{SIZE}": (
        f"the cameras agentview (front) and robot0_eye_in_hand (wrist), rendered at {SIZE} px and rotated by 180 "
        "degrees, early in a step like the benchmark's own observations"
    ),
    f"jpeg-{JPEG_QUALITY}-lanczos3": (
        f"a policy with {SIZE} px sees them unchanged; other sizes as in OpenVLA's evaluation: JPEG-encoded (quality "
        f"{JPEG_QUALITY}), decoded, resized with Lanczos (3 lobes, antialiased); a center crop belongs to the "
        "checkpoint"
    ),
    "equal-parts-gripper-sign": (
        "an action of the policy is divided equally over the steps of its period, without smoothing or limits; the "
        "gripper closes or opens with the sign of its value"
    ),
    "own-instructions": "instructions are the benchmark's own",
}


def libero_card() -> ActionCard:
    """The action card of LIBERO's own actions (OSC_POSE) and cameras. Its axes are those of the arm's base."""
    return ActionCard(
        name="LIBERO",
        dimensions=(
            *(ActionDimension(axis, f"translation_{axis}", -METRES, METRES, "m") for axis in "xyz"),
            *(ActionDimension(f"r{axis}", f"rotation_{axis}", -RADIANS, RADIANS, "rad") for axis in "xyz"),
            ActionDimension("gripper", "gripper", -1.0, 1.0, "1"),
        ),
        bins=256,
        quantization="round",
        frame="base",
        frame_id=BASE_LINK,
        rotation="rotation_vector",
        gripper_open=-1.0,
        gripper_closed=1.0,
        control_rate=RATE,
        cameras=tuple(CameraSpec(name, SIZE, SIZE, "stretch", 0.0) for name in CAMERAS),
        notes=(
            "x away from the robot, y to its left, z up: the axes of the scene, which are those of the arm's base.",
        ),
    )


def libero_tasks(given: str, names: Callable[[str], Sequence[str]]) -> list[str]:
    """`SUITE` or `SUITE/TASK`, several separated by commas -> SUITE/NUMBER of each task.

    names: of a suite's tasks, by number; called for a task that is given by its name.
    Raises EnvironmentRefusal for unknown ones.
    """
    found: list[str] = []
    for one in given.split(","):
        name, slash, task = one.strip().partition("/")
        suite = SHORT.get(name, name)
        if suite not in STEP_LIMITS:
            raise EnvironmentRefusal.of_name("LIBERO has no suite", name, [*STEP_LIMITS, *SHORT])
        if not slash:
            found += [f"{suite}/{number}" for number in range(TASKS[suite])]
        elif task.isdecimal():
            if int(task) >= TASKS[suite]:
                raise EnvironmentRefusal(
                    f"{suite} has no task {task}: its {TASKS[suite]} tasks are 0 to {TASKS[suite] - 1}."
                )
            found.append(f"{suite}/{int(task)}")
        else:
            known = names(suite)
            if task not in known:
                raise EnvironmentRefusal.of_name(f"{suite} has no task", task, known)
            found.append(f"{suite}/{known.index(task)}")
    return found


@lru_cache(maxsize=16)
def ask_suite(python: Path, suite: str, answer_time: float) -> Mapping[str, tuple[str, ...]]:
    """`names` and `instructions` of a suite's tasks. Starts the process and ends it.

    Raises EnvironmentRefusal, EnvironmentFailure.
    """
    process = EnvironmentProcess(python, LIBERO, LIBERO, answer_time)
    try:
        answer = process.ask("tasks", most=START_TIME, suite=suite)[0]
        return {key: tuple(map(str, answer[key])) for key in ("names", "instructions")}
    finally:
        process.close()


def libero_benchmark(policy: ActionCard | None) -> Benchmark:
    """policy: its cameras' sizes are those of the images; None: there are no images."""
    card, sizes = libero_card(), {} if policy is None else {one.name: one for one in policy.cameras}
    cameras = tuple(
        replace(one, width=sizes[one.name].width, height=sizes[one.name].height) if one.name in sizes else one
        for one in card.cameras
    )
    describe = {"images": policy is not None}
    return Benchmark("LIBERO", LIBERO, replace(card, cameras=cameras), PROTOCOL, {}, "", describe)


class LiberoEnvironment(ForeignEnvironment):
    """Images in the sizes of the policy's cameras."""

    def see(self, camera: str) -> Pixels:
        """See Environment and PROTOCOL."""
        spec = next(one for one in self._benchmark.card.cameras if one.name == camera)
        return policy_image(super().see(camera), spec.width, spec.height)


def policy_image(image: Pixels, width: int, height: int) -> Pixels:
    """RGB uint8 (H, W, 3) -> (height, width, 3): unchanged in its own size, else as OpenVLA's evaluation makes it.

    There (resize_image in experiments/robot/libero/libero_utils.py): tf.io.encode_jpeg, decode_image,
    tf.image.resize(method="lanczos3", antialias=True), rounded and clipped.
    """
    if image.shape[:2] == (height, width):
        return image
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    decoded = np.asarray(Image.open(stored).convert("RGB"), np.float32)
    # One channel of floats at a time: Pillow rounds 8-bit images between the two passes.
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(decoded[..., at])).resize((width, height), Image.Resampling.LANCZOS)
        )
        for at in range(3)
    ]
    resized: Pixels = np.clip(np.round(np.stack(channels, axis=-1)), 0, 255).astype(np.uint8)
    return resized
