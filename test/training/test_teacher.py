"""Which policies can be teachers, and of whom."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card
from rt_vla_ros.training.checks import TrainingError
from rt_vla_ros.training.teacher import UNKNOWN_LICENSE, Teacher, find_teacher

CARD = tabletop_card("table")


def with_card(card: ActionCard) -> Teacher:
    return replace(find_teacher("rt1-mini"), card=card)


def with_dimension(card: ActionCard, old: str, **changes: Any) -> ActionCard:
    """The card with another dimension of the role `old`."""
    dimensions = tuple(replace(one, **changes) if one.role == old else one for one in card.dimensions)
    return replace(card, dimensions=dimensions)


def test_a_teacher_that_turns_nothing_fits_the_simulated_arm() -> None:
    teacher = find_teacher("rt2-mini")
    assert "rotation_z" not in [one.role for one in teacher.card.dimensions]
    teacher.check(CARD, "the table")
    assert teacher.described.startswith("`rt2-mini` (weights of SHA-256 `")
    assert teacher.license == "apache-2.0"


def test_a_student_may_see_more_and_encode_actions_otherwise() -> None:
    seen = tabletop_card("both", cameras=("wrist", "front"), state=TABLETOP_STATE)
    other = with_dimension(replace(seen, bins=64, gripper_open=1.0, gripper_closed=0.0), "translation_x", high=0.1)
    with_card(CARD).check(replace(other, rotation="rpy"), "the dataset")
    blind = replace(CARD, cameras=(replace(CARD.cameras[0], vertical_fov=0.0),))
    with_card(blind).check(CARD, "the dataset")


def test_all_differences_are_in_one_refusal() -> None:
    small = tabletop_card("small", image_size=64, cameras=("front", "wrist"), state=TABLETOP_STATE[:1])
    theirs = replace(small, control_rate=3.0, frame_id="world")
    ours = with_dimension(CARD.with_horizon(2), "rotation_z", role="unused", unit="1")
    with pytest.raises(TrainingError) as refusal:
        with_card(theirs).check(ours, "the dataset data/x")
    assert str(refusal.value) == (
        "The teacher 'rt1-mini' does not fit the dataset data/x: its control_rate is 3.0, not 5.0; its frame_id is "
        "'world', not 'panda_link0'; the width of its camera 'front' is 64, not 96; the height of its camera 'front' "
        "is 64, not 96; its camera 'wrist' is missing, there is front; its state panda_joint1 is missing; it commands "
        "rotation_z, for which there is no dimension; its horizon is 1, shorter than network.horizon, 2."
    )


def test_a_gripper_without_a_label_is_refused() -> None:
    without = replace(CARD, dimensions=tuple(one for one in CARD.dimensions if one.role != "gripper"))
    with pytest.raises(TrainingError, match="it does not command the gripper, for which there is a dimension"):
        with_card(without).check(CARD, "the dataset")


def test_random_weights_teach_nothing() -> None:
    with pytest.raises(TrainingError, match="'rt2-untrained' has random weights"):
        find_teacher("rt2-untrained")


def test_a_changed_checkpoint_is_another_teacher(tmp_path: Path) -> None:
    directory = tmp_path / "rt2-mini"
    shutil.copytree(CHECKPOINTS / "rt2-mini", directory)
    first = find_teacher(str(directory))
    assert first.identity == find_teacher("rt2-mini").identity
    for name, old, new in (
        ("rt2_config.json", "what action", "which action"),
        ("action_card.json", "0.04", "0.05"),
        ("README.md", "license: apache-2.0\n", ""),
    ):
        before = find_teacher(str(directory))
        path = directory / name
        path.write_text(path.read_text().replace(old, new))
        assert (find_teacher(str(directory)).identity == before.identity) is (name == "README.md")
    assert find_teacher(str(directory)).license == UNKNOWN_LICENSE
    with (directory / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    changed = find_teacher(str(directory))
    assert changed.sha256 != first.sha256
    assert changed.identity != before.identity


def test_a_run_does_not_overwrite_its_teacher(tmp_path: Path) -> None:
    teacher = find_teacher("rt1-mini")
    teacher.check_place(tmp_path)
    with pytest.raises(
        TrainingError, match=r"The teacher .*rt1-mini is inside .*checkpoints, where the run is written"
    ):
        teacher.check_place(CHECKPOINTS)
