"""A server whose models are in other processes: the same decisions, also when one of them is killed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from support.policy_server import RunningServer
from support.process_replicas import ProcessReplicas

from rt_vla_ros.evaluation.provenance import checkpoint_hash
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.remote.policy import RemoteLateError
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.serving.cluster.decider import ClusterDecider
from rt_vla_ros.serving.cluster.replica import PolicyReplica, ReplicaSource
from rt_vla_ros.serving.decider import LateRequestError

Serve = Callable[..., RunningServer]
SOURCE = ReplicaSource("rt1-mini", {"device": "cpu"}, checkpoint_hash("rt1-mini"), threads=1)
SENTENCE = "pick up the red cube"
PATIENCE = 30.0


def seen(policy: Policy, step: int) -> Observation:
    rng = np.random.default_rng(step)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in policy.card.cameras}
    return Observation(images, step * policy.card.decision_period)


@pytest.fixture
def replicas() -> Iterator[ProcessReplicas]:
    with closing(ProcessReplicas(SOURCE, 2)) as started:
        yield started


def connected(server: RunningServer, budget: float = PATIENCE) -> Policy:
    return load_policy(server.address, remote=RemoteSettings(budget=budget))


def test_robots_get_the_decisions_of_a_local_policy_though_replicas_are_killed(
    serve: Serve, replicas: ProcessReplicas
) -> None:
    server = serve({"rt1-mini": lambda: ClusterDecider(replicas)})
    local = load_policy("rt1-mini", device="cpu")
    robots = [connected(server) for _ in range(2)]
    for one in (local, *robots):
        one.reset(SENTENCE)
    first, second = replicas.all
    for step in range(4):
        wanted = local.act(seen(local, step)).tokens
        assert [robot.act(seen(local, step)).tokens for robot in robots] == [wanted] * 2
    assert min(len(one.calls) for one in (first, second)) > 2, "the histories have moved"

    first.signal(signal.SIGSTOP)  # the next batch that it gets is lost in the middle
    answers: list[tuple[int, ...]] = []
    wanted = local.act(seen(local, 4)).tokens
    threads = [threading.Thread(target=lambda r=r: answers.append(r.act(seen(local, 4)).tokens)) for r in robots]
    for thread in threads:
        thread.start()
    assert first.busy.wait(PATIENCE)
    first.signal(signal.SIGKILL)
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [wanted] * 2
    assert (replicas.running, server.metrics.policies["rt1-mini"].lost) == (1, 1)

    second.signal(signal.SIGKILL)  # none is left until another one starts
    replicas.add()
    wanted = local.act(seen(local, 5)).tokens
    assert [robot.act(seen(local, 5)).tokens for robot in robots] == [wanted] * 2
    outcomes = server.metrics.policies["rt1-mini"].outcomes
    assert outcomes == {"decided": 12}, "each request was answered once"


def test_without_any_replica_a_request_is_late_and_a_new_one_decides_again(
    serve: Serve, replicas: ProcessReplicas
) -> None:
    server = serve({"rt1-mini": lambda: ClusterDecider(replicas)})
    local, robot = load_policy("rt1-mini", device="cpu"), connected(server, budget=1.0)
    for one in (local, robot):
        one.reset(SENTENCE)
    assert robot.act(seen(local, 0)).tokens == local.act(seen(local, 0)).tokens
    for one in list(replicas.all):
        one.signal(signal.SIGKILL)
    with pytest.raises(RemoteLateError):
        robot.act(seen(local, 1))
    served = server.served["rt1-mini"]
    until = time.monotonic() + PATIENCE
    while served.health()["replicas"] and time.monotonic() < until:
        with pytest.raises(RemoteLateError):
            robot.act(seen(local, 1))
    assert (served.health()["ready"], served.worker.alive) == (False, True)
    replicas.add()
    assert served.health()["ready"]
    patient = connected(server)
    for one in (local, patient):
        one.reset(SENTENCE)
    assert patient.act(seen(local, 2)).tokens == local.act(seen(local, 2)).tokens


def test_a_new_instruction_ends_a_decision_in_progress(replicas: ProcessReplicas) -> None:
    decider = ClusterDecider(replicas)
    session, other = decider.session(), decider.session()
    for one in (session, other):
        one.reset(SENTENCE)
    busy = min(replicas.all, key=lambda one: len(one.calls))
    busy.signal(signal.SIGSTOP)
    found: list[object] = []
    requests = [(session, seen(session, 0)), (other, seen(session, 0))]
    thread = threading.Thread(target=lambda: found.extend(decider.decide(requests, PATIENCE)))
    thread.start()
    assert busy.busy.wait(PATIENCE)
    session.reset("push the blue cube left")
    busy.signal(signal.SIGCONT)
    thread.join(PATIENCE)
    assert isinstance(found[0], LateRequestError)
    local = load_policy("rt1-mini", device="cpu")
    local.reset("push the blue cube left")
    assert session.act(seen(local, 1)).tokens == local.act(seen(local, 1)).tokens, "its history is the new one"


def test_errors_in_a_replica_are_reported_as_those_of_a_local_policy(replicas: ProcessReplicas) -> None:
    decider = ClusterDecider(replicas)
    session = decider.session()
    with pytest.raises(Exception, match="no instruction yet"):
        session.act(seen(session, 0))
    session.reset(SENTENCE)
    with pytest.raises(ValueError, match="needs an image of the camera"):
        session.act(Observation({}, 0.0))
    assert session.act(seen(session, 1)).tokens


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "0" * 64}, "The weights of rt1-mini on this replica's machine are not those of the server"),
        ({"version": "0.0.1"}, "The server has rt_vla_ros 0.0.1, this replica's machine"),
    ],
)
def test_a_replica_with_other_weights_or_another_version_does_not_start(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        PolicyReplica(replace(SOURCE, **changes))  # type: ignore[arg-type]
