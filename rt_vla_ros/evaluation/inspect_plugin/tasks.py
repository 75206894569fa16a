"""Our suites as tasks of inspect-robots: its scenes are the same tables as those of `rt-vla evaluate`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rt_vla_ros.evaluation.inspect_plugin.embodiment import TARGET
from rt_vla_ros.sim.scenes import TIME_LIMIT, make_scene
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED

if TYPE_CHECKING:
    import inspect_robots


def suite_task(suite: str, episodes: int = 10, seed: int = 0) -> inspect_robots.Task:
    """Episode i is the table of the suite's seed `seed` + i. Raises inspect_robots' ConfigError."""
    from inspect_robots import Scene, Target, Task
    from inspect_robots.errors import ConfigError

    if episodes < 1 or not 0 <= seed <= FIRST_TRAINING_SEED - episodes:
        raise ConfigError(
            f"episodes is {episodes} and seed {seed}; expected 1 episode or more, of seeds from 0 to "
            f"{FIRST_TRAINING_SEED - 1}: training uses those above."
        )
    scenes = [
        Scene(
            id=f"{suite}-{one}",
            instruction=make_scene(suite, one).task.instruction,
            target=Target(TARGET, {"suite": suite, "seed": one}),
            init_seed=one,
        )
        for one in range(seed, seed + episodes)
    ]
    return Task(name=f"tabletop-{suite}", scenes=scenes, scorer="success_at_end", max_seconds=TIME_LIMIT)


pick_colours = partial(suite_task, "pick-colours")
pick_any = partial(suite_task, "pick-any")
unseen = partial(suite_task, "unseen")
distractors = partial(suite_task, "distractors")
backgrounds = partial(suite_task, "backgrounds")
synonyms = partial(suite_task, "synonyms")
reasoning = partial(suite_task, "reasoning")
symbols = partial(suite_task, "symbols")
