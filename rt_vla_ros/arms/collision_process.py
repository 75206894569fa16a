"""The process of the collision checker, see solver_loop. An empty answer: no collision."""

from __future__ import annotations

from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup
from rt_vla_ros.arms.solver_loop import Answering, answer_requests


def main() -> None:
    """Answers until the input ends."""
    answer_requests(_set_up, "Install MuJoCo there: pip install mujoco")


def _set_up(payload: bytes) -> tuple[Answering, str]:
    import mujoco

    from rt_vla_ros.arms.collision_path import CollisionPath

    path = CollisionPath(CollisionSetup.from_bytes(payload))

    def check(request: bytes) -> bytes:
        found = path.check(CollisionQuestion.from_bytes(request))
        return b"" if found is None else found.to_bytes()

    bare = f"; links without collision shapes: {', '.join(path.shapes.bare)}" if path.shapes.bare else ""
    return check, f"MuJoCo {mujoco.__version__}{bare}"
