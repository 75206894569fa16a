"""Our policies in the real inspect-robots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

pytest.importorskip("inspect_robots", reason="needs inspect-robots: pip install 'rt_vla_ros[inspect]'")

import inspect_robots as api
from inspect_robots.controller import Controller, DefaultController, EnsemblingController, SmoothingController
from inspect_robots.errors import CompatibilityError, ConfigError
from support.inspect_point import Point, box, joints, reach, trouble

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.evaluation.inspect_plugin.policy import InspectPolicy, _names, open_policy
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.policy import Policy

TO_THE_MARK = np.array([0.0, 0.04, 0.0])


class ChunkedPolicy(ConstantPolicy):
    """Two of three steps are done; the second one may terminate."""

    card = replace(ConstantPolicy.card, horizon=3, execute_steps=2)

    def __init__(self, *, terminate: bool = False) -> None:
        step = EndEffectorStep(TO_THE_MARK, np.array([0.0, 0.0, 0.3]), 1.0)
        steps = (step, replace(step, terminate=terminate), step)
        self._action = ActionChunk(steps, self.card.period, frame_id=self.card.frame_id)
        self.told: list[str] = []
        self.seen: list[Observation] = []

    def reset(self, instruction: str) -> None:
        self.told.append(instruction)

    def act(self, observation: Observation) -> ActionChunk:
        self.seen.append(observation)
        return self._action


def bound(policy: Policy) -> InspectPolicy:
    adapter = InspectPolicy(policy, {})
    adapter.bind(Point.info)
    return adapter


def test_a_policy_does_their_task(tmp_path: Path) -> None:
    policy = InspectPolicy(ConstantPolicy(translation=TO_THE_MARK), {})
    assert isinstance(policy, api.Policy)
    (log,) = api.eval(reach(), policy, Point(), log_dir=str(tmp_path))
    assert log.status == "success"
    assert log.results.metrics["success_at_end"] == 1.0
    assert [one.scene_id for one in log.samples] == ["a", "b"]


def test_its_steps_are_cut_into_theirs_and_the_gripper_is_turned_round() -> None:
    policy = ChunkedPolicy()
    adapter = bound(policy)
    adapter.reset(api.Scene("a", "go"))
    chunk = adapter.act(Point().reset(api.Scene("a", "go")))
    # Two steps of 0.2 s are four of 0.1 s: dx, dy, dz, drz, gripper (theirs: 0 closed, 1 open).
    assert np.array([one.data for one in chunk.actions]) == pytest.approx(np.array([[0, 0.02, 0, 0.15, 0.0]] * 4))
    assert (chunk.control_hz, adapter.config.action_horizon) == (10.0, 4)
    assert policy.seen[0].images["front"].shape == (96, 96, 3), "in the size that the card says"
    later = replace(Point().reset(api.Scene("a", "go on")), extra={"env_step": 4})
    adapter.act(later)
    assert (policy.told, policy.seen[1].stamp) == (["go", "go on"], 0.4), "an instruction may change"


def test_what_terminates_asks_for_a_stop_without_motion() -> None:
    adapter = bound(ChunkedPolicy(terminate=True))
    adapter.reset(api.Scene("a", "go"))
    *moving, last = adapter.act(Point().reset(api.Scene("a", "go"))).actions
    assert len(moving) == 2
    assert last.meta["request_stop"]
    assert last.data.tolist() == [0, 0, 0, 0, 0.0], "it holds what it has"


def test_all_mismatches_are_one_refusal_before_anything_moves(tmp_path: Path) -> None:
    policy = InspectPolicy(ConstantPolicy(), {})
    with pytest.raises(CompatibilityError) as arm:
        api.eval(reach(), policy, joints(), log_dir=str(tmp_path))
    assert "joints cannot run this policy: its control_mode is 'joint_pos', expected eef_delta_pos" in str(arm.value)
    other = Point()
    other.info = replace(Point.info, action_space=box(frame="world", rotation_repr="euler_xyz"), control_hz=12.0)
    with pytest.raises(CompatibilityError) as frame:
        api.eval(reach(), policy, other, log_dir=str(tmp_path))
    assert str(frame.value) == (
        "point cannot run this policy: frame_id is 'panda_link0', expected 'world'; control_rate is 5 Hz, expected a "
        "divisor of the environment's 12 Hz; rotation is 'rotation_vector', expected 'rpy'."
    )
    with pytest.raises(RuntimeError, match="bound to no embodiment"):
        InspectPolicy(ConstantPolicy(), {}).act(api.Observation(instruction=""))


def test_cameras_of_other_names_are_named(tmp_path: Path) -> None:
    top = Point()
    top.info = replace(Point.info, observation_space=api.ObservationSpace((api.CameraSpec("top", 64, 48),)))
    with pytest.raises(CompatibilityError, match="it sees the camera 'front', but the environment has 'top'"):
        InspectPolicy(ConstantPolicy(), {}).bind(top.info)
    for others in ((), ("front",), ("wrist", "front")):  # a camera of the card's name is another one then
        cameras = tuple(api.CameraSpec(name, 64, 48) for name in ("top", *others))
        several = replace(Point.info, observation_space=api.ObservationSpace(cameras))
        InspectPolicy(ConstantPolicy(), {"front": "top"}).bind(several)
    policy = InspectPolicy(ConstantPolicy(), {"front": "top"})
    (log,) = api.eval(reach(), policy, top, log_dir=str(tmp_path))
    assert log.samples[0].status == "error"
    assert "The observation has no image of 'top', only front." in str(log.samples[0].error)
    assert _names("front=top", ConstantPolicy.card) == {"front": "top"}
    with pytest.raises(ValueError, match=r"cameras is 'wrist=top', expected CARD=EMBODIMENT"):
        _names("wrist=top", ConstantPolicy.card)


def test_controllers_that_change_its_actions_or_times_are_refused(tmp_path: Path) -> None:
    """A terminate would be lost in an ensemble, and a stop would move when it is smoothed."""

    def run(controller: Controller | None) -> None:
        policy = InspectPolicy(ConstantPolicy(translation=TO_THE_MARK), {})
        (log,) = api.eval(reach(), policy, Point(), log_dir=str(tmp_path), controller=controller)
        assert log.status == "success"

    for fine in (None, DefaultController(), DefaultController(2)):
        run(fine)
    for refused, name in (
        (DefaultController(1), r"DefaultController\(replan_interval=1\)"),
        (SmoothingController(DefaultController()), "SmoothingController"),
        (SmoothingController(DefaultController(1)), r"SmoothingController around DefaultController\("),
        (EnsemblingController(box(rotation_repr="none")), "EnsemblingController"),
    ):
        with pytest.raises(CompatibilityError, match=f"Unsupported controller: {name}.* once per 2 steps"):
            run(refused)


def test_an_embodiment_that_raises_halts_as_they_say(tmp_path: Path) -> None:
    policy = InspectPolicy(ConstantPolicy(translation=TO_THE_MARK), {})
    (log,) = api.eval(trouble(), policy, Point(), log_dir=str(tmp_path))
    assert log.status == "error"
    assert "the physics exploded" in str(log.samples[1].error)


def test_a_checkpoint_that_cannot_be_loaded_is_an_error_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="There is no policy 'rt1-mni'"):
        open_policy("rt1-mni")
    with pytest.raises(ConfigError, match="cameras is 'frnt=top'"):
        open_policy("rt1-untrained", cameras="frnt=top")
