from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.cards import card, card_data

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError


def test_survives_the_disk(tmp_path: Path) -> None:
    card().save(tmp_path)
    assert ActionCard.load(tmp_path) == card()


def test_period_is_the_inverse_of_the_rate() -> None:
    assert card(control_rate=4.0).period == 0.25


def test_index_finds_roles() -> None:
    assert (card().index("terminate"), card().index("gripper"), card().index("translation_z")) == (0, 7, 3)
    assert card(dimensions=card_data()["dimensions"][1:]).index("terminate") is None


def state_data(**changes: Any) -> dict[str, Any]:
    """Changes to a card: three dimensions of state, the first one changed."""
    first = {"name": "q1", "unit": "rad", "low": -1, "high": 1, "source": "joint:panda_joint1"}
    rest = [
        {"name": name, "unit": "m", "low": -1.0, "high": 1.0, "source": source}
        for name, source in (("finger", "-joint:panda_finger_joint2"), ("x", "tip:x"))
    ]
    return {"state": [{**first, **changes}, *rest]}


def changed_dimension(index: int, **changes: Any) -> dict[str, Any]:
    dimensions = card_data()["dimensions"]
    dimensions[index] = {**dimensions[index], **changes}
    return {"dimensions": dimensions}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"frame": "world"}, "frame is 'world', expected one of base, end_effector"),
        ({"rotation": "quaternion"}, "expected one of rotation_vector, rpy"),
        ({"quantization": "floor"}, "expected one of round, truncate"),
        ({"bins": 1}, "bins is 1"),
        ({"bins": "256"}, "bins must be int, got '256'"),
        ({"control_rate": 0.0}, "control_rate is 0.0"),
        ({"control_rate": float("nan")}, "control_rate is nan"),
        ({"version": 2}, "version is 2"),
        ({"gripper_open": 3.0}, "outside the gripper's range"),
        ({"gripper_open": -1.0}, "are both -1.0"),
        ({"dimensions": []}, "dimensions is empty"),
        ({"dimensions": "seven"}, "dimensions must be a list of objects"),
        ({"cameras": []}, "cameras is empty"),
        ({"cameras": [{"name": "front"}]}, "lacks width, height, crop, vertical_fov"),
        ({"camera_s": []}, "unknown key 'camera_s'"),
        (changed_dimension(1, role="translation_w"), "expected one of terminate"),
        (changed_dimension(1, unit="mm"), "is in 'm'"),
        (changed_dimension(1, low=1.0, high=-1.0), "expected a finite low below high"),
        (changed_dimension(1, high=float("inf")), "expected a finite low below high"),
        (changed_dimension(1, role="translation_y"), "is used by two dimensions"),
        (changed_dimension(1, modes=["terminate"]), "only the role 'terminate' may"),
        (changed_dimension(0, modes=["go", "stay"]), "expected 'terminate' among"),
        (changed_dimension(0, modes=[]), "expected 'terminate' among"),
        (changed_dimension(0, modes=None), "modes must be a list of strings, got None"),
        (changed_dimension(0, modes="terminate"), "modes must be a list of strings, got 'terminate'"),
        (changed_dimension(0, modes=[1, "terminate"]), "modes must be a list of strings, got [1, 'terminate']"),
        (changed_dimension(1, low=-(10**400)), "low is a number of 402 digits"),
        (changed_dimension(1, lo=0), "unknown key 'lo'"),
        ({"state": {"name": "q1"}}, "state must be a list of objects, got {'name': 'q1'}"),
        ({"state": [{"name": "q1"}]}, "state[0] of the action card lacks unit, low, high, source"),
        (state_data(name="x"), "two dimensions of the state have the same name: x, finger, x."),
        (state_data(name=""), "a dimension of the state has no name"),
        (state_data(name=1), "name must be str, got 1"),
        (state_data(source="joints:a"), "'q1' has the source 'joints:a', expected joint:NAME, -joint:NAME, tip:x"),
        (state_data(source="joint:"), "'q1' has the source 'joint:', expected"),
        (state_data(source="-tip:x"), "'q1' has the source '-tip:x', expected"),
        (state_data(source="topic:-1"), "'q1' has the source 'topic:-1', expected"),
        (state_data(source="tip:rx", unit="m"), "'q1' has the unit 'm', the source 'tip:rx' is in rad."),
        (state_data(unit="1"), "the source 'joint:panda_joint1' is in rad or m."),
        (state_data(low=1.0), "'q1' ranges from 1.0 to 1, expected a finite low below high"),
        (state_data(low=float("nan")), "expected a finite low below high"),
        (state_data(low=-1.7e308, high=1.7e308), "expected a finite low below high"),
    ],
)
def test_refuses_what_makes_no_sense(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ActionCardError) as refusal:
        card(**changes)
    assert sentence in str(refusal.value)


def test_state_survives_the_disk_and_is_left_out_where_there_is_none(tmp_path: Path) -> None:
    assert "state" not in card().to_dict()
    with_state = card(**state_data())
    with_state.save(tmp_path)
    assert ActionCard.load(tmp_path) == with_state
    assert [(one.kind, one.sign) for one in with_state.state] == [("joint", 1), ("joint", -1), ("tip", 1)]
    assert [one.reading for one in with_state.state] == ["joint:panda_joint1", "joint:panda_finger_joint2", "tip"]


@pytest.mark.parametrize("key", [key for key in card_data() if key != "name"])
def test_refuses_a_card_that_lacks_something(key: str) -> None:
    data = card_data()
    del data[key]
    with pytest.raises(ActionCardError, match=f"lacks {key}"):
        ActionCard.from_dict(data)


@pytest.mark.parametrize(
    ("text", "sentence"), [("{", "is not JSON"), ("[]", "holds a list"), (json.dumps({"name": "x"}), "lacks")]
)
def test_refuses_a_file_that_is_no_card(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / CARD_FILE).write_text(text)
    with pytest.raises(ActionCardError, match=sentence):
        ActionCard.load(tmp_path)


def test_says_what_to_do_without_a_card(tmp_path: Path) -> None:
    with pytest.raises(ActionCardError, match="without it the meaning of the actions is unknown"):
        ActionCard.load(tmp_path)
