"""One network for several robots, whatever the policy."""

from __future__ import annotations

import pytest
from support.rt1 import seen, tiny_policy
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.chunk import ActionChunk
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.shared import OneByOne, SharedPolicy, SharingError, share_policy


def test_a_policy_with_one_history_serves_one_robot_at_a_time() -> None:
    policy = ConstantPolicy()
    shared = share_policy(policy)
    assert isinstance(shared, SharedPolicy)
    session = shared.session()
    assert isinstance(session, Policy)
    session.reset("go on")
    assert shared.act([(session, seen(0))]) == [policy.act(seen(0))]
    with pytest.raises(SharingError, match="constant supports only one robot"):
        shared.session()
    del session
    shared.session()


def test_one_by_one_takes_one_request_of_its_own_sessions() -> None:
    shared = share_policy(tiny_policy(), batched=False)
    assert isinstance(shared, OneByOne)
    sessions = [shared.session() for _ in range(2)]
    for session in sessions:
        session.reset("go on")
    assert isinstance(shared.act([(sessions[0], seen(0))])[0], ActionChunk)
    with pytest.raises(ValueError, match="got 2 requests, this policy takes 1"):
        shared.act([(session, seen(1)) for session in sessions])
    with pytest.raises(ValueError, match="another policy"):
        shared.act([(tiny_policy(), seen(1))])
    assert isinstance(shared.act([(shared.session(), seen(1))])[0], RuntimeError)
