"""Serve policies to robots on other machines, which connect with `policy:=remote:HOST`; they share one set of weights.

rt-vla serve rt1-mini                                                    # this machine only
rt-vla serve runs/mine/checkpoint --host 0.0.0.0 --token-file policy_token
rt-vla serve rt1-mini rt2-mini --device cuda --host 0.0.0.0 --certificate cert.pem --key key.pem --client-ca ca.pem
rt-vla serve runs/mine/checkpoint --ray --replicas 2                     # a replica on each of two GPUs

Requests of several robots are batched; a request that cannot meet its deadline is answered "late" and moves nothing.
A terminal shows a table of the robots, otherwise a line is printed every ten seconds. http://HOST:PORT/metrics has the
same for Prometheus, /health is the health check. Ctrl-C to quit. See docs/serving.md.
"""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rt_vla_ros.cli.main import refused, signals_to
from rt_vla_ros.policies.checkpoint.resolve import ENGINE, REMOTE, WEIGHTS, check_name, resolve
from rt_vla_ros.policies.remote.address import DEFAULT_PORT
from rt_vla_ros.policies.threads import wait_passively
from rt_vla_ros.token_file import header_token
from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import nonnegative_int, positive_int

if TYPE_CHECKING:
    from rt_vla_ros.serving.cluster.options import ClusterOptions
    from rt_vla_ros.serving.cluster.ray_cluster import RayCluster
    from rt_vla_ros.serving.decider import Decider

