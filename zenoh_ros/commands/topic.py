"""Topics: publish, echo, list, info, and measurements."""

from __future__ import annotations

import argparse

from zenoh_ros.commands import topic_echo, topic_pub, topic_rate
from zenoh_ros.commands.graph import absolute, graph_node, require_name, settle, topics
from zenoh_ros.commands.listing import add_list, run_list


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    topic_pub.add_arguments(verbs.add_parser("pub", help="publish messages", description=topic_pub.__doc__))
    topic_echo.add_arguments(
        verbs.add_parser("echo", help="print the messages of a topic", description=topic_echo.__doc__)
    )
    topic_rate.add_arguments(verbs)
    add_list(verbs, "topics")
    info = verbs.add_parser("info", help="print the publishers and subscribers of a topic")
    info.add_argument("topic_name", help="name of the topic, e.g. /image")
    info.add_argument("-v", "--verbose", action="store_true", help="also print nodes and quality of service")
    kind = verbs.add_parser("type", help="print the type of a topic")
    kind.add_argument("topic_name", help="name of the topic, e.g. /image")


def run(args: argparse.Namespace) -> int:
    verbs = {
        "pub": topic_pub.run,
        "echo": topic_echo.run,
        "list": _list,
        "info": _info,
        "type": _type,
        **dict.fromkeys(topic_rate.METERS, topic_rate.run),
    }
    return verbs[args.verb](args)


def _list(args: argparse.Namespace) -> int:
    return run_list(args, topics)


def _type(args: argparse.Namespace) -> int:
    with graph_node() as node:
        print(*require_name(absolute(args.topic_name), "topic", lambda: topics(node)), sep="\n")
    return 0


def _info(args: argparse.Namespace) -> int:
    topic = absolute(args.topic_name)
    with graph_node() as node:
        require_name(topic, "topic", lambda: topics(node))
        settle(node)
        types = topics(node).get(topic, [])
        sides = {
            "Publisher": node.get_publishers_info_by_topic(topic),
            "Subscription": node.get_subscriptions_info_by_topic(topic),
        }
    end = "\n\n" if args.verbose else "\n"
    print(f"Type: {', '.join(types)}", end=end)
    for side, endpoints in sides.items():
        print(f"{side} count: {len(endpoints)}", end=end)
        if args.verbose:
            for endpoint in endpoints:
                print(endpoint, end=end)
    return 0
