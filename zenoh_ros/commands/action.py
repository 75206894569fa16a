"""Actions: list them, show their clients and servers, send a goal."""

from __future__ import annotations

import argparse
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import (
    ActionClient,
    get_action_client_names_and_types_by_node,
    get_action_names_and_types,
    get_action_server_names_and_types_by_node,
)
from rclpy.node import Node

from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.graph import absolute, graph_node, require_name, settle, spin_until
from zenoh_ros.commands.interrupts import noted_interrupts
from zenoh_ros.commands.listing import add_list, run_list
from zenoh_ros.commands.numbers import positive_float
from zenoh_ros.commands.values import fill, interface, parse_values, stamp, to_yaml

_STATUSES = {
    getattr(GoalStatus, f"STATUS_{name}"): name
    for name in ("ACCEPTED", "EXECUTING", "CANCELING", "SUCCEEDED", "CANCELED", "ABORTED")
}
CANCELING = 5.0  # timeout of the response to a cancel request [s]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_list(verbs, "actions")
    kind = verbs.add_parser("type", help="print the type of an action")
    kind.add_argument("action_name", help="name of the action, e.g. /policy_node/execute")
    info = verbs.add_parser("info", help="print the clients and servers of an action")
    info.add_argument("action_name", help="name of the action, e.g. /policy_node/execute")
    info.add_argument("-t", "--show-types", action="store_true", help="also print the types")
    info.add_argument("-c", "--count", action="store_true", help="print only the count")
    sending = verbs.add_parser("send_goal", help="send a goal and wait for its result; Ctrl-C cancels it")
    sending.add_argument("action_name", help="name of the action, e.g. /policy_node/execute")
    sending.add_argument("action_type", help="type of the action, e.g. rt_vla_ros/action/ExecuteInstruction")
    sending.add_argument("goal", nargs="?", default="{}", help="the goal in YAML")
    sending.add_argument("-f", "--feedback", action="store_true", help="print the feedback")
    sending.add_argument(
        "--timeout", type=positive_float, metavar="S", help="seconds to wait for a server; default: no limit"
    )


def run(args: argparse.Namespace) -> int:
    return {"list": _list, "type": _type, "info": _info, "send_goal": _send_goal}[args.verb](args)


def actions(node: Node) -> dict[str, list[str]]:
    """Names of actions with their types."""
    return dict(get_action_names_and_types(node))


def _list(args: argparse.Namespace) -> int:
    return run_list(args, actions)


def _type(args: argparse.Namespace) -> int:
    with graph_node() as node:
        print(*require_name(absolute(args.action_name), "action", lambda: actions(node)), sep="\n")
    return 0


def _info(args: argparse.Namespace) -> int:
    name = absolute(args.action_name)
    with graph_node() as node:
        require_name(name, "action", lambda: actions(node))
        settle(node)
        found = {
            "Action clients": _nodes(node, name, get_action_client_names_and_types_by_node),
            "Action servers": _nodes(node, name, get_action_server_names_and_types_by_node),
        }
    print(f"Action: {name}")
    for title, nodes in found.items():
        print(f"{title}: {len(nodes)}")
        for full_name, types in [] if args.count else nodes:
            print(f"    {full_name} [{', '.join(types)}]" if args.show_types else f"    {full_name}")
    return 0


def _nodes(node: Node, action: str, names_and_types_by_node: Any) -> list[tuple[str, list[str]]]:
    """Full names of the nodes with the action, with its types."""
    found = []
    for name, namespace in sorted(node.get_node_names_and_namespaces()):
        try:
            types = dict(names_and_types_by_node(node, name, namespace)).get(action)
        except RuntimeError:  # it has left the graph in the meantime
            continue
        if types is not None:
            found.append((f"{namespace.rstrip('/')}/{name}", types))
    return found


def _send_goal(args: argparse.Namespace) -> int:
    action_type = interface(args.action_type, "action")
    goal = action_type.Goal()
    stamps = fill(goal, parse_values(args.goal))
    with graph_node() as node:
        client = ActionClient(node, action_type, absolute(args.action_name))
        print("Waiting for an action server to become available...", flush=True)
        if not spin_until(node, client.server_is_ready, args.timeout):
            raise CliError(f"no server of the action {absolute(args.action_name)!r} within {args.timeout:g} s")
        stamp(stamps, node.get_clock().now().to_msg())
        print(f"Sending goal:\n     {to_yaml(goal, limit=None)}", flush=True)
        with noted_interrupts(most=1) as interrupts:
            return _follow(node, client, goal, _print_feedback if args.feedback else None, interrupts)


def _follow(node: Node, client: Any, goal: Any, on_feedback: Any, interrupts: list[int]) -> int:
    sent = client.send_goal_async(goal, feedback_callback=on_feedback)
    spin_until(node, lambda: sent.done() or bool(interrupts))
    if not sent.done():  # cancel a goal that may still arrive
        spin_until(node, sent.done, CANCELING)
    handle = sent.result()
    if handle is None:
        raise CliError("the server does not answer; it is unknown whether it accepted the goal")
    if not handle.accepted:
        print("Goal was rejected.")
        return 1
    print(f"Goal accepted with ID: {bytes(handle.goal_id.uuid).hex()}\n", flush=True)
    ended = handle.get_result_async()
    spin_until(node, lambda: ended.done() or bool(interrupts))
    if not ended.done():
        _cancel(node, handle)
        raise KeyboardInterrupt
    answer = ended.result()
    print(f"Result:\n    {to_yaml(answer.result, limit=None)}")
    print(f"Goal finished with status: {_STATUSES.get(answer.status, 'UNKNOWN')}")
    return 0 if answer.status == GoalStatus.STATUS_SUCCEEDED else 1


def _cancel(node: Node, handle: Any) -> None:
    print("Canceling goal...", flush=True)
    canceled = handle.cancel_goal_async()
    if not spin_until(node, canceled.done, CANCELING):
        raise CliError(f"the server did not answer within {CANCELING:g} s; it is unknown whether the goal is canceled")
    if not canceled.result().goals_canceling:
        raise CliError("the server did not cancel the goal: it has ended or cannot be canceled")
    print("Goal canceled.", flush=True)


def _print_feedback(message: Any) -> None:
    print(f"Feedback:\n    {to_yaml(message.feedback, limit=None)}", flush=True)
