"""The first, slow steps of a policy, made before an arm moves."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.policy import WARM_UP_INSTRUCTION, WARM_UP_RUNS, Policy, WarmUpPolicy
from rt_vla_ros.policies.threads import choose_threads
from rt_vla_ros.runtime.confidence_gate import legal_doubt

# A decision keeps up if it leaves this fraction of the period to images, messages and other processes.
SPARE = 0.5


@dataclass(frozen=True)
class Warm:
    """took_ns: of a warm step. threads: how many torch uses from now on in this thread. doubt: see legal_doubt."""

    took_ns: int
    threads: int
    doubt: str | None


def warm_up(policy: Policy, threads: int = 0) -> Warm:
    """Runs steps on black images and the middle of the state's ranges, in the policy's thread.

    threads: see choose_threads.
    """
    black = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in policy.card.cameras}
    state = middle_state(policy.card.state)
    instruction, runs = WARM_UP_INSTRUCTION, WARM_UP_RUNS
    if isinstance(policy, WarmUpPolicy):
        instruction, runs = policy.warm_up_instruction, policy.warm_up_runs
    policy.reset(instruction)
    made = took_ns = 0
    doubt = None

    def step() -> float:
        nonlocal made, took_ns, doubt
        started = time.monotonic_ns()
        action = policy.act(Observation(black, made * policy.card.decision_period, state))
        made, took_ns = made + 1, time.monotonic_ns() - started
        doubt = legal_doubt(action.legal_probability)
        return took_ns / 1e9

    for _ in range(runs):
        step()
    chosen = choose_threads(step, SPARE * policy.card.decision_period, threads, usual=took_ns / 1e9)
    step()  # with that number
    return Warm(took_ns, chosen, doubt)
