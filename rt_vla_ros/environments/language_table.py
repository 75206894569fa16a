"""Language-Table (Lynch et al., 2022; https://github.com/google-research/language-table) from the user's checkout.

Not tested with the real package, which is not on PyPI: its card, protocol and names, after its evaluation code.
"""

from __future__ import annotations

from pathlib import Path

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.foreign import Benchmark
from rt_vla_ros.environments.worker.language_table_world import REWARDS, STEPS

LANGUAGE_TABLE = "language-table"
REACH, RATE = 0.1, 10.0  # of an action [m]; [Hz]
WIDTH, HEIGHT = 320, 180  # of an image [px]
FAMILIES = tuple(REWARDS)
UNTESTED = "this adapter was not tested with the real Language-Table"
HOW = (
    "Language-Table is not on PyPI: git clone https://github.com/google-research/language-table, install its "
    "requirements.txt in a separate Python environment, and pass --env-checkout DIR and --env-python PATH"
)
SOURCE = Path("language_table") / "environments" / "language_table.py"
PROTOCOL = {
    "untested": UNTESTED,
    f"steps-{STEPS}-first-success": (
        f"{STEPS} steps of 0.1 s, as in its evaluation code; an episode ends at the first success"
    ),
    "eight-blocks-first-plan": (
        "eight blocks; the initial state is the first one from the seed for which the benchmark's RRT oracle finds a "
        "plan; its own evaluation draws 50 initial states of a family from one seed instead"
    ),
    "image-without-text": "the observation's image without the instruction drawn into it; no crop",
    "equal-parts": (
        "an action of the policy is divided equally over the steps of its period, without smoothing or limits"
    ),
    "own-instructions": "instructions are the benchmark's own",
}


def language_table_card() -> ActionCard:
    """Displacements in the plane of the table [m]."""
    return ActionCard(
        name="Language-Table",
        dimensions=tuple(ActionDimension(axis, f"translation_{axis}", -REACH, REACH, "m") for axis in "xy"),
        bins=256,
        quantization="round",
        frame="base",
        frame_id=BASE_LINK,
        rotation="rotation_vector",
        gripper_open=0.0,
        gripper_closed=1.0,
        control_rate=RATE,
        cameras=(CameraSpec("front", WIDTH, HEIGHT, "stretch", 0.0),),
        notes=("There is no gripper.", f"Not verified: {UNTESTED}."),
    )


def families_of(given: str) -> list[str]:
    """One or more families, separated by commas. Raises EnvironmentRefusal for unknown ones."""
    found = [name.strip() for name in given.split(",")]
    for name in found:
        if name not in FAMILIES:
            raise EnvironmentRefusal.of_name("Language-Table has no task family", name, FAMILIES)
    return found


def check_checkout(checkout: Path | None) -> Path:
    """Its directory. Raises EnvironmentRefusal if it is none."""
    if checkout is None:
        raise EnvironmentRefusal(f"{HOW} ({UNTESTED}).")
    if not (checkout / SOURCE).is_file():
        raise EnvironmentRefusal(f"--env-checkout: {checkout} is not a checkout of Language-Table: it has no {SOURCE}.")
    return checkout.resolve()


def language_table_benchmark(checkout: Path | None) -> Benchmark:
    """Raises EnvironmentRefusal without a checkout."""
    describe = {"checkout": str(check_checkout(checkout))}
    return Benchmark("Language-Table", LANGUAGE_TABLE, language_table_card(), PROTOCOL, {}, "", describe)
