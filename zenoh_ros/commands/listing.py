"""`topic list` and `service list`, with the same options and help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from zenoh_ros.commands.graph import graph_node, is_hidden, settle


def add_list(verbs: Any, kind: str) -> None:
    """The verb `list` of a command. kind: what is listed, in plural."""
    listing = verbs.add_parser("list", help=f"list all {kind}")
    listing.add_argument("-t", "--show-types", action="store_true", help="also print the types")
    listing.add_argument("-c", f"--count-{kind}", action="store_true", dest="count", help="print only the count")
    listing.add_argument(f"--include-hidden-{kind}", action="store_true", dest="hidden", help=f"include hidden {kind}")


def run_list(args: argparse.Namespace, known: Callable[[Node], dict[str, list[str]]]) -> int:
    """known: names with their types, from the graph."""
    with graph_node() as node:
        settle(node)
        found = {name: types for name, types in known(node).items() if args.hidden or not is_hidden(name)}
    if args.count:
        print(len(found))
        return 0
    for name, types in sorted(found.items()):
        print(f"{name} [{', '.join(types)}]" if args.show_types else name)
    return 0
