"""A page of Python classes and functions for each part of the package that a researcher imports."""

from __future__ import annotations

from collections.abc import Iterator

from tables import code, page, prose, table

PACKAGE = "rt_vla_ros"
INTRODUCTION = (
    "Classes and functions for your own scripts. None needs ROS; `action_space`, `observations` and `control` load "
    "without PyTorch. [The architecture](../../architecture.md) explains how the parts fit together."
)
# Title, what it is for, and the modules.
PARTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "policies": (
        "Policies",
        "Load a policy, or write your own.",
        tuple(
            f"policies.{name}"
            for name in ("load", "policy", "rt1.configuration", "rt1.modeling", "engine.description", "engine.policy")
        ),
    ),
    "action_space": (
        "Action space",
        "What the numbers of a checkpoint mean.",
        tuple(f"action_space.{name}" for name in ("card", "chunk", "ensemble", "state", "tokenizer", "decoder")),
    ),
    "observations": (
        "Observations",
        "What a policy sees.",
        tuple(f"observations.{name}" for name in ("observation", "image", "history", "robot_state")),
    ),
    "language": ("Language", "Sentence embeddings.", ("language.encoder", "language.sources")),
    "environments": (
        "Environments",
        "Environments for evaluating a policy.",
        ("environments.environment", "environments.opening"),
    ),
    "control": (
        "Control",
        "From actions to velocities, and every reason to stop.",
        tuple(f"control.{name}" for name in ("controller", "status", "limits", "gripper", "takeover")),
    ),
    "runtime": (
        "Runtime",
        "A policy on a stream of images, without ROS.",
        tuple(f"runtime.{name}" for name in ("policy_stepper", "policy_runner", "frame_buffer", "instruction_gate")),
    ),
    "evaluation": (
        "Evaluation",
        "Episodes of a policy in an environment.",
        ("evaluation.rollout", "evaluation.record"),
    ),
    "data": (
        "Data",
        "Episodes on disk.",
        tuple(f"data.{name}" for name in ("episode", "lerobot", "lerobot_writer", "episode_source")),
    ),
    "training": ("Training", "From episodes to a checkpoint.", ("training.settings", "training.run")),
    "sim": ("Simulation", "The simulated table.", ("sim.tabletop_sim", "sim.suites", "sim.scripted_expert")),
}


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown, which mkdocstrings fills."""
    rows = [
        (f"[{title}]({name}.md)", prose(purpose), ", ".join(code(f"{PACKAGE}.{module}") for module in modules))
        for name, (title, purpose, modules) in PARTS.items()
    ]
    yield "reference/python/index.md", page("Python", INTRODUCTION, table(("part", "what for", "modules"), rows))
    for name, (title, purpose, modules) in PARTS.items():
        yield f"reference/python/{name}.md", page(title, purpose, *(f"::: {PACKAGE}.{one}" for one in modules))
