"""The graph's router as a separate process, like rmw_zenohd: for other hosts, and to watch their connections.

Without it, the first process of a host is its router, for this host only. With keys (docs/security.md) it listens on
the network and reports connections, disconnections, rejected hosts and dropped messages.
"""

from __future__ import annotations

import argparse
import logging
import threading

from zenoh_ros.commands.errors import CliError

_LOOK_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="ENDPOINT",
        help="endpoint, e.g. tls/192.168.1.10:7447 (default: with keys tls/[::]:7447, which is every address of this "
        "host; without keys tcp/localhost:7447)",
    )


def run(args: argparse.Namespace) -> int:
    try:
        from zenoh_ros.wire.console import ConsoleHandler, console
        from zenoh_ros.wire.errors import WireError
        from zenoh_ros.wire.router import Router
    except ImportError as error:
        raise CliError(
            f"the router needs eclipse-zenoh ({error}); with ROS 2: ros2 run rmw_zenoh_cpp rmw_zenohd"
        ) from error
    log = logging.getLogger("zenoh_ros.wire")
    log.setLevel(logging.INFO)
    log.addHandler(ConsoleHandler(console))
    ended = threading.Event()
    try:
        router = Router(args.listen)
    except WireError as error:
        raise CliError(str(error)) from error
    try:
        print(router.introduction, flush=True)
        while not ended.wait(_LOOK_S):
            router.look()
    finally:
        router.close()
    return 0
