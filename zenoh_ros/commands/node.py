"""Nodes: list them, describe one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rclpy.action import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node

from zenoh_ros.commands.graph import graph_node, is_hidden, node_names, require_node, settle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="list all nodes")
    listing.add_argument("-a", "--all", action="store_true", help="include hidden nodes")
    listing.add_argument("-c", "--count-nodes", action="store_true", help="print only the count")
    info = verbs.add_parser("info", help="print a node's topics, services and actions")
    info.add_argument("node_name", help="name of the node, e.g. /policy_node")
    info.add_argument("--include-hidden", action="store_true", help="include hidden topics and services")


def run(args: argparse.Namespace) -> int:
    return _list(args) if args.verb == "list" else _info(args)


def _list(args: argparse.Namespace) -> int:
    with graph_node() as node:
        settle(node)
        names = [name for name in node_names(node) if args.all or not is_hidden(name)]
    print(len(names)) if args.count_nodes else print(*names, sep="\n", end="\n" if names else "")
    return 0


def _info(args: argparse.Namespace) -> int:
    with graph_node() as node:
        full_name = require_node(node, args.node_name)
        settle(node)
        namespace, _, name = full_name.rpartition("/")
        place = (name, namespace or "/")
        parts = {
            "Subscribers": node.get_subscriber_names_and_types_by_node(*place),
            "Publishers": node.get_publisher_names_and_types_by_node(*place),
            "Service Servers": node.get_service_names_and_types_by_node(*place),
            "Service Clients": node.get_client_names_and_types_by_node(*place),
            "Action Servers": get_action_server_names_and_types_by_node(node, *place),
            "Action Clients": get_action_client_names_and_types_by_node(node, *place),
        }
    print(full_name)
    for title, found in parts.items():
        print(f"  {title}:")
        for line in _lines(found, args.include_hidden):
            print(f"    {line}")
    return 0


def _lines(found: Sequence[tuple[str, list[str]]], hidden: bool) -> list[str]:
    return [f"{name}: {', '.join(types)}" for name, types in sorted(found) if hidden or not is_hidden(name)]
