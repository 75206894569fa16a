"""Errors of a served policy: the robot gets the type and the sentence that a local policy would have raised."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from support.fleet_policies import CountingPolicy, view
from support.policy_server import RunningServer
from support.runner_desk import MS, Listener
from support.stranger import Stranger

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.language.instruction_table import InstructionTable
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy, PolicyFaultError, PolicyLateError, PolicyLostError
from rt_vla_ros.policies.remote.error_wire import error_meta, read_kind
from rt_vla_ros.policies.remote.policy import RemoteLateError
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.remote.wire import MessageKind, RemoteMessage
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.policy_runner import PolicyRunner
from rt_vla_ros.runtime.policy_stepper import PolicyStepper
from rt_vla_ros.serving.decider import LateRequestError, ReplicaLostError
from rt_vla_ros.serving.refusal import Refusal

Serve = Callable[..., RunningServer]
ROBOT = RemoteSettings(budget=20.0)
ERRORS = [
    (InstructionError("It is not in the table."), InstructionError),
    (DecodingError("The tokens are no action."), DecodingError),
    (PolicyLostError("The engine is gone."), PolicyLostError),
    (ReplicaLostError("No replica has answered."), PolicyLostError),
    (PolicyLateError("The engine is late."), RemoteLateError),
    (ValueError("The image is too small."), ValueError),
    (OSError("The disk is full."), PolicyFaultError),
]


class FailingPolicy(CountingPolicy):
    """Raises `error` where `where` says, once it was told to "fail"."""

    def __init__(self, error: Exception, where: str) -> None:
        super().__init__()
        self.error, self.where, self.fails = error, where, False

    def reset(self, instruction: str) -> None:
        super().reset(instruction)
        self.fails = instruction == "fail"
        self._perhaps("reset")

    def act(self, observation: Observation) -> ActionChunk:
        self._perhaps("act")
        return super().act(observation)

    def _perhaps(self, where: str) -> None:
        if self.fails and where == self.where:
            raise self.error


@pytest.mark.parametrize("where", ["reset", "act"])
@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
def test_an_error_keeps_its_type_and_its_sentence(
    error: Exception, expected: type[Exception], where: str, serve: Serve
) -> None:
    server = serve({"failing": lambda: FailingPolicy(error, where)})
    with closing(load_policy(server.address, remote=ROBOT)) as policy:
        with pytest.raises(Exception) as raised:  # noqa: PT011, PT012 - the type is what is tested
            policy.reset("fail")
            policy.act(view())
        assert (type(raised.value), str(raised.value)) == (expected, str(error))
        policy.reset("go")
        assert policy.act(view()).tokens == (1, 100)
    outcomes = server.metrics.policies["failing"].outcomes
    if where == "act":
        assert outcomes["late" if expected is RemoteLateError else "refused"] == 1


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
def test_an_error_keeps_its_type_from_a_replica_to_its_server(error: Exception, expected: type[Exception]) -> None:
    copy = Refusal.of(error).error()
    assert isinstance(copy, PolicyLateError if expected is RemoteLateError else expected)
    assert Refusal.of(copy) == Refusal.of(error)
    assert Refusal.of(LateRequestError("It is too late.")).kind == "late"


def test_a_fault_is_told_to_a_robot_as_it_would_be_locally(serve: Serve) -> None:
    server = serve({"failing": lambda: FailingPolicy(KeyError("weights"), "act")})
    with closing(load_policy(server.address, remote=ROBOT)) as policy:
        remote = told_by_the_node(policy, "fail")
    local = told_by_the_node(FailingPolicy(KeyError("weights"), "act"), "fail")
    assert remote == local
    assert remote[1].startswith("KeyError: 'weights' (_perhaps, line ")


def test_a_refused_instruction_is_told_by_the_node_as_of_a_local_policy(serve: Serve) -> None:
    server = serve({"table": TablePolicy})
    with closing(load_policy(server.address, remote=ROBOT)) as policy:
        remote = told_by_the_node(policy, "open the drawer")
    assert remote == told_by_the_node(TablePolicy(), "open the drawer")
    assert remote[0] == "failed"
    assert "'open the drawer'" in remote[1]


class TablePolicy(CountingPolicy):
    """Encodes its instruction with a real table of two sentences."""

    warm_up_instruction, warm_up_runs = "pick up the red cube", 1

    def __init__(self) -> None:
        super().__init__()
        rows = {sentence: np.ones(512, np.float32) for sentence in (self.warm_up_instruction, "close the drawer")}
        self.table = InstructionTable(rows)

    def reset(self, instruction: str) -> None:
        self.table.encode(instruction)
        super().reset(instruction)


def told_by_the_node(policy: Policy, instruction: str) -> tuple[str, str]:
    """What ended the request of an instruction, in the thread that the policy node runs."""

    def decode(_policy: Policy, _camera: str, message: np.ndarray) -> np.ndarray:
        return message

    listener = Listener()
    runner: PolicyRunner[np.ndarray] = PolicyRunner(
        lambda: PolicyStepper(policy, decode, max_image_age=0.5, min_confidence=0.0), lambda: 1000 * MS, listener
    )
    runner.start()
    listener.wait("ready")
    runner.request(instruction)
    runner.offer("front", Frame(view().images["front"], 1000 * MS, 5))
    (sentence,) = listener.wait("failed")
    runner.close()
    return listener.heard[-1][0], str(sentence)


# Robots and servers of other versions ---------------------------------------------------------------------------------


def test_robots_of_earlier_versions_read_a_reason_that_they_know(serve: Serve) -> None:
    server = serve({"failing": lambda: FailingPolicy(ValueError(), "never")})
    robot = Stranger(server)
    answer = robot.ask(RemoteMessage(MessageKind.RESET, 3, {"instruction": "nonsense"}))
    assert answer == RemoteMessage(
        MessageKind.REFUSED,
        3,
        {"sentence": "The instruction is nonsense.", "reason": "value", "kind": "instruction"},
    )


@pytest.mark.parametrize(
    ("meta", "kind"),
    [
        ({"sentence": "No.", "reason": "value"}, "value"),
        ({"sentence": "No.", "reason": "decoding"}, "decoding"),
        ({"sentence": "No.", "reason": "fault"}, "fault"),
        ({"sentence": "No.", "reason": "handshake"}, "fault"),
        ({"sentence": "No."}, "fault"),
        ({"sentence": "No.", "reason": "value", "kind": "of the future"}, "value"),
        ({"sentence": "No.", "reason": ["value"], "kind": {}}, "fault"),
        (error_meta("lost", "No."), "lost"),
    ],
)
def test_refusals_of_servers_of_other_versions_are_understood(meta: dict[str, Any], kind: str) -> None:
    assert read_kind(meta) == kind


def test_a_refusal_is_cut_to_what_a_robot_reads() -> None:
    assert len(error_meta("instruction", "x" * 100_000)["sentence"]) == 4000
