"""What a user asks a demo for, checked; loads without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.sim.scenes import Scene


@dataclass(frozen=True)
class DemoSettings:
    """timeout: simulated time that the policy gets [s]. out: directory of what is written."""

    scene: Scene
    policy: str
    out: Path
    timeout: float
    lock_step: bool
    cameras: tuple[str, ...] = ("front",)
