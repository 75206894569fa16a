"""Publish a message: `rt-vla topic pub --once /instruction std_msgs/msg/String "data: pick up the red cube"`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from rclpy.node import Node
from rclpy.publisher import Publisher

from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.graph import absolute, graph_node, spin_until, wait_until
from zenoh_ros.commands.numbers import nonnegative_int, positive_float
from zenoh_ros.commands.qos_options import add_qos_arguments, asked_for
from zenoh_ros.commands.values import fill, interface, parse_values, stamp


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic_name", help="name of the topic, e.g. /instruction")
    parser.add_argument("message_type", help="message type, e.g. std_msgs/msg/String")
    parser.add_argument("values", nargs="?", default="{}", help="fields in YAML; omitted fields have their default")
    parser.add_argument(
        "-r", "--rate", type=positive_float, default=1.0, metavar="HZ", help="publishing rate (%(default)s)"
    )
    parser.add_argument("-p", "--print", type=int, default=1, metavar="N", help="print every Nth message (%(default)s)")
    times = parser.add_mutually_exclusive_group()
    times.add_argument("-1", "--once", action="store_true", help="publish one message and exit")
    times.add_argument(
        "-t", "--times", type=nonnegative_int, default=0, metavar="N", help="publish N messages and exit"
    )
    parser.add_argument(
        "-w",
        "--wait-matching-subscriptions",
        type=nonnegative_int,
        metavar="N",
        help="wait for N subscriptions first; default with --once and --times: 1",
    )
    parser.add_argument("--max-wait-time-secs", type=positive_float, metavar="S", help="timeout of -w; default: none")
    parser.add_argument(
        "--keep-alive",
        type=positive_float,
        default=0.1,
        metavar="S",
        help="time to stay alive after the last message (%(default)s)",
    )
    parser.add_argument("-n", "--node-name", help="name of the publishing node")
    add_qos_arguments(parser, "default")


def run(args: argparse.Namespace) -> int:
    message_type = interface(args.message_type, "msg")
    message = message_type()
    stamps = fill(message, parse_values(args.values))
    times = 1 if args.once else args.times
    wanted = args.wait_matching_subscriptions
    listeners = int(times != 0) if wanted is None else wanted
    with graph_node(args.node_name) as node:
        publisher = node.create_publisher(message_type, absolute(args.topic_name), asked_for(args))
        _wait_for_listeners(publisher, listeners, args.max_wait_time_secs)
        print("publisher: beginning loop", flush=True)
        count = 0

        def publish() -> None:
            nonlocal count
            count += 1
            stamp(stamps, node.get_clock().now().to_msg())
            if args.print and count % args.print == 0:
                print(f"publishing #{count}: {message!r}\n", flush=True)
            publisher.publish(message)

        publish()
        if times != 1:
            _repeat(node, publish, 1.0 / args.rate, lambda: 0 < times <= count)
        time.sleep(args.keep_alive)
    return 0


def _repeat(node: Node, publish: Callable[[], None], period: float, enough: Callable[[], bool]) -> None:
    timer = node.create_timer(period, publish)
    spin_until(node, enough)
    node.destroy_timer(timer)


def _wait_for_listeners(publisher: Publisher, wanted: int, longest: float | None) -> None:
    def there() -> int:
        return int(publisher.get_subscription_count())

    if there() >= wanted:
        return
    print(f"Waiting for at least {wanted} matching subscription(s)...", flush=True)
    if not wait_until(lambda: there() >= wanted, longest):
        raise CliError(f"expected {wanted} subscription(s) within {longest:g} s, found {there()}; use -w 0 not to wait")