LINES = 10.0  # between two lines where there is no terminal [s]
TABLES = 1.0  # between two tables [s]
WATCH = 0.2  # [s]
# A lost robot is noticed after this time [s].
PING = {"ws_ping_interval": 5.0, "ws_ping_timeout": 5.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "checkpoints",
        nargs="+",
        metavar="CHECKPOINT",
        help="checkpoint name, directory or name on the Hugging Face Hub",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1); 0.0.0.0: all IPv4 interfaces")
    add("--port", type=nonnegative_int, default=DEFAULT_PORT, help=f"port (default {DEFAULT_PORT}); 0: any free port")
    add(
        "--token-file",
        default="",
        metavar="FILE",
        help="file with the token (16 to 256 characters) that robots must send",
    )
    add("--certificate", default="", metavar="FILE", help="TLS certificate (PEM)")
    add("--key", default="", metavar="FILE", help="key of the certificate (PEM)")
    add("--client-ca", default="", metavar="FILE", help="require client certificates signed by this CA (PEM)")
    add(
        "--max-batch",
        type=positive_int,
        default=32,
        metavar="N",
        help="maximum batch size (default 32); 1: no batching",
    )
    add("--whole-batches", action="store_true", help="finish a batch before the next one starts, also for an RT-2")
    add("--max-wait", type=float, default=5.0, metavar="MS", help="maximum time a request waits for others (default 5)")
    add(
        "--max-robots",
        type=positive_int,
        default=64,
        metavar="N",
        help="maximum number of connected robots (default 64)",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N (default auto)")
    add("--weights", choices=WEIGHTS, default="auto", help="weight format (default auto)")
    add("--decoding", choices=("argmax", "expected_value"), help="action decoding (default: the checkpoint's)")
    add("--language", metavar="FILE", help="sentence encoder for an RT-1 with sentence embeddings")
    add("--plan", action="store_true", help="write a plan in words before each action (an RT-2 trained with plans)")
    add("--threads", type=nonnegative_int, default=0, metavar="N", help="torch threads (default: as few as keep up)")
    add("--trust-remote-code", action="store_true", help="run code of the checkpoint")
    add("--ray", action="store_true", help="run the models in replicas on Ray Serve: several GPUs, several machines")
    add("--replicas", metavar="N", help="with --ray: replicas of each checkpoint, or MIN:MAX by load (default 1)")
    add(
        "--gpus-per-replica",
        metavar="F",
        help="with --ray: GPUs per replica, or a fraction of one (default 1 if there are any)",
    )
    add("--ray-address", metavar="HOST:PORT", help="with --ray: an existing cluster (default: one on this machine)")


@refused(ValueError, ImportError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if it was ended by Ctrl-C or a signal; 1 if a policy's thread or the web server has died."""
    token, cluster = _checked(args), _cluster_options(args)
    end = threading.Event()
    with signals_to(lambda *_: end.set(), signal.SIGINT, signal.SIGTERM), _running(args, token, cluster, end) as server:
        return 0 if server is None else _watch(server, end)


def _checked(args: argparse.Namespace) -> str | None:
    """The token. Raises ValueError and CliError for errors that can be detected before loading."""
    from rt_vla_ros.serving.access import check_listening

    if missing := [name for name in ("starlette", "uvicorn", "websockets") if find_spec(name) is None]:
        raise CliError(f"The policy server needs {', '.join(missing)}: pip install 'rt_vla_ros[serve]'.")
    for name in args.checkpoints:
        check_name(name)
    if not args.port <= 65535:
        raise ValueError(f"--port is {args.port}, expected 0 to 65535.")
    if not 0 <= args.max_wait <= 1000:
        raise ValueError(f"--max-wait is {args.max_wait:g} ms, expected 0 to 1000.")
    if bool(args.certificate) != bool(args.key) or (args.client_ca and not args.certificate):
        raise ValueError("--certificate and --key belong together, and --client-ca needs both.")
    token = header_token(args.token_file) if args.token_file else None
    check_listening(args.host, token, args.client_ca)
    return token


def _cluster_options(args: argparse.Namespace) -> ClusterOptions | None:
    """None without --ray. Raises ValueError, and ImportError without Ray."""
    from rt_vla_ros.serving.cluster.options import ClusterOptions, parse_gpus, parse_replicas, require_ray

    names = ("replicas", "gpus_per_replica", "ray_address")
    given = [name.replace("_", "-") for name in names if getattr(args, name) is not None]
    if not args.ray:
        if given:
            raise ValueError(f"--{given[0]} is for replicas on Ray: add --ray.")
        return None
    if args.device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"--device is {args.device}, but Ray assigns the GPUs; use auto, cpu or cuda.")
    fewest, most = parse_replicas(args.replicas or "1")
    gpus = parse_gpus(args.gpus_per_replica) if args.gpus_per_replica is not None else None
    require_ray()
    return ClusterOptions(fewest, most, 0.0 if args.device == "cpu" else gpus, args.ray_address or "")


@dataclass(frozen=True)
class RunningPolicies:
    web: Any
    metrics: Any
    policies: Any
    screen: FleetScreen | None


@contextmanager
def _running(
    args: argparse.Namespace, token: str | None, options: ClusterOptions | None, end: threading.Event
) -> Iterator[RunningPolicies | None]:
    """The server, once all policies are loaded; None if interrupted before."""
    wait_passively()
    from rt_vla_ros.console.web_thread import WebThread
    from rt_vla_ros.serving.access import RobotAccess, said_of_listening
    from rt_vla_ros.serving.metrics import FleetMetrics
    from rt_vla_ros.serving.served_policy import BatchLimits
    from rt_vla_ros.serving.server import PolicyServer, RobotLimits

    metrics = FleetMetrics(time.monotonic)
    limits = BatchLimits(args.max_batch, args.max_wait / 1000)
    with ExitStack() as stack:
        cluster = None
        if options is not None:
            from rt_vla_ros.serving.cluster.ray_cluster import ray_cluster

            cluster = stack.enter_context(ray_cluster(options, _say))
        policies = {}
        for name in args.checkpoints:
            one = _load(name, args, metrics, limits, cluster)
            if one.name in policies:
                raise ValueError(f"Two of the checkpoints are named {one.name!r}; names must be unique.")
            policies[one.name] = one
            stack.callback(one.close)
            while not one.worker.loaded.done():
                if end.wait(WATCH):
                    yield None
                    return
            one.wait()
            _say(f"{one.name} is ready: {one.card.control_rate:g} Hz, model {one.model[:12]}.")
        screen = FleetScreen() if sys.stdout.isatty() else None
        robots = RobotLimits(robots=args.max_robots, robots_of_address=args.max_robots)
        server = PolicyServer(policies, RobotAccess(token), metrics, limits=robots, tell=screen.say if screen else _say)
        tls = {"ssl_ca_certs": args.client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED} if args.client_ca else {}
        sockets = {"longest_message": server.longest_message, **PING, **tls}
        web = WebThread(server.app, args.host, args.port, args.certificate, args.key, **sockets)
        web.start()
        stack.callback(web.close)
        reached = said_of_listening(args.host, token, args.client_ca, args.certificate)
        if cluster is not None:
            _say(cluster.said_of_listening())
        _say(f"Connect robots with policy:=remote:{args.host}:{web.port}. {reached}")
        yield RunningPolicies(web, metrics, policies, screen)


def _load(name: str, args: argparse.Namespace, metrics: Any, limits: Any, cluster: RayCluster | None) -> Any:
    """Announce the loading of a policy."""
    from rt_vla_ros.evaluation.provenance import checkpoint_hash
    from rt_vla_ros.policies.load import load_policy
    from rt_vla_ros.serving.cluster.replica import ReplicaSource
    from rt_vla_ros.serving.decider import LocalDecider
    from rt_vla_ros.serving.served_policy import ServedPolicy

    checkpoint = resolve(name, _say)
    if checkpoint.family in (REMOTE, ENGINE):
        raise ValueError(f"{name} is already on a server; robots can use it directly.")
    names = ("device", "decoding", "language", "weights", "trust_remote_code", "plan")
    options, batched = {option: getattr(args, option) for option in names}, limits.max_batch > 1
    called, model = Path(checkpoint.name).name, checkpoint_hash(name)

    def load() -> Decider:
        if cluster is None:
            policy = load_policy(checkpoint, tell=_say, **options)
            return LocalDecider(policy, threads=args.threads, batched=batched, whole_batches=args.whole_batches)
        path = str(Path(name).resolve()) if Path(name).exists() else name
        return cluster.open(called, ReplicaSource(path, options, model, batched, args.threads))

    return ServedPolicy(called, load, metrics, model=model, limits=limits)


def _watch(server: RunningPolicies, end: threading.Event) -> int:
    from rt_vla_ros.serving.fleet_table import fleet_line, fleet_table

    screen, shown = server.screen, time.monotonic()
    period, line = (LINES if screen is None else TABLES), ""
    while not end.wait(WATCH):
        if not server.web.alive:
            _say("The web server has stopped unexpectedly.")
            return 1
        dead = [name for name, one in server.policies.items() if not one.worker.alive]
        if dead:
            _say(f"{dead[0]} has stopped unexpectedly.")
            return 1
        if time.monotonic() - shown >= period:
            shown = time.monotonic()
            if screen is None:
                line, before = fleet_line(server.metrics.rows()), line
                if line != before:
                    _say(line)
            else:
                screen.show(fleet_table(server.metrics.rows()))
    return 0


class FleetScreen:
    """A terminal with a table redrawn in place below the log lines. Thread-safe."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or partial(print, end="", flush=True)
        self._lock, self._drawn = threading.Lock(), 0

    def show(self, lines: list[str]) -> None:
        """Replace the last table."""
        with self._lock:
            self._write(self._erased() + "".join(f"{line}\n" for line in lines))
            self._drawn = len(lines)

    def say(self, sentence: str) -> None:
        """Print a line above the next table."""
        with self._lock:
            self._write(f"{self._erased()}{sentence}\n")
            self._drawn = 0

    def _erased(self) -> str:
        return f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
