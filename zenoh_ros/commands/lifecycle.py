"""Managed nodes: list them, get and set their states."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from rclpy.node import Node

from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.graph import (
    ANSWER,
    call,
    graph_node,
    is_hidden,
    node_names,
    require_node,
    services,
    settle,
    spin_until,
    wait_until,
)
from zenoh_ros.wire.printable import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    nodes = verbs.add_parser("nodes", help="list the managed nodes")
    nodes.add_argument("-a", "--all", action="store_true", help="include hidden nodes")
    nodes.add_argument("-c", "--count-nodes", action="store_true", help="print only the count")
    getting = verbs.add_parser("get", help="print the state of a node, or of all nodes")
    getting.add_argument("node_name", nargs="?", help="name of the node, e.g. /policy_node")
    getting.add_argument("--include-hidden-nodes", action="store_true", help="include hidden nodes")
    setting = verbs.add_parser("set", help="trigger a transition and wait for its end")
    setting.add_argument("node_name", help="name of the node, e.g. /policy_node")
    setting.add_argument("transition", help="configure, activate, deactivate, cleanup or shutdown, or its id")
    listing = verbs.add_parser("list", help="list the transitions available in a node's state")
    listing.add_argument("node_name", help="name of the node, e.g. /policy_node")
    listing.add_argument("-a", "--all", action="store_true", help="list all transitions")


def run(args: argparse.Namespace) -> int:
    verbs = {"nodes": _nodes, "get": _get, "set": _set, "list": _list}
    with graph_node() as node:
        return verbs[args.verb](node, args)


def _nodes(node: Node, args: argparse.Namespace) -> int:
    settle(node)
    names = _managed(node, args.all)
    print(len(names)) if args.count_nodes else print(*names, sep="\n", end="\n" if names else "")
    return 0


def _get(node: Node, args: argparse.Namespace) -> int:
    if args.node_name is not None:
        print(_state(node, _require(node, args.node_name)))
        return 0
    settle(node)
    for name in _managed(node, args.include_hidden_nodes):
        try:
            print(f"{name}: {_state(node, name)}")
        except CliError as error:
            print(f"Exception while calling service of node '{name}': {error}", file=sys.stderr)
    return 0


def _list(node: Node, args: argparse.Namespace) -> int:
    for one in _transitions(node, _require(node, args.node_name), graph=args.all):
        print(printable(f"- {one.transition.label} [{one.transition.id}]"))
        print(printable(f"\tStart: {one.start_state.label}", keep="\t"))
        print(printable(f"\tGoal: {one.goal_state.label}", keep="\t"))
    return 0


def _set(node: Node, args: argparse.Namespace) -> int:
    name = _require(node, args.node_name)
    available = [one.transition for one in _transitions(node, name)]
    wanted = next((one for one in available if args.transition == one.label), None)
    wanted = wanted or next((one for one in available if args.transition == str(one.id)), None)
    if wanted is None:
        print("Unknown transition requested, available ones are:", file=sys.stderr)
        print(*(printable(f"- {one.label} [{one.id}]") for one in available), sep="\n", file=sys.stderr)
        return 1
    if _change(node, name, ChangeState.Request(transition=wanted)):
        print("Transitioning successful")
        return 0
    print("Transitioning failed", file=sys.stderr)
    return 1


def _change(node: Node, name: str, request: Any) -> bool:
    """Waits without a time limit while the node is on the graph: loading a policy may take minutes."""
    service = f"{name}/change_state"
    client = node.create_client(ChangeState, service)
    if not wait_until(client.service_is_ready, ANSWER):
        raise CliError(f"no service {service!r} within {ANSWER:g} s; is its node still running?")
    future = client.call_async(request)
    spin_until(node, lambda: future.done() or not client.service_is_ready())
    if not future.done():
        raise CliError(f"{name} left the graph before it answered.")
    return bool(future.result().success)


def _managed(node: Node, hidden: bool) -> list[str]:
    offered = services(node)
    names = dict.fromkeys(node_names(node))
    return [name for name in names if (hidden or not is_hidden(name)) and _is_managed(name, offered)]


def _is_managed(name: str, offered: dict[str, list[str]]) -> bool:
    return "lifecycle_msgs/srv/GetState" in offered.get(f"{name}/get_state", [])


def _require(node: Node, name: str) -> str:
    """The full name of a managed node; CliError if there is none."""
    full_name = require_node(node, name)
    if not wait_until(lambda: _is_managed(full_name, services(node)), ANSWER):
        raise CliError(f"{full_name} is not a managed node. {did_you_mean(full_name, _managed(node, hidden=False))}")
    return full_name


def _state(node: Node, name: str) -> str:
    state = call(node, GetState, f"{name}/get_state", GetState.Request()).current_state
    return printable(f"{state.label} [{state.id}]")


def _transitions(node: Node, name: str, *, graph: bool = False) -> list[Any]:
    service = f"{name}/get_{'transition_graph' if graph else 'available_transitions'}"
    request = GetAvailableTransitions.Request()
    return list(call(node, GetAvailableTransitions, service, request).available_transitions)
