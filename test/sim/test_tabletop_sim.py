"""Physics and pictures: determinism, commands, bounds, and that every object can be seen."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from rt_vla_ros.sim import Appearance, PlacedObject, SceneLayout, TabletopSim, make_scene
from rt_vla_ros.sim.objects import ALL_KINDS, COLOURS, SHAPES, ObjectKind
from rt_vla_ros.sim.tabletop_model import draw_patterns
from rt_vla_ros.sim.tabletop_sim import MAX_LEAD, WORKSPACE_HIGH, WORKSPACE_LOW

STILL = np.zeros(3)


def test_same_seed_gives_the_same_bits_whatever_was_before(sim, drive):
    scene = make_scene("pick-any", 11)

    def play(sim: TabletopSim) -> tuple[bytes, bytes, bytes]:
        sim.reset(scene.layout)
        first = sim.render("front").tobytes()
        drive(sim, scene, steps=9)
        return first, sim.render("front").tobytes(), sim.data.qpos.tobytes()

    before = play(sim)
    sim.reset(make_scene("pick-colours", 5).layout)
    drive(sim, make_scene("pick-colours", 5), steps=6)
    assert play(sim) == before
    fresh = TabletopSim()
    assert play(fresh) == before
    assert before[0] != before[1]


def test_other_seeds_look_different(sim):
    pictures = set()
    for seed in range(10):
        sim.reset(make_scene("pick-colours", seed).layout)
        pictures.add(sim.render("front").tobytes())
    assert len(pictures) == 10


def test_velocity_commands_move_the_tool_by_their_displacement(sim):
    sim.reset(SceneLayout(()))
    start = sim.ee_position
    sim.command(np.array([0.1, -0.05, 0.05]), np.array([0.0, 0.0, 0.5]))
    sim.step(0.6)
    sim.command(STILL, STILL)
    sim.step(0.6)
    np.testing.assert_allclose(sim.ee_position - start, [0.06, -0.03, 0.03], atol=0.002)
    assert sim.ee_yaw == pytest.approx(0.3, abs=0.02)
    assert sim.time == pytest.approx(1.2, abs=1e-12)


def test_all_three_rotations_are_followed(sim):
    sim.reset(SceneLayout(()))
    sim.command(STILL, np.array([0.4, 0.0, 0.0]))
    sim.step(0.5)
    sim.command(STILL, STILL)
    sim.step(0.5)
    tilt = np.arccos(-sim.ee_rotation[2, 2])
    assert tilt == pytest.approx(0.2, abs=0.03)


def test_arm_stands_when_commands_stop(sim):
    sim.reset(SceneLayout(()))
    sim.command(np.array([0.0, 0.2, 0.0]), STILL)
    sim.step(0.5)
    sim.command(STILL, STILL)
    stopped_at = sim.ee_position
    sim.step(0.4)
    rest = sim.ee_position
    assert np.linalg.norm(rest - stopped_at) < 0.02
    sim.step(0.5)
    assert np.linalg.norm(sim.ee_position - rest) < 0.001


def test_the_reference_stays_within_its_lead(sim):
    sim.reset(SceneLayout(()))
    farthest = 0.0
    sim.command(np.array([0.0, 3.0, 0.0]), STILL)
    for _ in range(15):
        here = sim.ee_position
        sim.step(0.02)
        farthest = max(farthest, float(np.linalg.norm(sim.reference_position - here)))
    assert 0.03 < farthest <= MAX_LEAD + 1e-9


@pytest.mark.parametrize("direction", [(1, 1, 1), (-1, 1, -1), (1, -1, -1), (-1, -1, 1), (0, 0, -1)])
def test_the_tool_stays_in_its_workspace(sim, direction):
    sim.reset(SceneLayout(()))
    sim.command_gripper(1.0)
    sim.command(0.4 * np.array(direction, float), STILL)
    sim.step(2.0)
    here = sim.ee_position
    assert (here >= np.array(WORKSPACE_LOW) - 0.01).all()
    assert (here <= np.array(WORKSPACE_HIGH) + 0.01).all()
    wall = np.where(np.array(direction) > 0, WORKSPACE_HIGH, WORKSPACE_LOW)
    np.testing.assert_allclose(here[np.nonzero(direction)], wall[np.nonzero(direction)], atol=0.02)


def test_the_gripper_closes_and_opens(sim):
    sim.reset(SceneLayout(()))
    assert sim.gripper_closedness < 0.05
    sim.command_gripper(1.0)
    sim.step(1.0)
    assert sim.gripper_closedness > 0.95
    sim.command_gripper(-3.0)
    sim.step(1.0)
    assert sim.gripper_closedness < 0.05


def test_objects_rest_where_they_were_laid(sim):
    layout = make_scene("pick-any", 4).layout
    sim.reset(layout)
    sim.step(2.0)
    laid = [(thing.x, thing.y) for thing in layout.objects]
    np.testing.assert_allclose(sim.object_positions[:, :2], laid, atol=0.002)
    np.testing.assert_allclose(sim.clearances, 0.0, atol=0.001)
    assert sim.touched() == [set(), set()]


def _alone(sim: TabletopSim, kind: ObjectKind) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels an object on the table changes, and their mean colour 0 ... 1."""
    sim.reset(SceneLayout((), start=(0.4, 0.0, 0.4)))
    empty = sim.render("front").astype(int)
    sim.reset(SceneLayout((PlacedObject(kind, 0.5, 0.1),), start=(0.4, 0.0, 0.4)))
    picture = sim.render("front").astype(int)
    mask = np.abs(picture - empty).max(axis=2) > 25
    return mask, picture[mask].mean(axis=0) / 255


