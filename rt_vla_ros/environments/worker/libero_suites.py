"""Constants of LIBERO (Liu et al., 2023) that the process and its parent share."""

from __future__ import annotations

STEP_LIMITS = {
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_10": 520,
    "libero_90": 400,
}
"""Steps of an episode by suite, as in OpenVLA's evaluation (experiments/robot/libero/run_libero_eval.py)."""
CAMERAS = {"front": "agentview", "wrist": "robot0_eye_in_hand"}
SIZE = 256  # of an image, as in the evaluation of OpenVLA [px]
SETTLING = 10  # steps without motion in which objects fall onto their support
STATES = 50  # initial states of a task
EXPERT_SUITE = "libero_object"
