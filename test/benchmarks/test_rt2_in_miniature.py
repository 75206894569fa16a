"""The arms of RT-2's claims in miniature, and the order in which they are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_vla_ros.benchmarks import rt2_in_miniature
from rt_vla_ros.benchmarks.rt2_in_miniature import (
    ROBOT_FRAMES,
    SHARES,
    STEPS,
    WEB_STEPS,
    Arm,
    ArmError,
    Place,
    arms,
    make_all,
)
from rt_vla_ros.training.rt2.mini.collector import WEB_AGAIN
from rt_vla_ros.training.rt2.mini.settings import MiniSettings


def settings(arm: Arm) -> MiniSettings:
    return MiniSettings(**arm.settings)


def test_every_arm_is_behind_those_that_it_starts_from() -> None:
    before = set[str]()
    for arm in arms():
        assert arm.behind <= before
        before.add(arm.name)


def test_with_and_without_web_data_there_are_as_many_robot_frames_and_steps() -> None:
    compared = [settings(arm) for arm in arms() if arm.name.split("-")[0] in ("scratch", "robot", "co")]
    assert {one.steps for one in compared} == {STEPS}
    assert {one.robot_frames_at(0) for one in compared} == {ROBOT_FRAMES}
    assert {one.robot_questions for one in compared} == {False}


def test_the_arms_learn_from_all_robot_frames_of_a_run_by_the_recipe() -> None:
    recipe = MiniSettings()
    first = recipe.robot_frames + recipe.expert_frames
    later = recipe.frames_wanted(recipe.steps) - recipe.frames_wanted(0)
    most = first + later * (1 - 1 / WEB_AGAIN) + 2 * recipe.shard
    assert all(settings(arm).robot_capacity >= most for arm in arms() if settings(arm).acts and not arm.of)


def test_two_robots_learn_from_the_same_frames_alone_and_together() -> None:
    named = {arm.name: arm for arm in arms() if arm.name.startswith("robots-")}
    place = Place(Path("RUN"), Path("OUT"))
    assert "frames_from" not in " ".join(place.train_command(named["robots-frames"]))
    for name, robots in (("front", "front"), ("left", "left"), ("both", "front,left")):
        command = place.train_command(named[f"robots-{name}"])
        assert f"frames_from={Path('OUT') / 'robots-frames'}" in command
        assert settings(named[f"robots-{name}"]).embodiments == robots
    assert str(Path("OUT/robots-both/checkpoint-left")) in place.evaluate_command(named["robots-both-left"])
    shares = {settings(arm).robot_frames_at(0) for arm in named.values() if not arm.of}
    assert shares == {ROBOT_FRAMES}


def test_all_arms_but_those_on_web_data_alone_have_the_given_number_of_steps() -> None:
    for arm in arms(300):
        if not arm.of:
            assert settings(arm).steps == (WEB_STEPS if arm.name.startswith("web-") else 300)
    frames = next(arm for arm in arms(300) if arm.name == "robots-frames")
    assert settings(frames).learner_after == 100


def test_sizes_and_shares_are_compared_on_the_frames_of_one_robot() -> None:
    compared = [arm for arm in arms() if arm.name.startswith("share-") or arm.name == "small"]
    assert len(compared) == len(SHARES) + 1
    assert {arm.frames for arm in compared} == {""}
    assert {settings(arm).embodiments for arm in compared} == {"front"}
    assert {(settings(arm).steps, settings(arm).batch_size, settings(arm).seed) for arm in compared} == {(STEPS, 24, 0)}
    assert {settings(arm).robot_share for arm in compared} == {*SHARES}


def test_an_arm_that_fails_ends_all_of_them_with_the_place_of_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[str]()

    def run(command: list[str], log: Path) -> None:
        begun.append(log.parent.name)
        raise ArmError(f"{log} says why.")

    monkeypatch.setattr(rt2_in_miniature, "_run", run)
    chosen = [Arm("first", {}), Arm("second", {}, start="first"), Arm("third", {}, start="second")]
    with pytest.raises(ArmError, match=r"first.train\.log says why"):
        make_all(chosen, Place(tmp_path, tmp_path), jobs=2)
    assert begun == ["first"]
