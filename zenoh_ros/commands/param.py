"""Parameters of nodes: list, get, set, describe, dump, load."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import get_parameter_value, parameter_dict_from_yaml_file, parameter_value_to_python

from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.commands.graph import call, graph_node, is_hidden, node_names, require_node, services, settle
from zenoh_ros.wire.parameter_values import write_yaml
from zenoh_ros.wire.printable import printable

_KINDS = {
    ParameterType.PARAMETER_BOOL: "Boolean value is:",
    ParameterType.PARAMETER_INTEGER: "Integer value is:",
    ParameterType.PARAMETER_DOUBLE: "Double value is:",
    ParameterType.PARAMETER_STRING: "String value is:",
    ParameterType.PARAMETER_BYTE_ARRAY: "Byte values are:",
    ParameterType.PARAMETER_BOOL_ARRAY: "Boolean values are:",
    ParameterType.PARAMETER_INTEGER_ARRAY: "Integer values are:",
    ParameterType.PARAMETER_DOUBLE_ARRAY: "Double values are:",
    ParameterType.PARAMETER_STRING_ARRAY: "String values are:",
}


_TYPES = {
    ParameterType.PARAMETER_BOOL: "boolean",
    ParameterType.PARAMETER_INTEGER: "integer",
    ParameterType.PARAMETER_DOUBLE: "double",
    ParameterType.PARAMETER_STRING: "string",
    ParameterType.PARAMETER_BYTE_ARRAY: "byte array",
    ParameterType.PARAMETER_BOOL_ARRAY: "boolean array",
    ParameterType.PARAMETER_INTEGER_ARRAY: "integer array",
    ParameterType.PARAMETER_DOUBLE_ARRAY: "double array",
    ParameterType.PARAMETER_STRING_ARRAY: "string array",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="list the parameters of a node, or of all nodes")
    listing.add_argument("node_name", nargs="?", help="name of the node, e.g. /policy_node")
    getting = verbs.add_parser("get", help="get a parameter")
    getting.add_argument("node_name", help="name of the node, e.g. /policy_node")
    getting.add_argument("parameter_name", help="name of the parameter, e.g. policy")
    getting.add_argument("--hide-type", action="store_true", help="print only the value")
    setting = verbs.add_parser("set", help="set a parameter")
    setting.add_argument("node_name", help="name of the node, e.g. /smoother_node")
    setting.add_argument("parameter_name", help="name of the parameter, e.g. dry_run")
    setting.add_argument("value", help="value in YAML: true, 5, 0.5, text, [1, 2]")
    describing = verbs.add_parser("describe", help="print the descriptors of parameters")
    describing.add_argument("node_name", help="name of the node, e.g. /smoother_node")
    describing.add_argument("parameter_names", nargs="+", help="names of the parameters, e.g. max_linear_velocity")
    loading = verbs.add_parser("load", help="load a parameter file for a node")
    loading.add_argument("node_name", help="name of the node, e.g. /smoother_node")
    loading.add_argument("parameter_file", help="path of the parameter file")
    loading.add_argument("--no-use-wildcard", action="store_true", help="ignore the wildcard sections of the file")
    dump = verbs.add_parser("dump", help="dump all parameters of a node as a parameter file")
    dump.add_argument("node_name", help="name of the node, e.g. /policy_node")


def run(args: argparse.Namespace) -> int:
    verbs = {"list": _list, "get": _get, "set": _set, "describe": _describe, "load": _load, "dump": _dump}
    with graph_node() as node:
        return verbs[args.verb](node, args)


def _list(node: Node, args: argparse.Namespace) -> int:
    if args.node_name is not None:
        for name in _names(node, require_node(node, args.node_name)):
            print(f"  {name}")
        return 0
    settle(node)
    offered = services(node)
    for full_name in dict.fromkeys(node_names(node)):
        if not is_hidden(full_name) and f"{full_name}/list_parameters" in offered:
            print(f"{full_name}:")
            for name in _names(node, full_name):
                print(f"  {name}")
    return 0


def _get(node: Node, args: argparse.Namespace) -> int:
    full_name = require_node(node, args.node_name)
    (value,) = _values(node, full_name, [args.parameter_name])
    if value.type == ParameterType.PARAMETER_NOT_SET:
        _refuse_unknown(node, full_name, args.parameter_name)
        print("Parameter not set.")
        return 1
    plain = parameter_value_to_python(value)
    print(printable(str(plain if args.hide_type else f"{_KINDS[value.type]} {plain}"), keep="\n\t"))
    return 0


def _set(node: Node, args: argparse.Namespace) -> int:
    full_name = require_node(node, args.node_name)
    try:
        parameter = Parameter(name=args.parameter_name, value=get_parameter_value(string_value=args.value))
    except AssertionError as error:
        raise CliError(f"{args.value!r} is not a valid parameter value: {error}") from error
    request = SetParameters.Request(parameters=[parameter])
    (result,) = call(node, SetParameters, f"{full_name}/set_parameters", request).results
    if result.successful:
        print(printable(f"Set parameter successful{f': {result.reason}' if result.reason else ''}"))
        return 0
    _refuse_unknown(node, full_name, args.parameter_name)
    print(printable(f"Setting parameter failed: {result.reason}"))
    return 1


def _describe(node: Node, args: argparse.Namespace) -> int:
    full_name = require_node(node, args.node_name)
    known = _names(node, full_name)
    for name in args.parameter_names:
        if name not in known:
            raise CliError(f"{full_name} has no parameter {name!r}. {did_you_mean(name, known)}")
    request = DescribeParameters.Request(names=args.parameter_names)
    for descriptor in call(node, DescribeParameters, f"{full_name}/describe_parameters", request).descriptors:
        print(*map(printable, _described(descriptor)), sep="\n")
    return 0


def _described(descriptor: Any) -> Iterator[str]:
    """A descriptor in the format of `ros2 param describe`."""
    yield f"Parameter name: {descriptor.name}"
    yield f"  Type: {_TYPES.get(descriptor.type, 'not set')}"
    if descriptor.description:
        yield f"  Description: {descriptor.description}"
    yield "  Constraints:"
    if descriptor.read_only:
        yield "    Read only: true"
    for range_ in [*descriptor.floating_point_range, *descriptor.integer_range]:
        yield f"    Min value: {range_.from_value}"
        yield f"    Max value: {range_.to_value}"
        if range_.step:
            yield f"    Step: {range_.step}"
    if descriptor.additional_constraints:
        yield f"    Additional constraints: {descriptor.additional_constraints}"


def _load(node: Node, args: argparse.Namespace) -> int:
    full_name = require_node(node, args.node_name)
    try:
        wanted = parameter_dict_from_yaml_file(args.parameter_file, not args.no_use_wildcard, target_nodes=[full_name])
    except (RuntimeError, ValueError) as error:
        raise CliError(f"{args.parameter_file}: {error}") from error
    request = SetParameters.Request(parameters=list(wanted.values()))
    results = call(node, SetParameters, f"{full_name}/set_parameters", request).results
    for name, result in zip(wanted, results, strict=True):
        outcome = "successful" if result.successful else "failed"
        print(printable(f"Set parameter {name} {outcome}{f': {result.reason}' if result.reason else ''}"))
    return 0 if all(result.successful for result in results) else 1


def _dump(node: Node, args: argparse.Namespace) -> int:
    full_name = require_node(node, args.node_name)
    names = _names(node, full_name)
    tree: dict[str, Any] = {}
    for name, value in zip(names, _values(node, full_name, names), strict=True):
        if value.type == ParameterType.PARAMETER_NOT_SET:
            continue
        below_another = any(name.startswith(f"{other}.") for other in names)
        *branches, leaf = [name] if below_another else name.split(".")
        place = tree
        for branch in branches:
            place = place.setdefault(branch, {})
        place[leaf] = parameter_value_to_python(value)
    print(write_yaml({full_name: {"ros__parameters": tree}}), end="")
    return 0


def _names(node: Node, full_name: str) -> list[str]:
    response = call(node, ListParameters, f"{full_name}/list_parameters", ListParameters.Request())
    return sorted(map(printable, response.result.names))


def _values(node: Node, full_name: str, names: list[str]) -> list[Any]:
    response = call(node, GetParameters, f"{full_name}/get_parameters", GetParameters.Request(names=names))
    # A node without one of the parameters returns fewer values.
    return list(response.values) if len(response.values) == len(names) else [_not_set() for _ in names]


def _not_set() -> Any:
    return Parameter().value


def _refuse_unknown(node: Node, full_name: str, name: str) -> None:
    known = _names(node, full_name)
    if name not in known:
        raise CliError(f"{full_name} has no parameter {name!r}. {did_you_mean(name, known)}")
