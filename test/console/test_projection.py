"""Points in a camera's picture, against OpenCV's own projection and against pictures of the simulator."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from rt_vla_ros.console.projection import Pinhole, calibrated, refuse_shape
from rt_vla_ros.control.track import conjugate, rotate
from rt_vla_ros.sim import TabletopSim, make_scene

MATRIX = (500.0, 0.0, 310.0, 0.0, 480.0, 250.0, 0.0, 0.0, 1.0)
PROJECTION = (400.0, 0.0, 320.0, 0.0, 0.0, 400.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)
BENT = (-0.28, 0.07, 0.001, -0.0005, 0.01)
RATIONAL = (0.45, -2.6, 0.0005, -0.0002, 1.45, 0.34, -2.4, 1.4)  # as of a depth camera's colour lens


def pinhole(**given: Any) -> Pinhole:
    settings: dict[str, Any] = {"projection": PROJECTION, "distortion": BENT, "model": "plumb_bob"}
    camera = calibrated((640, 480), MATRIX, **{**settings, **given})
    assert isinstance(camera, Pinhole)
    return camera


@pytest.mark.parametrize("distortion", [BENT, RATIONAL, (0.0,) * 5, ()])
def test_it_projects_as_opencv_does(distortion: tuple[float, ...]) -> None:
    points = np.random.default_rng(0).uniform((-0.4, -0.35, 0.8), (0.4, 0.35, 3.0), (200, 3))
    model = "rational_polynomial" if len(distortion) == 8 else "plumb_bob"
    expected, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), np.array(MATRIX).reshape(3, 3), np.array(distortion or (0.0,) * 5)
    )
    np.testing.assert_allclose(
        pinhole(distortion=distortion, model=model).project(points) * (640, 480), expected[:, 0], atol=1e-9, rtol=0
    )


def test_what_is_behind_the_camera_is_left_out() -> None:
    points = np.array([[0.0, 0.0, 1.0], [0.1, 0.0, 0.0], [0.0, 0.1, -1.0], [np.nan, 0.0, 1.0]])
    np.testing.assert_array_equal(np.isnan(pinhole().project(points)).any(axis=1), [False, True, True, True])


def test_where_the_distortion_folds_back_there_is_no_point() -> None:
    rays = np.array([[0.5, 0.0, 1.0], [4.0, 0.0, 1.0]])
    there = pinhole(distortion=(-0.3, 0.0, 0.0, 0.0, 0.0)).project(rays)
    np.testing.assert_array_equal(np.isnan(there).any(axis=1), [False, True])


def test_behind_a_pole_of_the_distortion_there_is_no_point() -> None:
    rays = np.array([[0.5, 0.0, 1.0], [1.5, 0.0, 1.0]])
    lens = (0.0, 0.0, 0.0, 0.0, 0.0, -0.5, 0.0, 0.0)  # below the line: 1 - r^2 / 2
    there = pinhole(distortion=lens, model="rational_polynomial").project(rays)
    np.testing.assert_array_equal(np.isnan(there).any(axis=1), [False, True])


def test_a_part_of_the_picture_and_rectified_pictures() -> None:
    ahead = np.array([[0.0, 0.0, 1.0]])
    part = pinhole(region=(110, 50, 400, 400))
    np.testing.assert_allclose(part.project(ahead), [[0.5, 0.5]])
    flat = pinhole(rectified=True, distortion=(9.0,), model="equidistant")
    np.testing.assert_allclose(flat.project(np.array([[0.4, 0.0, 1.0]])), [[0.75, 0.5]])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "equidistant", "distortion": (0.1,) * 4}, "4 coefficients of the distortion model 'equidistant'"),
        ({"model": "rational_polynomial"}, "5 coefficients of the distortion model 'rational_polynomial', expected"),
        ({"model": "equidistant", "distortion": (0.0,) * 4}, "4 coefficients of the distortion model 'equidistant'"),
        ({"distortion": (0.1, float("nan"), 0.0, 0.0, 0.0)}, "implausible distortion coefficients"),
        ({"distortion": (1e308, 1.0, 0.0, 0.0, 0.0)}, "implausible distortion coefficients"),
        ({"rectified": True, "projection": (0.0,) * 12}, "has no calibration (p is not set): calibrate the camera."),
    ],
)
def test_what_cannot_be_projected_is_said(given: dict[str, Any], words: str) -> None:
    settings: dict[str, Any] = {"projection": PROJECTION, "distortion": BENT, "model": "plumb_bob", **given}
    assert words in str(calibrated((640, 480), MATRIX, **settings))
    assert "(k is not set)" in str(calibrated((640, 480), (0.0,) * 9, projection=PROJECTION, distortion=(), model=""))


def test_a_smaller_copy_fits_and_another_part_does_not() -> None:
    assert refuse_shape(pinhole(), 320, 240) is None
    assert refuse_shape(pinhole(), 96, 96) == (
        "Its camera_info is of 640 x 480 pixels, the picture has 96 x 96: the aspect ratios differ."
    )


@pytest.mark.parametrize("camera", ["front", "wrist"])
def test_objects_are_where_the_simulated_cameras_see_them(camera: str) -> None:
    sim, scene = TabletopSim(size=(96, 96)), make_scene("pick-colours", 0, "pick up the red cube")
    sim.reset(scene.layout)
    for _ in range(60):  # to where the wrist's camera sees the cube, and nothing hides it from the front
        way = sim.object_positions[scene.task.target] + (-0.06, 0.0, 0.16) - sim.ee_position
        sim.command(np.clip(4 * way, -0.3, 0.3), np.zeros(3))
        sim.step(0.02)
    frame, mount = sim.camera_mount(camera)
    point = sim.object_positions[scene.task.target]
    if frame == sim.arm.tool_frame:
        point = sim.ee_rotation.T @ (point - sim.ee_position)
    seen = rotate(conjugate(np.roll(mount.quaternion, 1)), point - mount.position)
    matrix = sim.intrinsics(camera, 96, 96)
    there = calibrated((96, 96), matrix.ravel(), projection=(0.0,) * 12, distortion=(0.0,) * 5, model="plumb_bob")
    assert isinstance(there, Pinhole)
    column, row = (there.project(seen[None])[0] * 96).astype(int)
    red, green, blue = sim.render(camera)[row, column].astype(int)
    assert red > 2 * max(green, blue)
    sim.close()
