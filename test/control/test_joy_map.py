"""What a joystick's axes and buttons mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.control.joy_map import DIRECTIONS, JoyMap, JoyReader, read_joy_map

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "config" / "joy").glob("*.yaml"))
MAP = JoyMap(
    {"x": (1, 0.2), "yaw": (0, -0.5)},
    {"deadman": 0, "gripper_open": 1, "gripper_close": 2, "gripper_toggle": 3, "resume": 4, "stop": 5},
)
REST, HELD = [0.0, 0.0], [1, 0, 0, 0, 0, 0]


def pressed(*names: str, held: bool = True) -> list[int]:
    return [int(name in names or (held and name == "deadman")) for name in MAP.buttons]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_map_moves_all_directions_and_has_a_deadman(path: Path) -> None:
    made = read_joy_map(path)
    assert set(made.axes) == set(DIRECTIONS)
    assert {"deadman", "resume"} <= set(made.buttons)
    assert made.buttons["deadman"] not in [made.buttons[name] for name in made.buttons if name != "deadman"]


def test_deflections_become_velocities_beyond_the_deadband() -> None:
    np.testing.assert_allclose(MAP.velocity([0.0, 1.0]), [0.2, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(MAP.velocity([0.55, -1.0]), [-0.2, 0, 0, 0, 0, -0.25])
    assert not MAP.velocity([0.1, -0.099]).any()
    np.testing.assert_allclose(MAP.velocity([0.0, 9.0]), [0.2, 0, 0, 0, 0, 0])
    assert np.isnan(MAP.velocity([0.0, np.nan])[0])


def test_without_the_deadman_nothing_is_commanded() -> None:
    command = JoyReader(MAP).read([1.0, 1.0], pressed("gripper_close", held=False))
    assert (command.held, command.gripper, command.velocity.any()) == (False, None, False)


def test_a_button_counts_once_and_not_where_it_was_down_from_the_start() -> None:
    reader = JoyReader(MAP)
    said = [reader.read(REST, pressed(*names)).gripper for names in (["gripper_close"], ["gripper_close"], [])]
    assert said == [None, None, None]
    presses = (["gripper_close"], ["gripper_close"], [], ["gripper_toggle"], [], ["gripper_toggle"], ["gripper_open"])
    assert [reader.read(REST, pressed(*names)).gripper for names in presses] == [1, None, None, 0, None, 1, 0]


def test_resume_counts_with_the_deadman_let_go_alone() -> None:
    reader = JoyReader(MAP)
    reader.read(REST, HELD)
    assert not reader.read(REST, pressed("resume")).resume
    reader.read(REST, pressed(held=False))
    assert reader.read(REST, pressed("resume", held=False)).resume


def test_stop_counts_always_and_where_the_rest_does_not_fit() -> None:
    assert MAP.stops(pressed("stop", held=False))
    assert not MAP.stops(pressed(held=True))
    assert not MAP.stops([1])


def test_a_joystick_with_too_few_axes_or_buttons_is_named() -> None:
    assert MAP.refuse(2, 6) is None
    for few in ((1, 6), (2, 5), (0, 0)):
        assert f"{few[0]} axes and {few[1]} buttons, but the map needs 2 and 6" in str(MAP.refuse(*few))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds NoneType, expected axes"),
        ("[1]", "holds list"),
        ("a: [", "is not valid YAML"),
        ("axes: {x: {axis: 0, scale: 1}}", "holds axes, expected"),
        ("axes: {}\nbuttons: {deadman: 0}", "at least one entry in axes"),
        ("axes: {x: {axis: 0, scale: 1}}\nbuttons: {stop: 0}", "motion requires a deadman"),
        ("axes: {w: {axis: 0, scale: 1}}\nbuttons: {deadman: 0}", "axes holds w, expected some of x, y"),
        ("axes: {x: 3}\nbuttons: {deadman: 0}", "axes.x is 3"),
        ("axes: {x: {axis: 0, scale: .nan}}\nbuttons: {deadman: 0}", "axes.x is"),
        ("axes: {x: {axis: 0.5, scale: 1}}\nbuttons: {deadman: 0}", "axes.x.axis is 0.5"),
        ("axes: {x: {axis: 0, scale: 1}}\nbuttons: {deadman: -1}", "buttons.deadman is -1"),
        ("axes: {x: {axis: 0, scale: 1}}\nbuttons: {deadman: true}", "buttons.deadman is True"),
        ("axes: {x: {axis: 0, scale: 1}}\nbuttons: 3", "buttons holds 3"),
        ("axes: {x: {axis: 0, scale: 1}}\nbuttons: {deadman: 0}\ndeadband: 1", "deadband is 1"),
        ("axes: {x: {axis: 0, scale: 1}}\nbuttons: {deadman: 0}\nframe_id: 1", "frame_id is 1"),
    ],
)
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r".*") as error:
        read_joy_map(path)
    assert words in str(error.value)
