"""The choices of a benchmark's protocol: keys identify them, sentences explain them in reports.

An evaluation resumes only with the same choices. A sentence may be rewritten at any time; a choice that changes gets
another key, so keys contain the numbers that they depend on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EARLIER = {
    "500 steps of 12.5 ms; an episode ends at the first success, as in metaworld.evaluation": "steps-500-first-success",
    "seeds 0 to 49 are the 50 starts that MT1 draws from its seed 0, 50 to 99 those from its seed 1, and so "
    "on": "mt1-starts",
    "the camera corner2, which hangs upside down, turned by 180 degrees, drawn in the policy's size": "corner2-rotated",
    "an action of the policy in equal parts over the steps of its period, without smoothing and limits": "equal-parts",
    "the sentences are of rt_vla_ros: Meta-World has none": "instructions-f370ff9f",
    "the environment's own max_episode_steps; an episode ends at its first success, which its info "
    "says": "own-limit-first-success",
    "the seed of an episode is that of reset()": "reset-seed",
    "the image is the observation, an entry of it with the camera's name, or render()": "image-or-render",
    "step limits of OpenVLA's evaluation: libero_spatial 220, libero_object 280, libero_goal 300, libero_10 520, "
    "libero_90 400; an episode ends at the first success": "steps-220-280-300-520-400-first-success",
    "seeds 0 to 49 are the benchmark's initial states of a task; the random generator that places fixtures is seeded "
    "with 0 before each episode, so an episode does not depend on those before it": "initial-states-50-fixtures-0",
    "before an episode, 10 steps without motion and with an open gripper, which do not count": "settling-10",
    "the cameras agentview (front) and robot0_eye_in_hand (wrist), rendered at 256 px and rotated by 180 degrees, "
    "early in a step like the benchmark's own observations": "agentview-eye-in-hand-256",
    "a policy with 256 px sees them unchanged; other sizes as in OpenVLA's evaluation: JPEG-encoded (quality 95), "
    "decoded, resized with Lanczos (3 lobes, antialiased); a center crop belongs to the checkpoint": "jpeg-95-lanczos3",
    "an action of the policy is divided equally over the steps of its period, without smoothing or limits; the gripper "
    "closes or opens with the sign of its value": "equal-parts-gripper-sign",
    "instructions are the benchmark's own": "own-instructions",
    "the task's own step limit; the embodiment may end an episode earlier": "own-limit",
    "seeds 0 to N-1 are the task's N scenes as in `inspect-robots run --seed 0`, N to 2N-1 their second epoch, "
    "...": "scenes-by-epochs",
    "the first of the task's scorers that returns yes or no determines success; no grader and no "
    "operator": "first-yes-or-no-scorer",
    "an action of the policy is divided equally over the steps of its period, and clipped to the action "
    "space": "equal-parts-clipped",
    "units are meters and radians, the gripper's upper bound is open: the conventions of its adapters, not "
    "declared": "meters-radians-upper-open",
    "this adapter was not tested with the real Language-Table": "untested",
    "201 steps of 0.1 s, as in its evaluation code; an episode ends at the first success": "steps-201-first-success",
    "eight blocks; the initial state is the first one from the seed for which the benchmark's RRT oracle finds a plan; "
    "its own evaluation draws 50 initial states of a family from one seed instead": "eight-blocks-first-plan",
    "the observation's image without the instruction drawn into it; no crop": "image-without-text",
    "an action of the policy is divided equally over the steps of its period, without smoothing or "
    "limits": "equal-parts",
}
"""The keys of the sentences in evaluations from before there were keys; it never changes."""


def choices_of(environment: Mapping[str, Any]) -> dict[str, str]:
    """Sentences by key, of an entry `environment` in an evaluation of this or an earlier version.

    An unknown sentence of an earlier version is its own key. Raises ValueError for a damaged entry.
    """
    protocol = environment.get("protocol", [])
    if isinstance(protocol, Mapping) and all(isinstance(sentence, str) for sentence in protocol.values()):
        return dict(protocol)
    if isinstance(protocol, list) and all(isinstance(sentence, str) for sentence in protocol):
        return {EARLIER.get(sentence, str(sentence)): sentence for sentence in protocol}
    raise ValueError(f"the protocol of the environment is {str(protocol)[:80]!r}, expected sentences by their keys")


def environment_identity(environment: object) -> dict[str, str]:
    """What identifies an entry `environment`: its name, versions and choices; nothing for our own table (None).

    Raises ValueError for a damaged entry.
    """
    if environment is None:
        return {}
    if not isinstance(environment, Mapping) or not isinstance(environment.get("versions", {}), Mapping):
        raise ValueError(f"the environment is {str(environment)[:80]!r}, expected its name, versions and protocol")
    versions = {str(name): str(version) for name, version in environment.get("versions", {}).items()}
    choices = {f"protocol {key}": "yes" for key in choices_of(environment)}
    return {"environment": str(environment.get("name")), **versions, **choices}