def test_every_combination_is_seen_in_its_colour(sim):
    assert len(ALL_KINDS) >= 18
    for kind in ALL_KINDS:
        mask, colour = _alone(sim, kind)
        assert 25 <= mask.sum() <= 200, kind
        hue = colorsys.rgb_to_hsv(*colour)[0]
        distance = {name: abs((hue - colorsys.rgb_to_hsv(*rgb)[0] + 0.5) % 1 - 0.5) for name, rgb in COLOURS.items()}
        assert min(distance, key=distance.__getitem__) == kind.colour


def test_shapes_differ_in_a_policys_picture(sim):
    masks = {shape: _alone(sim, ObjectKind("blue", shape))[0] for shape in SHAPES}
    names = list(SHAPES)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            assert (masks[one] != masks[other]).sum() >= 6, (one, other)


def test_table_and_light_follow_the_look(sim):
    sim.reset(SceneLayout((), appearance=Appearance(table=(0.2, 0.2, 0.6))))
    blue = sim.render("front")[80:].mean(axis=(0, 1))
    sim.reset(SceneLayout((), appearance=Appearance(table=(0.2, 0.2, 0.6), light=0.5)))
    dark = sim.render("front")[80:].mean(axis=(0, 1))
    assert blue[2] > 2 * blue[0]
    assert dark[2] < 0.75 * blue[2]


def test_pictures_for_people_do_not_change_what_a_policy_sees(sim):
    layout = make_scene("pick-colours", 2).layout
    sim.reset(layout)
    plain = sim.render("front")
    fine = TabletopSim(detailed=True)
    fine.reset(layout)
    assert fine.render_for_display("overview", 320, 240).shape == (240, 320, 3)
    assert fine.render("wrist").shape == (96, 96, 3)
    np.testing.assert_array_equal(fine.render("front"), plain)
    fine.close()


def test_joints_links_and_cameras_have_names_and_sane_values(sim):
    sim.reset(SceneLayout(()))
    assert len(sim.joint_names) == len(sim.joint_positions) == len(sim.joint_velocities) == 8
    poses = sim.link_poses
    np.testing.assert_allclose(poses["panda_link0"].position, 0.0)
    np.testing.assert_allclose(poses["panda_link0"].quaternion, [0, 0, 0, 1])
    np.testing.assert_allclose(poses["panda_hand_tcp"].position, sim.ee_position)
    np.testing.assert_allclose(np.abs(poses["panda_hand_tcp"].quaternion), [1, 0, 0, 0], atol=0.01)  # pointing down
    assert all(np.linalg.norm(pose.quaternion) == pytest.approx(1.0) for pose in poses.values())
    matrix = sim.intrinsics("front", 96, 96)
    assert matrix[0, 0] == matrix[1, 1] == pytest.approx(48 / np.tan(np.deg2rad(16)))
    np.testing.assert_array_equal(matrix[:2, 2], 48)


def test_bad_input_is_refused_in_a_sentence(sim):
    with pytest.raises(ValueError, match="3 finite numbers"):
        sim.command(np.array([0.0, np.nan, 0.0]), STILL)
    with pytest.raises(ValueError, match="3 finite numbers"):
        sim.command(np.zeros(2), STILL)
    with pytest.raises(ValueError, match="0 \\(open\\) to 1 \\(closed\\)"):
        sim.command_gripper(float("nan"))
    with pytest.raises(ValueError, match="There is no camera 'side'; available: front, wrist"):
        sim.render("side")
    things = tuple(PlacedObject(kind, 0.4, 0.0) for kind in ALL_KINDS[:10])
    with pytest.raises(ValueError, match="10 objects, expected at most 9"):
        sim.reset(SceneLayout(things))


def test_nine_objects_fit_and_three_use_the_small_model(sim, drive):
    scene, crowd = make_scene("pick-any", 4), make_scene("distractors", 1)
    sim.reset(scene.layout)
    alone = sim.render("front"), sim.data.qpos.copy()
    sim.reset(crowd.layout)
    assert len(sim.clearances) == len(crowd.layout.objects) >= 6
    np.testing.assert_allclose(sim.clearances, 0.0, atol=1e-6)
    drive(sim, crowd, steps=3)
    assert sim.render("front").shape == (96, 96, 3)
    sim.reset(scene.layout)
    np.testing.assert_array_equal(sim.render("front"), alone[0])
    np.testing.assert_array_equal(sim.data.qpos, alone[1])


def test_patterns_change_the_table_and_plain_is_plain(sim):
    def table(look):
        sim.reset(SceneLayout((), appearance=look))
        return sim.render("front")[60:, :, :]

    plain = table(Appearance())
    assert np.ptp(plain.astype(int), axis=(0, 1)).max() < 10
    pictures = {pattern: table(Appearance(pattern=pattern)) for pattern in draw_patterns()}
    for picture in pictures.values():
        assert np.ptp(picture.astype(int), axis=(0, 1)).min() > 15
    assert len({picture.tobytes() for picture in pictures.values()}) == len(draw_patterns())
    np.testing.assert_array_equal(table(Appearance()), plain)
