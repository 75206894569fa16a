"""The Gymnasium interface."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rt_vla_ros.sim import ScriptedExpert
from rt_vla_ros.sim.tabletop_env import ENV_ID, TabletopEnv


@pytest.fixture(scope="module")
def env():
    env = TabletopEnv(render_mode="rgb_array")
    yield env
    env.close()


@pytest.mark.filterwarnings("error::UserWarning")
def test_gymnasium_accepts_it(env):
    made = gymnasium.make(ENV_ID, suite="pick-any", size=(64, 48), cameras=("front", "wrist"))
    observation, _ = made.reset(seed=1)
    assert observation["wrist"].shape == (48, 64, 3)
    made.close()
    check_env(gymnasium.make(ENV_ID).unwrapped)


def test_the_expert_earns_the_reward(env):
    env.reset(seed=5, options={"instruction": "grab the purple ball"})
    assert env.scene.task.instruction == "grab the purple ball"
    expert = ScriptedExpert(env.scene)
    rewards = []
    for _ in range(60):
        label = expert.action(env.sim)
        action = np.array([*label.translation, *label.rotation, label.gripper], np.float32)
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        if terminated or truncated:
            break
    assert terminated
    assert not truncated
    assert info == {"success": True, "outcome": "success"}
    assert rewards[-1] == sum(rewards) == 1.0
    assert observation["instruction"] == "grab the purple ball"
    assert env.render().shape == (480, 480, 3)


def test_doing_nothing_is_truncated_at_the_time_limit(env):
    env.reset(seed=6)
    for step in range(1, 101):
        _, reward, terminated, truncated, info = env.step(np.zeros(7, np.float32))
        assert (reward, terminated) == (0.0, False)
        assert truncated == (step == 100)
    assert info == {"success": False, "outcome": "timeout"}


def test_errors_are_sentences(env):
    with pytest.raises(ValueError, match="Did you mean 'pick-any'"):
        TabletopEnv("pick-anny")
    with pytest.raises(ValueError, match="render mode is 'human'"):
        TabletopEnv(render_mode="human")
    with pytest.raises(ValueError, match="no camera 'left'"):
        TabletopEnv(cameras=("left",))
    with pytest.raises(RuntimeError, match="Call reset"):
        TabletopEnv().step(np.zeros(7, np.float32))
    with pytest.raises(ValueError, match="names no object"):
        env.reset(seed=1, options={"instruction": "hello"})
