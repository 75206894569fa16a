"""Whether a motion of the tip leads any link into another one or into a box, by MuJoCo, with the Panda's own shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.arms.collision_path import CollisionPath
from rt_vla_ros.arms.collision_protocol import CollisionQuestion, CollisionSetup, FoundCollision
from rt_vla_ros.arms.panda_urdf import NAMES, READY, TIP, panda_urdf

PANDA = panda_urdf(shapes=True)
# Beside the elbow of the arm in READY, whose tip is half a meter before the base and 0.6 m high.
WALL_BEHIND = [-0.8, -0.5, 0.3, -0.33, 0.5, 1.0]
BACK = (-0.03, 0, 0, 0, 0, 0)


def path(*boxes: list[float], urdf: str = PANDA, **changes: object) -> CollisionPath:
    return CollisionPath(CollisionSetup(urdf, TIP, 0.01, [*boxes], "panda_link0", **changes))  # type: ignore[arg-type]


def question(*steps: tuple[float, ...], at: tuple[float, ...] = READY, **changes: object) -> CollisionQuestion:
    motion = [[number, *step] for number, step in enumerate(steps)]
    return CollisionQuestion(dict(zip(NAMES, at, strict=True)), motion, **changes)  # type: ignore[arg-type]


def joints_after(one: CollisionPath) -> np.ndarray:
    return np.array([one.shapes.data.joint(name).qpos[0] for name in NAMES])


def test_the_tip_goes_where_the_steps_lead() -> None:
    free = path()
    steps = [(0.03, -0.02, -0.04, 0.0, 0.1, -0.2)] * 4
    assert free.check(question()) is None
    data = free.shapes.data
    before, axes = data.body(TIP).xpos.copy(), data.body(TIP).xmat.reshape(3, 3).copy()
    assert free.check(question(*steps)) is None
    assert data.body(TIP).xpos - before == pytest.approx([0.12, -0.08, -0.16], abs=0.002)
    turn = data.body(TIP).xmat.reshape(3, 3) @ axes.T
    assert np.arccos((np.trace(turn) - 1) / 2) == pytest.approx(4 * np.hypot(0.1, 0.2), abs=0.01)


def test_steps_are_in_the_axes_they_say() -> None:
    one = path()
    one.check(question())
    before, axes = one.shapes.data.body(TIP).xpos.copy(), one.shapes.data.body(TIP).xmat.reshape(3, 3).copy()
    one.check(question((0, 0, 0.05, 0, 0, 0), axes=TIP))
    assert one.shapes.data.body(TIP).xpos - before == pytest.approx(axes @ [0, 0, 0.05], abs=0.001)
    one.check(question((0.05, 0, 0, 0, 0, 0), turn=[0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]))
    assert one.shapes.data.body(TIP).xpos - before == pytest.approx([0, 0.05, 0], abs=0.001)


def test_an_elbow_in_a_box_is_found_where_the_tip_is_far_from_it() -> None:
    """Drawn back, the tip stays before the base; the elbow goes into the wall behind it."""
    found = path(WALL_BEHIND).check(question(*[BACK] * 10))
    assert found is not None
    assert found.bodies[1] == "forbidden box 1"
    assert found.bodies[0] in ("panda_link3", "panda_link4")
    assert 0 < found.step < 10
    assert path().check(question(*[BACK] * 10)) is None


def test_the_seventh_of_ten_steps_is_named() -> None:
    down = (0, 0, -0.05, 0, 0, 0)
    free = path()
    assert free.check(question(*[down] * 6)) is None
    height = free.shapes.data.body("panda_link7").xpos[2]
    table = [0.2, -1.0, -1.0, 1.0, 1.0, height - 0.08 - 0.05]  # the link ends 0.12 m below its frame
    steps = [*[(0, 0, -0.01, 0, 0, 0)] * 6, (0, 0, -0.4, 0, 0, 0), *[(0, 0, 0.01, 0, 0, 0)] * 3]
    found = path(table).check(question(*steps))
    assert found is not None
    assert (found.step, found.bodies[1]) == (6, "forbidden box 1")


def test_the_arm_may_not_fold_into_itself() -> None:
    towards_base = path().check(question(*[(-0.05, 0, -0.05, 0, 0, 0)] * 12))
    assert towards_base is not None
    assert all(body.startswith("panda_link") for body in towards_base.bodies)


def test_bodies_that_are_close_from_the_beginning_may_move_apart_but_not_approach() -> None:
    below = path()
    below.check(question())
    lowest = below.shapes.data.body("panda_link7").xpos[2] - 0.12
    table = path([0.2, -1.0, -1.0, 1.0, 1.0, lowest - 0.005])  # within the margin of 0.01 m
    assert table.check(question((0, 0, 0.05, 0, 0, 0))) is None
    found = table.check(question((0, 0, -0.004, 0, 0, 0)))
    assert found == FoundCollision(0, ("panda_link7", "forbidden box 1"))


def test_the_margin_is_kept() -> None:
    free = path()
    free.check(question())
    lowest = free.shapes.data.body("panda_link7").xpos[2] - 0.12
    table = path([0.2, -1.0, -1.0, 1.0, 1.0, lowest - 0.05])
    assert table.check(question((0, 0, -0.039, 0, 0, 0))) is None
    assert table.check(question((0, 0, -0.042, 0, 0, 0))) is not None


def test_neighbors_and_pairs_that_may_touch_do_not_collide() -> None:
    back = [(-0.05, 0, -0.05, 0, 0, 0)] * 12
    found = path().check(question(*back))
    assert found is not None
    other = path(allowed=[[*found.bodies]]).check(question(*back))
    assert other is None or other.bodies != found.bodies


def test_neighbors_of_neighbors_that_touch_at_rest_may_touch() -> None:
    """A link 3 so long that it reaches link 1, as in compact joints."""
    urdf = PANDA.replace('<origin xyz="0.0 0.0 -0.19"', '<origin xyz="0.0 0.0 -0.235"')
    assert urdf != PANDA
    closer = (-0.02, 0, 0, 0, 0, 0)
    found = path(urdf=urdf).check(question(closer))
    assert found is not None
    assert found.bodies == ("panda_link1", "panda_link3")
    assert path(urdf=urdf, rest=question().positions).check(question(closer)) is None


@pytest.mark.parametrize(
    ("urdf", "words"),
    [
        (panda_urdf(), "no collision shapes"),
        (PANDA.replace("panda_link8", "flange"), "no link 'panda_link8' (tip_frame)"),
        (PANDA.replace('<sphere radius="0.05"/>', '<mesh filename="/nowhere/link6.stl"/>'), "of 'panda_link6' cannot"),
        (
            PANDA.replace('<sphere radius="0.05"/>', '<mesh filename="/a/link6.dae"/>'),
            "'panda_link6', '/a/link6.dae', is",
        ),
        ("<robot", "not valid XML"),
    ],
)
def test_what_cannot_be_checked_is_said(urdf: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        path(urdf=urdf)


def test_a_mesh_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    mesh = tmp_path / "link6.stl"
    mesh.write_bytes(b"solid nothing")
    with pytest.raises(ValueError, match="STL"):
        path(urdf=PANDA.replace('<sphere radius="0.05"/>', f'<mesh filename="{mesh}"/>'))


def test_links_without_shapes_are_named() -> None:
    assert path().shapes.bare == [TIP]


def test_a_joint_without_a_position_is_an_error() -> None:
    with pytest.raises(ValueError, match="the position of the joint 'panda_joint7' is unknown"):
        path().check(CollisionQuestion(dict(zip(NAMES[:6], READY, strict=False)), []))


def test_boxes_may_not_move_with_the_arm() -> None:
    with pytest.raises(ValueError, match="moves with the arm"):
        CollisionPath(CollisionSetup(PANDA, TIP, 0.01, [WALL_BEHIND], "panda_link3"))
    with pytest.raises(ValueError, match="no link 'map'"):
        CollisionPath(CollisionSetup(PANDA, TIP, 0.01, [WALL_BEHIND], "map"))


def test_of_motion_near_a_singularity_and_a_joints_end_every_check_is_close_to_the_last() -> None:
    """The joints move far there for little motion of the tip."""
    one = path()
    moved: list[float] = []
    original = one._move

    def watched(change: object) -> None:
        moved.append(float(np.abs(np.asarray(change)).max()))
        original(change)  # type: ignore[arg-type]

    one._move = watched  # type: ignore[method-assign, assignment]
    one.check(question(*[(0.06, 0, 0.02, 0, 0, 0)] * 8))  # beyond the arm's reach
    assert max(moved) <= 0.02 + 1e-9
    low, high = np.array([one._low, one._high])
    assert (joints_after(one) >= low - 1e-9).all()
    assert (joints_after(one) <= high + 1e-9).all()
