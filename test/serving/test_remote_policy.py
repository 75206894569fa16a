"""A policy over the wire is the policy: the same actions, the same words, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.policy_server import RunningServer

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import AnsweringPolicy, Policy, TimedPolicy, WarmUpPolicy
from rt_vla_ros.policies.remote.settings import RemoteSettings

Serve = Callable[..., RunningServer]
PATIENT = RemoteSettings(budget=30.0)


def observations(policy: Policy, count: int, seed: int = 0) -> list[Observation]:
    noise = np.random.default_rng(seed)
    sizes = {camera.name: (camera.height, camera.width, 3) for camera in policy.card.cameras}
    return [
        Observation(
            {name: noise.integers(0, 256, size, np.uint8) for name, size in sizes.items()},
            stamp=0.1 * step,
            state=noise.uniform(-0.1, 0.1, len(policy.card.state)) if policy.card.state else None,
        )
        for step in range(count)
    ]


@pytest.mark.parametrize("name", ["rt1-mini", "rt1-mini-h4", "rt2-mini"])
def test_every_decision_over_the_wire_is_the_local_one(name: str, serve: Serve) -> None:
    local, server = load_policy(name, device="cpu"), serve({name: lambda: load_policy(name, device="cpu")})
    remote = load_policy(server.address, remote=PATIENT)
    assert isinstance(remote, WarmUpPolicy)
    assert isinstance(remote, TimedPolicy)
    assert (remote.name, remote.card) == (name, local.card)
    for instruction in ("pick up the red cube", "pick up the blue cube"):
        for policy in (local, remote):
            policy.reset(instruction)
        for observation in observations(local, 8):
            expected, chunk = local.act(observation), remote.act(observation)
            assert chunk.tokens == expected.tokens
            assert (chunk.plan, chunk.period, chunk.frame_id) == (expected.plan, expected.period, expected.frame_id)
            sure, expected_sure = ((one.confidence, one.legal_probability) for one in (chunk, expected))
            assert sure == pytest.approx(expected_sure, rel=1e-5), "rounded otherwise in an RT-2's batch"
            assert chunk.ensemble == expected.ensemble
            for mine, theirs in zip(chunk.steps, expected.steps, strict=True):
                assert (mine.gripper, mine.terminate) == (theirs.gripper, theirs.terminate)
                for one, other in ((mine.translation, theirs.translation), (mine.rotation, theirs.rotation)):
                    assert one.tolist() == other.tolist()
                assert mine.base.tolist() == theirs.base.tolist()
    assert set(remote.parts_of_latency) == {"network", "queue", "inference"}
    assert isinstance(remote, AnsweringPolicy) == isinstance(local, AnsweringPolicy)
    if isinstance(remote, AnsweringPolicy) and isinstance(local, AnsweringPolicy):
        images = observations(local, 1)[0].images
        assert remote.ask(images, "what is on the table?") == local.ask(images, "what is on the table?")
