"""The Ray cluster of a server: one on this machine that ends with it, or an existing one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rt_vla_ros.serving.cluster.decider import ClusterDecider
from rt_vla_ros.serving.cluster.local_head import environment, make_directory
from rt_vla_ros.serving.cluster.options import ClusterOptions
from rt_vla_ros.serving.cluster.processes import descendants, listening
from rt_vla_ros.serving.cluster.replica import ReplicaSource

Tell = Callable[[str], None]
ENDING = 15.0  # longest end of a local cluster [s]
NOT_PROTECTED = (
    "Whoever can reach Ray's ports on these machines and has Ray's token can run programs on them; this server's own "
    "token and certificates do not protect them."
)


class RayCluster:
    """A connection to a cluster. application: prefix of the names of its Serve applications."""

    def __init__(self, options: ClusterOptions, tell: Tell, owner: Any, processes: Callable[[], set[int]]) -> None:
        self._options, self._tell, self._owner, self._processes = options, tell, owner, processes

    def open(self, name: str, source: ReplicaSource) -> ClusterDecider:
        """Starts replicas of a policy. Raises ValueError if they cannot start."""
        from rt_vla_ros.serving.cluster.ray_replicas import RayReplicas

        application = f"rt-vla-{name}-{uuid.uuid4().hex[:6]}"
        return ClusterDecider(RayReplicas(application, source, self._options, self._tell, self._owner))

    def said_of_listening(self) -> str:
        """A sentence about who can reach Ray."""
        if self._options.address:
            return NOT_PROTECTED
        found = listening(self._processes())
        open_ports = [f"{one.process} on {one.address} port {one.port}" for one in found if not one.local]
        if open_ports:
            return f"Other machines can reach Ray, protected only by its own token: {', '.join(open_ports)}."
        return f"Ray listens on {len(found)} ports of 127.0.0.1, with its own token." if found else ""


@contextmanager
def ray_cluster(options: ClusterOptions, tell: Tell) -> Iterator[RayCluster]:
    """Raises ValueError if the cluster cannot be started or reached."""
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # otherwise a call after the end starts another cluster
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with _local_cluster(options, tell) if not options.address else _existing_cluster(options, tell) as cluster:
        yield cluster


@contextmanager
def _local_cluster(options: ClusterOptions, tell: Tell) -> Iterator[RayCluster]:
    directory = make_directory()
    os.environ.update(environment(directory))
    tell("Starting Ray on this machine.")
    cpus = max(os.cpu_count() or 1, options.most)
    words = [sys.executable, "-m", "rt_vla_ros.serving.cluster.local_head", str(directory), str(cpus)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, start_new_session=True, **pipes) as head:
        assert head.stdin is not None
        assert head.stdout is not None
        try:
            said = json.loads(head.stdout.readline() or '{"error": "it has ended"}')
            if "error" in said:
                raise ValueError(f"Ray could not be started: {said['error']}")
            with _connected(said["address"]):
                yield RayCluster(options, tell, None, lambda: {os.getpid(), head.pid} | descendants(head.pid))
        finally:
            head.stdin.close()
            try:
                head.wait(ENDING)
            except subprocess.TimeoutExpired:
                head.kill()


@contextmanager
def _existing_cluster(options: ClusterOptions, tell: Tell) -> Iterator[RayCluster]:
    tell(f"Connecting to the Ray cluster at {options.address}.")
    with _connected(options.address):
        import ray

        owner = ray.remote(num_cpus=0)(Owner).remote()
        yield RayCluster(options, tell, owner, set)


class Owner:
    """An actor that ends with the server."""

    def alive(self) -> bool:
        """Answers."""
        return True


@contextmanager
def _connected(address: str) -> Iterator[None]:
    import ray

    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    connect = partial(ray.init, address=address, log_to_driver=False, configure_logging=False)
    try:
        connect()
    except Exception as error:  # Ray raises many kinds
        raise ValueError(f"The Ray cluster at {address} could not be reached: {error}") from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # Ray sets its own
    try:
        yield
    finally:
        ray.shutdown()
