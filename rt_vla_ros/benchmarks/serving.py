"""Latency and throughput of a policy server with several robots on loopback: batched, one by one, and on Ray."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.robot_state import middle_state
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy, WarmUpPolicy
from rt_vla_ros.policies.remote.policy import RemoteLateError
from rt_vla_ros.policies.remote.settings import RemoteSettings

WAYS = {"batched": (), "one by one": ("--max-batch", "1")}
RAY = {"batched": (), "on Ray": ("--ray",)}
WHOLE = {"continuous": (), "whole batches": ("--whole-batches",)}
"""Options of the servers that are compared."""
READY = "policy:="
STARTING = 300.0  # [s]
IMAGES = 8  # an unchanged image would spare an RT-2 nearly all passes
SEGMENT = 0.43  # not a divisor of the interval of pings: they must hit all servers alike [s]


def measure(
    policy: str,
    robots: Sequence[int],
    seconds: float,
    tell: Callable[[str], None],
    ways: Mapping[str, Sequence[str]] = WAYS,
) -> list[dict[str, Any]]:
    """Robots that send the next request after each answer. ways: names and options of the servers.

    The robots change the server every SEGMENT, so that a changing load affects all of them.
    Raises ValueError if a server or a robot fails.
    """
    rows = []
    with ExitStack() as stack:
        addresses = [stack.enter_context(serving(policy, options)).address for options in ways.values()]
        for count in robots:
            found = _clients(addresses, count, seconds * len(ways))
            for way, one in zip(ways, zip(*found, strict=True), strict=True):
                rows.append({"policy": policy, "way": way, **_row(one, seconds)})
                tell(table(rows[-1:]).splitlines()[-1])
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results in Markdown; times from image to action."""
    head = (
        "| policy | way | robots | actions/s | p50 ms | p99 ms | late | mean batch |\n|---|---|---|---|---|---|---|---|"
    )
    lines = [
        f"| {row['policy']} | {row['way']} | {row['robots']} | {row['actions_per_second']:.1f} | {row['p50_ms']:.1f} | "
        f"{row['p99_ms']:.1f} | {row['late']:.1%} | {row['batch']:.1f} |"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _row(found: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    times = [1000 * one for client in found for one in client["times"]] or [float("nan")]
    batches = [one for client in found for one in client["batches"]] or [0]
    late, count = sum(client["late"] for client in found), sum(len(client["times"]) for client in found)
    p50, p99 = (float(one) for one in np.percentile(times, (50, 99)))
    figures = {"actions_per_second": count / seconds, "p50_ms": p50, "p99_ms": p99, "late": late / max(late + count, 1)}
    return {"robots": len(found), **figures, "batch": float(np.mean(batches))}


@dataclass(frozen=True)
class ServerProcess:
    """address: remote:HOST:PORT. pid: its process."""

    address: str
    pid: int


@contextmanager
def serving(policy: str, options: Sequence[str] = ()) -> Iterator[ServerProcess]:
    """A server of this policy on this machine. Raises ValueError."""
    words = [sys.executable, "-m", "rt_vla_ros.cli", "serve", policy, "--port", "0", *options]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        alarm = threading.Timer(STARTING, process.kill)
        alarm.start()
        try:
            said: list[str] = []
            for line in process.stderr:
                said.append(line.strip())
                if READY in line:
                    break
            else:
                raise ValueError(f"The policy server did not start: {' '.join(said[-3:])}")
            alarm.cancel()
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield ServerProcess(said[-1].split(READY)[1].split(". ")[0], process.pid)
        finally:
            alarm.cancel()
            process.terminate()


def _clients(addresses: Sequence[str], count: int, seconds: float) -> list[list[dict[str, Any]]]:
    """One process per robot, with its results by address; they start together when the last is ready."""
    words = [sys.executable, "-m", "rt_vla_ros.benchmarks.serving", str(seconds), *addresses]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    clients = [subprocess.Popen(words, **pipes) for _ in range(count)]
    try:
        if any(client.stdout.readline().strip() != "ready" for client in clients if client.stdout is not None):
            raise ValueError("A robot of the benchmark did not start.")
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        return [json.loads(client.communicate(timeout=seconds + STARTING)[0]) for client in clients]
    finally:
        for client in clients:
            client.kill()


def ask_again_and_again(policies: Sequence[Policy], seconds: float) -> list[dict[str, Any]]:
    """One robot that changes the policy every SEGMENT.

    For each: times from image to action [s] and batch sizes of the decisions in time; number of late ones.
    """
    card = policies[0].card
    noise, state = np.random.default_rng(0), middle_state(card.state)
    images = [
        {camera.name: noise.integers(0, 256, (camera.height, camera.width, 3), np.uint8) for camera in card.cameras}
        for _ in range(IMAGES)
    ]
    found: list[dict[str, Any]] = [{"times": [], "batches": [], "late": 0} for _ in policies]
    numbers, start = itertools.count(), time.monotonic()
    while (passed := (began := time.monotonic()) - start) < seconds:
        turn = int(passed / SEGMENT) % len(policies)
        policy, one = policies[turn], found[turn]
        try:
            policy.act(Observation(images[next(numbers) % IMAGES], began, state))
        except RemoteLateError:
            one["late"] += 1
        else:
            one["times"].append(time.monotonic() - began)
            one["batches"].append(getattr(policy, "batch", 1))
    return found


def main() -> None:
    """One robot process: reports that it is ready, starts on request, and prints its results."""
    policies = [load_policy(address, remote=RemoteSettings(budget=10.0)) for address in sys.argv[2:]]
    for policy in policies:
        policy.reset(policy.warm_up_instruction if isinstance(policy, WarmUpPolicy) else "warm up")
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(ask_again_and_again(policies, float(sys.argv[1]))))


if __name__ == "__main__":
    main()
