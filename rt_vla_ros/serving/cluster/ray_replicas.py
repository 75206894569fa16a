"""A PolicyReplica on Ray Serve: replicas that Serve starts, watches, replaces and scales, called by their handle."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.exceptions import RayServeException

from rt_vla_ros.policies.threads import WAIT_POLICY
from rt_vla_ros.serving.cluster.options import ClusterOptions
from rt_vla_ros.serving.cluster.ray_replica import RayReplica
from rt_vla_ros.serving.cluster.replica import ReplicaSource
from rt_vla_ros.serving.decider import ReplicaLostError

DEPLOYMENT = "policy"
ROUTER = "rt_vla_ros.serving.cluster.ray_router:LeastBusyRouter"
CONCURRENT_CALLS = 2  # a batch, and a question that is answered beside it
UTILIZATION = 0.7  # share of the time that a replica decides, above which another one is started
HEALTH = {"health_check_period_s": 1.0, "health_check_timeout_s": 5.0}
PASSIVE_THREADS = {"env_vars": {WAIT_POLICY: "PASSIVE"}}  # see policies.threads.wait_passively
RESTARTS = 3  # failed starts of a replica until Serve gives up
POLL = 1.0  # of the state of the replicas [s]
ENDING = 5.0  # longest wait for the last call of the watcher [s]
UNREACHABLE = 20.0  # time without an answer of the cluster until it is considered lost [s]
PENDING = 10.0  # time after which a missing resource is reported [s]


class RayReplicas:
    """Implements Replicas."""

    def __init__(
        self,
        application: str,
        source: ReplicaSource,
        options: ClusterOptions,
        tell: Callable[[str], None],
        owner: ray.ActorHandle | None = None,
    ) -> None:
        """Starts the application and waits for the fewest replicas. owner: see RayReplica.

        Raises ValueError with the reason if they cannot start.
        """
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        self.most, self._application, self._tell = options.most, application, tell
        self._running, self._alive = 0, True
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        deployment = _deployment(options).bind(source, application, owner)
        serve.start(proxy_location="Disabled")
        target = serve.RunTarget(deployment, name=application, route_prefix=None)
        serve.run_many([target], wait_for_applications_running=False)
        try:
            self._wait(options.fewest)
        except BaseException:
            self.close()
            raise
        # By gRPC instead of Ray's object store, which takes three times as long.
        self._handle = serve.get_app_handle(application).options(_by_reference=False)
        self._watcher = threading.Thread(target=self._watch, name="replicas", daemon=True)
        self._watcher.start()

    @property
    def running(self) -> int:
        """See Replicas."""
        return self._running

    @property
    def alive(self) -> bool:
        """See Replicas."""
        return self._alive

    def call(self, method: str, *arguments: Any, patience: float) -> Any:
        """See Replicas."""
        response = getattr(self._handle, method).remote(*arguments)
        try:
            return response.result(timeout_s=patience)
        except TimeoutError as error:
            if not self._running:
                response.cancel()  # it waits for a replica
            # Otherwise it stays with its replica, which the router avoids as long as it does not answer.
            raise ReplicaLostError(f"No replica has answered within {patience:.1f} s.") from error
        except (RayActorError, RayServeException) as error:
            raise ReplicaLostError(f"The replica was lost: {error}") from error

    def close(self) -> None:
        """See Replicas."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join(ENDING)
        try:
            serve.delete(self._application, _blocking=False)
        except (RayError, RayServeException) as error:
            self._tell(f"The replicas of {self._application} could not be ended: {error}")

    def _wait(self, fewest: int) -> None:
        waited, told = 0.0, False
        while (status := self._status()).running < fewest:
            if status.failed:
                raise ValueError(f"The replicas of {self._application} could not start: {status.reason}")
            if not told and waited >= PENDING and status.reason:
                self._tell(f"{status.running} of {fewest} replicas are running: {status.reason}")
                told = True
            if self._closing.wait(POLL):
                break
            waited += POLL
        self._running = status.running

    def _watch(self) -> None:
        silent = 0.0
        while not self._closing.wait(POLL):
            try:
                running, silent = self._status().running, 0.0
            except Exception as error:  # Ray raises many kinds when its control processes are gone
                silent += POLL
                if silent >= UNREACHABLE:
                    self._tell(f"The Ray cluster no longer answers: {error}")
                    self._running, self._alive = 0, False
                    return
                continue
            if running != self._running:
                self._tell(f"{self._application}: {running} replica{'s' * (running != 1)} running.")
            self._running = running

    def _status(self) -> _Status:
        application = serve.status().applications.get(self._application)
        deployment = application and application.deployments.get(DEPLOYMENT)
        if application is None or deployment is None:
            failed = application is not None and application.status == "DEPLOY_FAILED"
            return _Status(0, failed, application.message if application is not None and failed else "")
        failed = "DEPLOY_FAILED" in (application.status, deployment.status)
        return _Status(deployment.replica_states.get("RUNNING", 0), failed, _reason(deployment.message))


class _Status:
    """running: number of replicas. failed: whether Serve has given up. reason: Serve's message."""

    def __init__(self, running: int, failed: bool, reason: str) -> None:
        self.running, self.failed, self.reason = running, failed, reason


def _reason(message: str) -> str:
    """The last error of a traceback, without its type if it is a message for users."""
    errors = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception)): (.+)$", message, re.MULTILINE)
    return str(errors[-1][1] if errors else message.strip())


def _deployment(options: ClusterOptions) -> Any:
    available = ray.cluster_resources().get("GPU", 0.0)
    gpus = options.gpus_of(available)
    number: dict[str, Any] = {"num_replicas": options.most}
    if options.fewest != options.most:
        scaling = {"min_replicas": options.fewest, "max_replicas": options.most, "initial_replicas": options.fewest}
        number = {"autoscaling_config": AutoscalingConfig(**scaling, target_ongoing_requests=UTILIZATION)}
    return serve.deployment(
        RayReplica,
        name=DEPLOYMENT,
        max_ongoing_requests=CONCURRENT_CALLS,
        ray_actor_options={"num_gpus": gpus, "num_cpus": 0 if gpus else 1, "runtime_env": PASSIVE_THREADS},
        request_router_config=RequestRouterConfig(request_router_class=ROUTER),
        max_constructor_retry_count=RESTARTS,
        graceful_shutdown_timeout_s=5.0,
        **HEALTH,
        **number,
    )
