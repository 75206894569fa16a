"""Services: list them, print type or info, call one."""

from __future__ import annotations

import argparse

from zenoh_ros.commands.graph import ANSWER, absolute, call, graph_node, require_name, services, settle
from zenoh_ros.commands.listing import add_list, run_list
from zenoh_ros.commands.numbers import positive_float
from zenoh_ros.commands.values import fill, interface, parse_values, stamp


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_list(verbs, "services")
    kind = verbs.add_parser("type", help="print the type of a service")
    kind.add_argument("service_name", help="name of the service, e.g. /smoother_node/stop")
    info = verbs.add_parser("info", help="print the type of a service and the counts of its clients and servers")
    info.add_argument("service_name", help="name of the service, e.g. /smoother_node/stop")
    asking = verbs.add_parser("call", help="call a service")
    asking.add_argument("service_name", help="name of the service, e.g. /smoother_node/stop")
    asking.add_argument("service_type", help="type of the service, e.g. std_srvs/srv/Trigger")
    asking.add_argument("values", nargs="?", default="{}", help="the request in YAML")
    asking.add_argument(
        "--timeout",
        type=positive_float,
        default=ANSWER,
        metavar="S",
        help="timeout for the service and its response (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    return {"list": _list, "type": _type, "info": _info, "call": _call}[args.verb](args)


def _list(args: argparse.Namespace) -> int:
    return run_list(args, services)


def _type(args: argparse.Namespace) -> int:
    with graph_node() as node:
        print(*require_name(absolute(args.service_name), "service", lambda: services(node)), sep="\n")
    return 0


def _info(args: argparse.Namespace) -> int:
    name = absolute(args.service_name)
    with graph_node() as node:
        types = require_name(name, "service", lambda: services(node))
        settle(node)
        print(f"Type: {', '.join(types)}")
        print(f"Clients count: {node.count_clients(name)}")
        print(f"Services count: {node.count_services(name)}")
    return 0


def _call(args: argparse.Namespace) -> int:
    service_type = interface(args.service_type, "srv")
    request = service_type.Request()
    stamps = fill(request, parse_values(args.values))
    with graph_node() as node:
        stamp(stamps, node.get_clock().now().to_msg())
        print(f"requester: making request: {request!r}\n", flush=True)
        response = call(node, service_type, absolute(args.service_name), request, args.timeout)
    print(f"response:\n{response!r}\n")
    return 0
