"""The ROS arguments of a command line (docs.ros.org, "Passing ROS arguments to nodes")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zenoh_ros.wire.name_rules import expand_name
from zenoh_ros.wire.parameter_file import ANY_NODE, ParameterRule, ParameterValue, load_rules, parse_value

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


class ArgumentError(ValueError):
    """A ROS argument that cannot be understood."""


@dataclass(frozen=True)
class RemapRule:
    """One `[node:]from:=to`.

    Attributes:
        node: the node that it is for; None for every node.
        source: name to be replaced; "__node" and "__ns" stand for the node's own name and namespace.
        target: what it becomes.
        kind: "topic" or "service" where the rule says so (rostopic://, rosservice://), else "any".
    """

    node: str | None
    source: str
    target: str
    kind: str = "any"


@dataclass
class RosArguments:
    """Everything between --ros-args and --, in the order in which it was given."""

    remaps: list[RemapRule] = field(default_factory=list)
    parameters: list[ParameterRule] = field(default_factory=list)
    log_levels: list[tuple[str, str]] = field(default_factory=list)  # (logger, level); logger "" is the root
    enclave: str = "/"
    switches: dict[str, bool] = field(default_factory=dict)  # "rosout", "stdout", "external-lib"
    rest: list[str] = field(default_factory=list)  # what is not for ROS

    def node_name(self, name: str) -> str:
        """Apply the first __node rule that fits the node called `name`."""
        return self._own(name, ("__node", "__name")) or name

    def namespace(self, name: str, default: str) -> str:
        """Apply the first __ns rule that fits the node called `name`."""
        return self._own(name, ("__ns",)) or default

    def _own(self, name: str, sources: Sequence[str]) -> str | None:
        fitting = (rule for rule in self.remaps if rule.source in sources and rule.node in (None, name))
        return next((rule.target for rule in fitting), None)

    def remap(self, full_name: str, node_name: str, namespace: str, kind: str) -> str | None:
        """Give what a fully qualified topic or service name becomes, or None where no rule fits.

        Args:
            kind: "topic" or "service".
        """
        for rule in self.remaps:
            if rule.source.startswith("__") or rule.node not in (None, node_name) or rule.kind not in ("any", kind):
                continue
            if expand_name(rule.source, node_name, namespace) == full_name:
                return expand_name(rule.target, node_name, namespace)
        return None

    def overrides(self, qualified_name: str) -> dict[str, ParameterValue]:
        """Give the parameter values for the node called `qualified_name` ("/arm/policy_node").

        Rules for every node come first, so that a node's own section wins wherever it stands.
        """
        fitting = [rule for rule in self.parameters if rule.fits(qualified_name)]
        ordered = sorted(fitting, key=lambda rule: rule.node != ANY_NODE)
        return {rule.name: rule.value for rule in ordered}


def parse_arguments(argv: Iterable[str]) -> RosArguments:
    """Split a command line into its ROS arguments and the rest.

    Raises:
        ArgumentError: an unknown ROS argument, a rule without ":=", a missing value, an unreadable parameter file.
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
            if not inside:
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
            raise ArgumentError(f"found unknown ROS arguments: '{word}'; known are {known}")
    return found


def remove_ros_arguments(argv: Iterable[str]) -> list[str]:
    """Give the command line without what stands between --ros-args and --."""
    kept: list[str] = []
    inside = False
    for word in argv:
        if word == ROS_ARGS:
            inside = True
        elif not inside:
            kept.append(word)
        elif word == END_OF_ROS_ARGS:
            inside = False
    return kept


def _take_option(found: RosArguments, option: str, value: str) -> None:
    if option == "--remap":
        found.remaps.append(parse_remap(value))
    elif option == "--param":
        found.parameters.append(_parse_parameter(value))
    elif option == "--params-file":
        try:
            found.parameters.extend(load_rules(value))
        except (OSError, ValueError) as error:
            raise ArgumentError(f"cannot read the parameter file {value}: {error}") from error
    elif option == "--enclave":
        found.enclave = value
    elif option == "--log-level":
        logger, _, level = value.rpartition(":=")
        found.log_levels.append((logger, level))


def parse_remap(rule: str) -> RemapRule:
    """Read one remap rule, `[node:]from:=to`.

    Raises:
        ArgumentError: no ":=", or an empty side.
    """
    left, separator, target = rule.partition(":=")
    if not separator or not left or not target:
        raise ArgumentError(f"the remap rule '{rule}' is not of the form from:=to")
    kind = "any"
    for scheme, meaning in (("rostopic://", "topic"), ("rosservice://", "service")):
        if scheme in left:
            left, kind = left.replace(scheme, ""), meaning
    node, separator, source = left.rpartition(":")
    return RemapRule(node or None, source, target, kind)


def _parse_parameter(rule: str) -> ParameterRule:
    left, separator, text = rule.partition(":=")
    node, _, name = left.rpartition(":")
    if not separator or not name:
        raise ArgumentError(f"the parameter rule '{rule}' is not of the form name:=value")
    try:
        value = parse_value(text)
    except ValueError as error:
        raise ArgumentError(f"the parameter rule '{rule}' has no usable value: {error}") from error
    return ParameterRule(f"/{node.lstrip('/')}" if node else ANY_NODE, name, value)
