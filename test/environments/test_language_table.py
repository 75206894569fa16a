"""Language-Table's adapter, without Language-Table: card, names, and what it says without a checkout."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.language_table import FAMILIES, UNTESTED, language_table_card
from rt_vla_ros.environments.native_action import NativeActions
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.environments.serving_check import refuse_card
from rt_vla_ros.policies.tabletop_card import tabletop_card


def test_a_displacement_in_metres_is_the_action_itself() -> None:
    tick_ns = round(language_table_card().period * 1e9)
    native, follower = NativeActions(language_table_card(), [-0.1] * 2, [0.1] * 2, tick_ns), ExactFollower(tick_ns)
    step = EndEffectorStep(np.array([0.03, -0.25, 0.0]), np.zeros(3), 0.0)
    follower.accept(ActionChunk((step,), 0.1, frame_id="base_link"), stamp=0.0, now=0.0)
    np.testing.assert_allclose(native.of_command(follower.tick(0.1)), [0.03, -0.1], atol=1e-9)


def test_the_five_families_are_its_tasks() -> None:
    tasks = EnvironmentChoice(f"language-table:{','.join(FAMILIES)}").tasks
    assert tasks == [f"language-table:{name}" for name in FAMILIES]
    assert len(FAMILIES) == 5
    with pytest.raises(EnvironmentRefusal, match=r"no task family 'block2blok'\. Did you mean block2block"):
        _ = EnvironmentChoice("language-table:block2blok").tasks


def test_a_policy_with_height_and_gripper_is_refused() -> None:
    card = replace(tabletop_card("tabletop"), frame_id="base_link", control_rate=10.0)
    with pytest.raises(ActionCardError) as refused:
        refuse_card(card, language_table_card(), "Language-Table")
    assert "translation_z, which the environment does not support" in str(refused.value)
    assert "gripper, which the environment does not support" in str(refused.value)


def test_without_a_checkout_it_says_what_to_do(tmp_path: Path) -> None:
    choice = EnvironmentChoice("language-table:separate")
    with pytest.raises(
        EnvironmentRefusal, match=r"is not on PyPI: git clone .* pass --env-checkout DIR and --env-python"
    ):
        choice.open(None)
    choice = replace(choice, python=Path(sys.executable))
    with pytest.raises(EnvironmentRefusal, match=UNTESTED):
        choice.open(None)
    with pytest.raises(EnvironmentRefusal, match="is not a checkout of Language-Table"):
        replace(choice, checkout=tmp_path).open(None)


def test_a_checkout_without_its_requirements_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    source = tmp_path / "language_table" / "environments" / "language_table.py"
    source.parent.mkdir(parents=True)
    source.write_text("import a_library_that_is_missing\n")
    choice = EnvironmentChoice("language-table:separate", Path(sys.executable), checkout=tmp_path)
    with pytest.raises(EnvironmentRefusal, match="No module named 'a_library_that_is_missing'"):
        choice.open(None)
