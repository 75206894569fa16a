"""The ROS arguments of a command line (docs.ros.org, "Passing ROS arguments to nodes")."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from zenoh_ros.wire.name_rules import expand_name
from zenoh_ros.wire.parameter_file import read_file, read_value
from zenoh_ros.wire.parameter_table import ANY_NODE, ParameterTable

ROS_ARGS = "--ros-args"
END_OF_ROS_ARGS = "--"
_SWITCHES = {
    f"--{state}-{sink}-logs": (sink, state == "enable")
    for state in ("enable", "disable")
    for sink in ("rosout", "stdout", "external-lib")
}
_OPTIONS = {
    "-r": "--remap",
    "-p": "--param",
    "-e": "--enclave",
    **{long: long for long in ("--remap", "--param", "--params-file", "--enclave", "--log-level")},
    **{long: long for long in ("--log-config-file", "--log-file-name")},
}
# Grammar of rcl's lexer (lexer.c, arguments.c).
_TOKEN = r"(?!\w*__)[A-Za-z_]\w*"
_NAME = rf"(?:~?/)?{_TOKEN}(?:/{_TOKEN})*"
_NODE_PREFIX = rf"(?:(?P<node>{_TOKEN}):)?"
_REMAP_RULE = re.compile(
    rf"{_NODE_PREFIX}(?:(?P<own>__node|__name):=(?P<own_name>{_TOKEN})|__ns:=(?P<ns>/(?:{_TOKEN}(?:/{_TOKEN})*/?)?)"
    rf"|(?:ros(?P<kind>topic|service)://)?(?P<source>{_NAME}):=(?P<target>{_NAME}))",
    re.ASCII,
)
_PARAMETER_RULE = re.compile(
    rf"(?!ros(?:topic|service)://){_NODE_PREFIX}"
    r"(?P<name>(?![^:]*(?:___|[./](?:\d|__)))(?!\d|__)[\w/]+(?:\.[\w/]+)*):=(?P<value>.*)",
    re.ASCII | re.DOTALL,
)
_LOG_LEVEL = re.compile(
    r"(?:(?P<logger>(?:(?!:=).)+):=)?(?P<level>unset|debug|info|warn|error|fatal)", re.DOTALL | re.IGNORECASE
)
_log = logging.getLogger(__name__)


class ArgumentError(ValueError):
    """An invalid ROS argument."""


class UnknownArgumentError(ArgumentError):
    """An argument after --ros-args that is not one of its options."""


@dataclass(frozen=True)
class RemapRule:
    """One `[node:]from:=to`.

    Attributes:
        node: the node that it applies to; None for all nodes.
        source: name to be replaced; "__node" and "__ns" stand for the node's own name and namespace.
        target: the new name.
        kind: "topic" or "service" if the rule says so (rostopic://, rosservice://), else "any".
    """

    node: str | None
    source: str
    target: str
    kind: str = "any"


@dataclass
class RosArguments:
    """All arguments between --ros-args and --, in the given order."""

    remaps: list[RemapRule] = field(default_factory=list)
    parameters: ParameterTable = field(default_factory=ParameterTable)
    log_levels: list[tuple[str, str]] = field(default_factory=list)  # (logger, level); logger "" is the root
    enclave: str = "/"
    switches: dict[str, bool] = field(default_factory=dict)  # "rosout", "stdout", "external-lib"
    rest: list[str] = field(default_factory=list)  # arguments that are not for ROS

    def node_name(self, name: str) -> str:
        """Apply the first __node rule that matches the node `name`."""
        return self._own(name, "__node") or name

    def namespace(self, name: str, default: str) -> str:
        """Apply the first __ns rule that matches the node `name`."""
        return self._own(name, "__ns") or default

    def _own(self, name: str, source: str) -> str | None:
        fitting = (rule for rule in self.remaps if rule.source == source and rule.node in (None, name))
        return next((rule.target for rule in fitting), None)

    def remap(self, full_name: str, node_name: str, namespace: str, kind: str) -> str | None:
        """Return the remapped form of a fully qualified topic or service name, or None if no rule matches.

        Args:
            kind: "topic" or "service".
        """
        for rule in self.remaps:
            if rule.source.startswith("__") or rule.node not in (None, node_name) or rule.kind not in ("any", kind):
                continue
            if expand_name(rule.source, node_name, namespace) == full_name:
                return expand_name(rule.target, node_name, namespace)
        return None


def parse_arguments(argv: Iterable[str]) -> RosArguments:
    """Split a command line into its ROS arguments and the rest.

    Raises:
        UnknownArgumentError: an unknown ROS argument.
        ArgumentError: a rule without ":=", a missing value, an unreadable parameter file.
    """
    found = RosArguments()
    words = list(argv)
    inside = False
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not inside:
            inside = word == ROS_ARGS
            if _REMAP_RULE.fullmatch(word):
                _log.warning(
                    "Found remap rule '%s'. This syntax is deprecated. Use '--ros-args -r %s' instead.", word, word
                )
                found.remaps.append(parse_remap(word))
            elif not inside:
                found.rest.append(word)
        elif word == END_OF_ROS_ARGS:
            inside = False
        elif word in _SWITCHES:
            sink, state = _SWITCHES[word]
            found.switches[sink] = state
        elif word in _OPTIONS:
            if at == len(words):
                raise ArgumentError(f"the ROS argument {word} needs a value after it")
            _take_option(found, _OPTIONS[word], words[at])
            at += 1
        elif word != ROS_ARGS:
            known = ", ".join(sorted((*_OPTIONS, *_SWITCHES)))
            raise UnknownArgumentError(f"found unknown ROS arguments: '{word}'; known are {known}")
    return found


def remove_ros_arguments(argv: Iterable[str]) -> list[str]:
    """Return the command line without its ROS arguments: those between --ros-args and --, and `from:=to`."""
    kept: list[str] = []
    inside = False
    for word in argv:
        if word == ROS_ARGS:
            inside = True
        elif not inside:
            kept += [] if _REMAP_RULE.fullmatch(word) else [word]
        elif word == END_OF_ROS_ARGS:
            inside = False
    return kept


def _take_option(found: RosArguments, option: str, value: str) -> None:
    if option == "--remap":
        found.remaps.append(parse_remap(value))
    elif option == "--param":
        _read_parameter(value, found.parameters)
    elif option == "--params-file":
        try:
            read_file(value, found.parameters)
        except (OSError, ValueError) as error:
            raise ArgumentError(f"cannot read the parameter file {value}: {error}") from error
    elif option == "--enclave":
        found.enclave = value
    elif option == "--log-level":
        found.log_levels.append(_read_log_level(value))


def parse_remap(rule: str) -> RemapRule:
    """Read one remap rule, `[node:]from:=to`.

    Raises:
        ArgumentError: it does not have this form.
    """
    match = _REMAP_RULE.fullmatch(rule)
    if match is None:
        raise ArgumentError(
            f"the remap rule '{rule}' is not of the form from:=to, node:from:=to, __node:=name or __ns:=/namespace; "
            "names have letters, digits, '_' and '/', and no wildcards"
        )
    if match["own"] is not None:
        return RemapRule(match["node"], "__node", match["own_name"])
    if match["ns"] is not None:
        return RemapRule(match["node"], "__ns", match["ns"])
    return RemapRule(match["node"], match["source"], match["target"], match["kind"] or "any")


def _read_parameter(rule: str, table: ParameterTable) -> None:
    match = _PARAMETER_RULE.fullmatch(rule)
    if match is None:
        raise ArgumentError(
            f"the parameter rule '{rule}' is not of the form name:=value or node:name:=value; a name has letters, "
            "digits, '_', '.' and '/'"
        )
    try:
        read_value(match["value"], table.entry(match["node"] or ANY_NODE, match["name"]))
    except ValueError as error:
        raise ArgumentError(f"the parameter rule '{rule}' has no valid value: {error}") from error


def _read_log_level(rule: str) -> tuple[str, str]:
    match = _LOG_LEVEL.fullmatch(rule)
    if match is None:
        raise ArgumentError(
            f"the log level '{rule}' is not of the form level or logger:=level; "
            "a level is unset, debug, info, warn, error or fatal"
        )
    return match["logger"] or "", match["level"]
