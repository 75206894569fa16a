"""An environment in a process of its own, with the smallest that Gymnasium can hold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.policy_server import RunningServer
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import ActionCardError
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, Policy
from rt_vla_ros.policies.remote.settings import RemoteSettings

CRASHES, HANGS = 1001, 1002  # of support/point_world.py
TO_THE_MARK = np.array([0.0, 0.04, 0.0])


@pytest.fixture
def environment(point_world: EnvironmentChoice) -> Iterator[ForeignEnvironment]:
    with closing(point_world.open(ConstantPolicy.card)) as opened:
        yield opened


def play(environment: ForeignEnvironment, policy: Policy, seed: int) -> EpisodeRecord:
    player = DirectPlayer(policy, environment, ExactFollower(environment.tick_ns))
    return player.play("gymnasium:point_world:Point-v0", seed)[0]


def test_an_action_in_metres_moves_the_world_by_so_much(environment: ForeignEnvironment) -> None:
    record = play(environment, ConstantPolicy(translation=TO_THE_MARK), 0)
    # 4 cm per action of 0.2 s, in two steps of 0.1 s: within 3 cm of the mark at 18 cm, after nine steps.
    assert (record.outcome, record.steps, record.seconds) == ("success", 5, 0.9)
    assert record.instruction == "go to the mark"
    assert record.task == "gymnasium:point_world:Point-v0"


def test_what_goes_elsewhere_ends_with_the_steps_of_the_environment(environment: ForeignEnvironment) -> None:
    record = play(environment, ConstantPolicy(translation=-TO_THE_MARK), 0)
    assert (record.outcome, record.seconds) == ("timeout", 2.0)


def test_a_policy_that_terminates_ends_the_episode(environment: ForeignEnvironment) -> None:
    assert play(environment, ConstantPolicy(terminate=True), 0).outcome == "stopped_early"


def test_images_come_as_they_are(environment: ForeignEnvironment) -> None:
    environment.lay("gymnasium:point_world:Point-v0", 0)
    image = environment.see("front")
    assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)
    assert image[0, :, 0].min() == 255
    assert image[1:].max() == 90


def test_a_crash_is_one_episodes_and_the_rest_goes_on(environment: ForeignEnvironment) -> None:
    policy = ConstantPolicy(translation=TO_THE_MARK)
    crashed = play(environment, policy, CRASHES)
    assert crashed.outcome == "environment_failed"
    assert crashed.reason == (
        "The process of gymnasium ended by itself (exit code 3). Last output: the physics exploded"
    )
    assert play(environment, policy, 3).outcome == "success"


class Choosy(ConstantPolicy):
    """Takes every second instruction after its warm-up."""

    count = 0

    def reset(self, instruction: str) -> None:
        self.count += instruction != WARM_UP_INSTRUCTION
        if self.count % 2:
            raise InstructionError(f"{instruction!r} is not in the table.")


def test_an_instruction_that_a_served_policy_refuses_is_one_failed_episode(environment: ForeignEnvironment) -> None:
    def make() -> Choosy:
        return Choosy(translation=TO_THE_MARK)

    with closing(RunningServer({"choosy": make})) as server:
        remote = load_policy(server.address, remote=RemoteSettings(budget=20.0))
        records = [[play(environment, policy, seed) for seed in range(2)] for policy in (remote, make())]
    for refused, played in records:
        assert (refused.outcome, played.outcome) == ("instruction_refused", "success")
        assert refused.reason == "The policy refused the instruction. 'go to the mark' is not in the table."


def test_a_hang_is_one_episodes_and_the_rest_goes_on(point_world: EnvironmentChoice) -> None:
    policy, started = ConstantPolicy(translation=TO_THE_MARK), time.monotonic()
    with closing(replace(point_world, answer_time=1.5).open(policy.card)) as environment:
        hung = play(environment, policy, HANGS)
        assert hung.outcome == "environment_failed"
        assert hung.reason.startswith("The process of gymnasium did not answer within 1.5 s.")
        assert play(environment, policy, 3).outcome == "success"
    assert time.monotonic() - started < 300, "it did not wait for what hung"


def test_ctrl_c_leaves_no_process(environment: ForeignEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    process = environment._process
    environment.lay("gymnasium:point_world:Point-v0", 0)

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(process, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment.see("front")
    assert not process.runs
    assert play(environment, ConstantPolicy(translation=TO_THE_MARK), 0).success


def test_all_that_a_policy_cannot_be_served_is_said_at_once(environment: ForeignEnvironment) -> None:
    card = ConstantPolicy.card
    camera = replace(card.cameras[0], name="wrist")
    other = replace(card, frame_id="world", control_rate=4.0, cameras=(camera,), name="other")
    sentence = (
        r"gymnasium:point_world:Point-v0 cannot run this policy: frame_id is 'world', expected 'panda_link0'; "
        r"control_rate is 4 Hz, expected a divisor of the environment's 10 Hz; "
        r"it sees the camera 'wrist', but the environment has 'front'\."
    )
    with pytest.raises(ActionCardError, match=sentence):
        environment.refuse(other)
    environment.refuse(card)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Endless-v0", "has no max_episode_steps"),
        ("Buttons-v0", "The actions of point_world:Buttons-v0 are a Discrete, expected a Box"),
        ("Piont-v0", "Piont"),
    ],
)
def test_an_environment_that_cannot_be_used_is_refused(
    point_world: EnvironmentChoice, name: str, sentence: str
) -> None:
    with pytest.raises(EnvironmentRefusal, match=sentence):
        replace(point_world, env=f"gymnasium:point_world:{name}").open(ConstantPolicy.card)


def test_one_that_never_tells_about_success_is_refused(point_world: EnvironmentChoice) -> None:
    choice = replace(point_world, env="gymnasium:point_world:Silent-v0")
    with (
        closing(choice.open(ConstantPolicy.card)) as environment,
        pytest.raises(EnvironmentRefusal, match="is_success"),
    ):
        play(environment, ConstantPolicy(), 0)


def test_a_card_that_does_not_fit_the_box_is_refused(point_world: EnvironmentChoice, tmp_path: Path) -> None:
    card = point_world.own_card()
    path = tmp_path / "short.json"
    path.write_text(json.dumps(replace(card, dimensions=card.dimensions[:3]).to_dict()))
    with pytest.raises(ValueError, match="its action card has 3 dimensions"):
        replace(point_world, card=path).open(ConstantPolicy.card)
