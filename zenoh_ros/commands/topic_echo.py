"""Print the messages of a topic: `rt-vla topic echo --once --no-arr /image`."""

from __future__ import annotations

import argparse
from typing import Any

from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.graph import absolute, graph_node, settle, spin_until
from zenoh_ros.commands.numbers import nonnegative_int, positive_float
from zenoh_ros.commands.qos_options import add_qos_arguments, fitting_publishers
from zenoh_ros.commands.topic_types import topic_class
from zenoh_ros.commands.values import interface, to_csv, to_yaml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic_name", help="name of the topic, e.g. /action")
    parser.add_argument(
        "message_type", nargs="?", help="message type; default: from the graph. With a type, the topic may appear later"
    )
    parser.add_argument("--once", action="store_true", help="exit after the first message")
    parser.add_argument(
        "--timeout", type=positive_float, metavar="S", help="exit after this time; exit code 1 if there was no message"
    )
    parser.add_argument("--field", help="print only this field, e.g. pose.position")
    parser.add_argument("-f", "--full-length", action="store_true", help="print arrays and strings in full")
    parser.add_argument(
        "-l",
        "--truncate-length",
        type=nonnegative_int,
        default=128,
        metavar="N",
        help="truncate arrays and strings after N (%(default)s)",
    )
    parser.add_argument("--no-arr", action="store_true", help="do not print arrays")
    parser.add_argument("--no-str", action="store_true", help="do not print strings")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--flow-style", action="store_true", help="print each message in one line")
    shape.add_argument("--csv", action="store_true", help="print each message as comma-separated values")
    add_qos_arguments(parser, "sensor_data")


def run(args: argparse.Namespace) -> int:
    topic = absolute(args.topic_name)
    given = None if args.message_type is None else interface(args.message_type, "msg")
    heard = 0
    with graph_node() as node:
        message_type = given or topic_class(node, topic)
        path = _checked_path(message_type, args.field)
        settle(node, quiet=0.1, longest=0.5)  # to discover the publishers' quality of service

        def on_message(message: Any) -> None:
            nonlocal heard
            if args.once and heard:
                return
            heard += 1
            _print(message, path, args)

        node.create_subscription(message_type, topic, on_message, fitting_publishers(node, topic, args))
        spin_until(node, lambda: args.once and heard > 0, args.timeout)
    return 0 if heard or not args.timeout else 1


def _checked_path(message_type: Any, field: str | None) -> list[str]:
    path = [name for name in (field or "").split(".") if name]
    value = message_type()
    for depth, name in enumerate(path):
        fields = value.get_fields_and_field_types() if hasattr(value, "get_fields_and_field_types") else {}
        if name not in fields:
            raise CliError(f"no field {'.'.join(path[: depth + 1])!r} in this message. {did_you_mean(name, fields)}")
        value = getattr(value, name)
    return path


def _print(message: Any, path: list[str], args: argparse.Namespace) -> None:
    for name in path:
        message = getattr(message, name)
    limit = None if args.full_length else args.truncate_length
    if args.csv:
        print(to_csv(message, limit=limit, no_arr=args.no_arr, no_str=args.no_str), flush=True)
        return
    text = to_yaml(message, limit=limit, no_arr=args.no_arr, no_str=args.no_str, flow=args.flow_style)
    print(f"{text}---", flush=True)
