"""Latency of the inverse kinematics solver, including the pipe to its real process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rt_vla_ros.arms.chain import read_chain
from rt_vla_ros.arms.ik_protocol import IkRequest, IkSetup
from rt_vla_ros.arms.ik_solver import IkSolver
from rt_vla_ros.arms.panda_urdf import READY, TIP, panda_urdf
from rt_vla_ros.arms.solver_process import START_TIMEOUT

PERIOD = 0.01  # [s]
PATIENCE = 5.0  # [s]
# Alternating directions of the tip, so that the arm stays near its start [m/s, rad/s].
TWISTS = np.vstack([np.diag([0.1] * 3 + [0.4] * 3), -np.diag([0.1] * 3 + [0.4] * 3)])


def measure(requests: int, python: str = "") -> dict[str, Any]:
    """Latencies of this many requests [ms]. python: see IkSolver. Raises ValueError without a solver."""
    chain = read_chain(panda_urdf(), TIP)
    joints = chain.joints
    setup = IkSetup(
        chain.urdf,
        chain.tip,
        list(chain.names),
        [one.lower for one in joints],
        [one.upper for one in joints],
        [one.velocity for one in joints],
        [one.acceleration or 5.0 for one in joints],
        17.0,
        30.0,
    )
    begin = time.perf_counter()
    solver = IkSolver(setup, python)
    try:
        while solver.problem is not None:
            if "cannot start" in solver.problem or time.perf_counter() - begin > START_TIMEOUT:
                raise ValueError(solver.problem)
            time.sleep(0.005)
            solver.poll()
        started = time.perf_counter() - begin
        times = _times(solver, requests)
    finally:
        solver.close()
    return {"solver": solver.about, "start_s": round(started, 2), "requests": requests} | _figures(times)


def _times(solver: IkSolver, requests: int) -> list[float]:
    position, velocity = np.array(READY), np.zeros(len(READY))
    times = []
    for number in range(requests):
        twist = TWISTS[number // 25 % len(TWISTS)]
        begin = time.perf_counter()
        solution = solver.solve(IkRequest(position, velocity, twist, PERIOD), PATIENCE)
        times.append(1000 * (time.perf_counter() - begin))
        if solution is None:
            raise ValueError(solver.problem or solver.refusal)
        velocity = solution.velocities
        position = position + PERIOD * velocity
    return times


def _figures(times: Sequence[float]) -> dict[str, float]:
    figures = {"median_ms": np.median(times), "p99_ms": np.percentile(times, 99), "max_ms": np.max(times)}
    return {name: round(float(value), 3) for name, value in figures.items()}


def table(figures: Mapping[str, Any]) -> str:
    """The results as text."""
    return (
        f"{figures['requests']} answers by {figures['solver']}: median {figures['median_ms']:.2f} ms, "
        f"p99 {figures['p99_ms']:.2f} ms, longest {figures['max_ms']:.2f} ms; its process is ready after "
        f"{figures['start_s']:.1f} s."
    )
