"""The process of a Ray cluster on this machine. It ends, with all of Ray, when its standard input is closed.

So nothing of Ray is left behind however the server ends. Prints the cluster's address once it has started.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rt_vla_ros.serving.cluster.processes import adopt_orphans, kill_descendants

TOKEN = "token"
OBJECT_STORE = 256 << 20  # shared memory for large arguments, which decisions do not use [bytes]
LOOPBACK = "127.0.0.1"
LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""0: Ray keeps the node's address 127.0.0.1 instead of replacing it by that of the network, and listens there only."""

WORKER_NICENESS = "RAY_worker_niceness"
"""Ray runs workers at niceness 15 by default: a replica would wait for any other program on the machine."""


def environment(directory: Path) -> dict[str, str]:
    """Variables of a local cluster, for it and the server. directory: of the cluster, with its token."""
    return {
        LOOPBACK_ONLY: "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(directory / TOKEN),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        WORKER_NICENESS: "0",
    }


def make_directory() -> Path:
    """A directory of this user for a cluster, with a new token. Its path is short, as Ray's sockets are in it."""
    root = next((one for one in (tempfile.gettempdir(), "/tmp") if len(one) < 24 and os.access(one, os.W_OK)), None)
    directory = Path(tempfile.mkdtemp(prefix="rt-vla-ray-", dir=root))
    with os.fdopen(os.open(directory / TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(os.urandom(32).hex())
    return directory


def main() -> None:
    """sys.argv: the cluster's directory, its number of CPUs for scheduling."""
    directory, cpus = Path(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_orphans()
    try:
        import ray

        started = ray.init(
            address="local",
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address=LOOPBACK,
            _temp_dir=str(directory),
        )
        print(json.dumps({"address": started["gcs_address"]}), flush=True)
        sys.stdin.read()
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
    finally:
        kill_descendants(os.getpid())
        shutil.rmtree(directory, ignore_errors=True)
        os._exit(0)  # Ray's own end would wait for the processes that are gone


if __name__ == "__main__":
    main()
