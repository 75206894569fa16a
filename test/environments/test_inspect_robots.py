"""Tasks of inspect-robots in `rt-vla evaluate`, with the real package and a small plugin of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

pytest.importorskip("inspect_robots", reason="needs inspect-robots: pip install 'rt_vla_ros[inspect]'")

from support.inspect_point import install

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.cli.main import main
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.foreign import ForeignEnvironment
from rt_vla_ros.environments.inspect_robots import ask_declaration
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.record import EpisodeRecord
from rt_vla_ros.language.encoder import InstructionError

CARD = ConstantPolicy.card
TO_THE_MARK = np.array([0.0, 0.04, 0.0])


@pytest.fixture
def choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnvironmentChoice:
    """Its process finds the plugin in the working directory."""
    install(tmp_path)
    monkeypatch.chdir(tmp_path)
    ask_declaration.cache_clear()
    return EnvironmentChoice("inspect:point-reach@point", Path(sys.executable), answer_time=20.0)


@pytest.fixture
def point(choice: EnvironmentChoice) -> Iterator[ForeignEnvironment]:
    with closing(choice.open(CARD)) as opened:
        yield opened


def played(environment: ForeignEnvironment, policy: ConstantPolicy, task: str, seed: int = 0) -> EpisodeRecord:
    return DirectPlayer(policy, environment, ExactFollower(environment.tick_ns)).play(task, seed)[0]


def test_a_task_is_done_in_the_embodiments_steps_and_judged_by_its_scorer(point: ForeignEnvironment) -> None:
    task = "inspect:point-reach@point"
    record = played(point, ConstantPolicy(translation=TO_THE_MARK), task)
    # 4 cm per action of 0.2 s, in two steps of 0.1 s: within 3 cm of the mark at 18 cm, after nine steps.
    assert (record.outcome, record.steps, record.seconds, record.instruction) == ("success", 5, 0.9, "go to the mark")
    assert record.reason == "The environment reports success. success_at_end: reached success termination."
    assert played(point, ConstantPolicy(translation=-TO_THE_MARK), task).outcome == "timeout"
    stopped = played(point, ConstantPolicy(terminate=True), task)
    assert (stopped.outcome, stopped.seconds) == ("stopped_early", 0.0)
    assert point.see("front").shape == (64, 48, 3)
    assert (point.see("front")[0, :, 0] == 255).all()
    assert point.about["environment"]["versions"]["inspect-robots"].startswith("0.60")


def test_an_instruction_that_the_policy_refuses_is_one_failed_episode(point: ForeignEnvironment) -> None:
    class Choosy(ConstantPolicy):
        """Takes every second instruction."""

        count = 0

        def reset(self, instruction: str) -> None:
            self.count += 1
            if self.count % 2:
                raise InstructionError(f"{instruction!r} is not in the table.")

    player = DirectPlayer(Choosy(terminate=True), point, ExactFollower(point.tick_ns))
    records = [player.play("inspect:point-reach@point", seed)[0] for seed in range(2)]
    assert [one.outcome for one in records] == ["instruction_refused", "stopped_early"]
    assert records[0].reason == "The policy refused the instruction. 'go to the mark' is not in the table."
    assert not records[0].success


def test_a_scorer_may_find_success_where_the_embodiment_ends_nothing(choice: EnvironmentChoice) -> None:
    near = replace(choice, env="inspect:point-near@point")
    with closing(near.open(CARD)) as point:
        record = played(point, ConstantPolicy(translation=TO_THE_MARK), near.env)
        assert (record.outcome, record.seconds) == ("success", 2.0), "it ran to the step limit"


def test_what_raises_or_crashes_or_hangs_is_one_failed_episode(choice: EnvironmentChoice) -> None:
    trouble = replace(choice, env="inspect:point-trouble@point", answer_time=3.0)
    policy = ConstantPolicy(translation=TO_THE_MARK)
    with closing(trouble.open(CARD)) as point:
        reasons = [played(point, policy, trouble.env, seed) for seed in range(5)]
    assert [one.outcome for one in reasons] == ["success", *["environment_failed"] * 3, "success"]
    assert reasons[1].reason == "inspect failed in this episode: ArithmeticError: the physics exploded"
    assert "(exit code 3). Last output: the driver crashed" in reasons[2].reason
    assert "did not answer within 3 s" in reasons[3].reason


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ("point-raech@point", "inspect: there is no task 'point-raech'. Did you mean point-reach"),
        ("point-reach@piont", "there is no embodiment 'piont'. Did you mean point"),
        ("point-reach", "there are several embodiments; write inspect:TASK@NAME with one of cubepick"),
        ("point-reach@real-arm", "is a real robot, which this evaluation must not move, as it has no guardrails"),
        ("point-operator@point", "is judged by an operator"),
    ],
)
def test_what_is_not_there_or_cannot_be_judged_is_refused(choice: EnvironmentChoice, env: str, sentence: str) -> None:
    with pytest.raises(EnvironmentRefusal, match=sentence):
        replace(choice, env=f"inspect:{env}").open(CARD)


def test_a_score_that_is_no_verdict_is_refused(choice: EnvironmentChoice) -> None:
    length = replace(choice, env="inspect:point-length@point")
    with (
        closing(length.open(CARD)) as point,
        pytest.raises(EnvironmentRefusal, match="no scorer of this task returns yes or no: episode_length"),
    ):
        played(point, ConstantPolicy(terminate=True), length.env)


def test_all_that_does_not_fit_an_embodiment_is_said_at_once(choice: EnvironmentChoice) -> None:
    with pytest.raises(ActionCardError) as cube:
        replace(choice, env="inspect:cubepick-reach@cubepick").open(CARD)
    assert str(cube.value) == (
        "inspect:cubepick-reach@cubepick cannot run this policy: frame_id is 'panda_link0', expected 'world'; its "
        "dimension 'world_vector_z' is a translation_z, which the environment does not support; its dimension "
        "'rotation_delta_z' is a rotation_z, which the environment does not support; its dimension "
        "'gripper_closedness' is a gripper, which the environment does not support; it sees the camera 'front', but "
        "the environment has 'top'."
    )
    wrist = replace(CARD, control_rate=4.0, cameras=(replace(CARD.cameras[0], name="wrist"),))
    with pytest.raises(ActionCardError) as arm:
        replace(choice, env="inspect:point-reach@joints").open(wrist)
    for part in ("its control_mode is 'joint_pos'", "control_rate is 4 Hz", "it sees the camera 'wrist'"):
        assert part in str(arm.value)


def test_the_commands_know_it(
    choice: EnvironmentChoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RT_VLA_ENVS", str(tmp_path / "envs"))
    where = ["--env-python", sys.executable]
    assert main(["env", "card", choice.env, *where, "--rate", "5"]) == 0
    card = capsys.readouterr().out
    assert '"high": 0.08' in card
    command = ["evaluate", "--policy", "rt1-untrained", "--env", choice.env, "--episodes", "2"]
    assert main(command) == 2
    assert "inspect is not installed: rt-vla env install inspect" in capsys.readouterr().err
    assert main([*command, *where, "--delay", "0.02"]) == 2
    assert "not a multiple of the environment's step of 0.1 s" in capsys.readouterr().err
    assert main([*command, *where, "--out", str(tmp_path / "out"), "--videos", "0"]) == 0
    assert "as in `inspect-robots run --seed 0`" in (tmp_path / "out" / "evaluation.json").read_text()


def test_a_policy_trained_for_it_has_a_card_that_it_prints(choice: EnvironmentChoice) -> None:
    own: ActionCard = replace(choice, env="inspect:cubepick-reach@cubepick").own_card()
    assert [(one.name, one.role, one.high) for one in own.dimensions] == [
        ("dx", "translation_x", 0.1),
        ("dy", "translation_y", 0.1),
    ]
    assert (own.frame_id, own.control_rate, own.cameras[0].name, own.cameras[0].width) == ("world", 10.0, "top", 32)
