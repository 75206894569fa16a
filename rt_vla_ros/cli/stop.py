"""Stop the arm: stops every smoother on the graph until its ~/release is called.

With --key it waits for the space bar.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import rclpy
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from rt_vla_ros.cli.terminal_keys import END, raw_keys
from zenoh_ros.commands.errors import CliError

DISCOVERY = 3.0  # until a smoother is found [s]
ANSWER = 2.0  # until it says that it is stopped [s]
LATER = 0.5  # for which it is looked for further ones, of which the graph tells later [s]
KIND = "std_srvs/srv/Trigger"
LACKING = "No smoother_node was found on this graph: NOTHING WAS STOPPED. Use the emergency stop."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", action="store_true", help="wait, and stop when the space bar is pressed; q quits")


def run(args: argparse.Namespace) -> int:
    """Return 0 if every smoother confirms the stop. Raises CliError otherwise."""
    if args.key and not sys.stdin.isatty():
        raise CliError("--key needs a terminal: run it in one, or run `rt-vla stop` without --key.")
    rclpy.init(args=[])
    try:
        node = rclpy.create_node("rt_vla_stop")
        broadcast = node.create_publisher(Empty, "stop", 1)
        if not args.key:
            return stop_smoothers(node, found(node, LACKING))
        names = found(node, LACKING)
        print(f"Press space to stop {' and '.join(names)}; q quits without stopping.", flush=True)
        with raw_keys("--key") as keys:
            while not {"q", "\x03", END} & (pressed := set(keys.within(None))):
                if " " in pressed:
                    broadcast.publish(Empty())  # at once; the services say whether it was taken
                    try:
                        stop_smoothers(node, smoothers(node) or names)
                    except CliError as error:  # the next press may reach it
                        print(error, file=sys.stderr, flush=True)
    finally:
        rclpy.try_shutdown()
    return 0


def smoothers(node: Node) -> list[str]:
    """Full names of the nodes that can be stopped and released."""
    kinds = dict(node.get_service_names_and_types())
    return sorted(
        name.removesuffix("/release")
        for name, types in kinds.items()
        if name.endswith("/release") and KIND in types and f"{name.removesuffix('release')}stop" in kinds
    )


def found(node: Node, lacking: str) -> list[str]:
    """The same, after waiting for the first. Raises CliError with the message `lacking` if none appears."""
    deadline = time.monotonic() + DISCOVERY
    while not (names := smoothers(node)):
        if time.monotonic() > deadline:
            raise CliError(lacking)
        rclpy.spin_once(node, timeout_sec=0.05)
    return names


def stop_smoothers(node: Node, names: list[str]) -> int:
    """Return 0 if each says that it is stopped, those too that are found meanwhile.

    Raises CliError where one does not.
    """
    clients: dict[str, Any] = {}
    futures: dict[str, Any] = {}
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < ANSWER and (
        passed < LATER or len(futures) < len(clients) or not all(f.done() for f in futures.values())
    ):
        for name in {*names, *smoothers(node)} - set(clients):
            clients[name] = node.create_client(Trigger, f"{name}/stop")
        for name, client in clients.items():
            if name not in futures and client.service_is_ready():
                futures[name] = client.call_async(Trigger.Request())
        rclpy.spin_once(node, timeout_sec=0.02)
    silent = [name for name in sorted(clients) if name not in futures or not futures[name].done()]
    for name in sorted(clients):
        if name not in silent:
            print(f"{name}: {futures[name].result().message}", flush=True)
    for client in clients.values():
        node.destroy_client(client)
    if silent:
        raise CliError(f"{' and '.join(silent)} did not confirm the stop. Use the emergency stop.")
    return 0
