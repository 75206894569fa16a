"""Reads a node's command line and finds arguments without effect.

ROS 2 silently ignores a parameter section for another node and a remap that matches no topic.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml
from rclpy.node import Node

from rt_vla_ros.nodes.parameters import LostSetting, is_safety, tell_lost
from rt_vla_ros.nodes.start_error import StartError

_SECTION = "ros__parameters"
_AS_NEAR = 0.75  # similarity of two names of which one may be a misspelling of the other


@dataclass(frozen=True)
class Given:
    """A parameter as it was written.

    section: the name or pattern of the nodes that it is for. value: the text of the value. source: a file, or "-p".
    """

    section: str
    name: str
    value: str
    source: str

    def fits(self, full_name: str) -> bool:
        """Whether it is for the node, by the rule of rcl: `*` is one token, `**` any number."""
        pattern = f"/{self.section.removeprefix('/')}".replace("/*", r"(?:/\w+)")
        return re.fullmatch(pattern, full_name, re.ASCII) is not None

    @property
    def node_name(self) -> str:
        """The last token of the section."""
        return self.section.rpartition("/")[2]


def refuse_other_words(argv: Sequence[str]) -> None:
    """Raises StartError for a word that is no ROS argument; the first one is the program."""
    words = [word for word, for_ros in _words(argv[1:]) if not for_ros]
    if words:
        said = " ".join(words)
        option = words[0].startswith("-") and words[0] not in ("-h", "--help")
        how = f"--ros-args {said}" if option else "--ros-args -p NAME:=VALUE, or -r FROM:=TO"
        raise StartError(f"{said!r} has no effect: a node accepts only ROS arguments. Write {how}.")


def check_given(node: Node, argv: Sequence[str]) -> None:
    """Warns of parameters and remaps on the command line that have no effect on the node.

    Raises StartError if a safety setting is among the parameters.
    """
    options = list(pairwise(word for word, for_ros in _words(argv) if for_ros))
    given: list[Given] = []
    for option, value in options:
        if option == "--params-file":
            said = read_parameter_file(Path(value))
        elif option in ("-p", "--param"):
            rule = re.fullmatch(r"(?:(\w+):)?([^:]+):=(.*)", value, re.DOTALL)
            said = [Given(rule[1] or "/**", rule[2], rule[3], "-p")] if rule else []
        else:
            continue
        for lost in lost_sections(node.get_fully_qualified_name(), node.has_parameter, value, said):
            tell_lost(node, lost)
        if not any(one.fits(node.get_fully_qualified_name()) for one in said):
            sections = ", ".join(dict.fromkeys(one.section for one in said)) or "none"
            sentence = f"{value}: no section is for {node.get_fully_qualified_name()}; found {sections}."
            meant = [one for one in said if "*" in one.node_name and node.has_parameter(one.name)]
            tell_lost(node, _lost(meant, sentence))  # a pattern may be for this node in another namespace
        given += said
    for lost in lost_to_others(node.get_fully_qualified_name(), given):
        tell_lost(node, lost)
    for option, value in options:
        if option in ("-r", "--remap"):
            _check_remap(node, value)


def _words(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each word, and whether it is for ROS."""
    inside = False
    for word in words:
        if word == "--ros-args" or (inside and word == "--"):
            inside = word == "--ros-args"
        else:
            yield word, inside


def read_parameter_file(path: Path) -> list[Given]:
    """What it gives, in its order. Raises OSError and yaml.YAMLError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = yaml.compose_all(path.read_bytes(), Loader=loader)
    return [given for document in documents for given in _read_nodes("", document, path)]


def _read_nodes(prefix: str, content: yaml.Node, path: Path) -> Iterator[Given]:
    for key, value in content.value if isinstance(content, yaml.MappingNode) else ():
        if key.value == _SECTION:
            yield from _read_names(prefix, "", value, path)
        else:
            yield from _read_nodes(f"{prefix.rstrip('/')}/{key.value}" if prefix else key.value, value, path)


def _read_names(section: str, prefix: str, content: yaml.Node, path: Path) -> Iterator[Given]:
    for key, value in content.value if isinstance(content, yaml.MappingNode) else ():
        if isinstance(value, yaml.MappingNode):
            yield from _read_names(section, f"{prefix}{key.value}.", value, path)
        else:
            text = value.value if isinstance(value, yaml.ScalarNode) else yaml.serialize(value)
            yield Given(section, f"{prefix}{key.value}", text, str(path))


def lost_sections(
    full_name: str, has_parameter: Callable[[str], bool], source: str, given: Sequence[Given]
) -> Iterator[LostSetting]:
    """What is lost of a file (or of a "-p") to the node of this full name because of where it stands in it.

    A file may have sections for many nodes: one should be for this node, and none for one of nearly its name.
    """
    name = full_name.rpartition("/")[2]
    own = [one for one in given if one.node_name == name and one.fits(full_name)]
    for one in own:
        if is_safety(one.name) and not has_parameter(one.name):
            yield _lost(
                [one], f"{source}: {one.name!r} is in the section {one.section!r}, which has no such parameter."
            )
    others = [one for one in given if not one.fits(full_name)]
    for section in dict.fromkeys(one.section for one in others):
        lost = [one for one in others if one.section == section]
        near = difflib.SequenceMatcher(None, lost[0].node_name.lower(), name).ratio() >= _AS_NEAR
        sentence = f"{source}: the section {section!r} is not for {full_name}. Did you mean '/**/{name}'?"
        if near and not own:
            yield _lost(lost, sentence)
        elif near and _unnumbered(lost[0].node_name) != _unnumbered(name):  # else the same node of another robot
            yield LostSetting(sentence, fatal=False)


def _unnumbered(name: str) -> str:
    return re.sub(r"[\d_]+", "", name)


def lost_to_others(full_name: str, given: Sequence[Given]) -> Iterator[LostSetting]:
    """Values given last to the node with this full name that another section overrides.

    ROS applies the sections in the order in which they first occur, not in the order of their last values.
    """
    given = [one for one in given if one.fits(full_name)]
    order = list(dict.fromkeys(one.section for one in given))
    for last in {one.name: one for one in given}.values():
        named = [one for one in given if one.name == last.name]
        winner = max(named, key=lambda one: order.index(one.section))
        wins = [one for one in named if one.section == winner.section][-1]
        if wins.value != last.value:
            yield _lost(
                [last],
                f"{last.name} := {last.value} ({last.source}) has no effect: it is overridden by the section "
                f"{wins.section!r} ({wins.source}), which sets {wins.value}. Change it there.",
            )


def _lost(given: Sequence[Given], sentence: str) -> LostSetting:
    safety = sorted({one.name for one in given if is_safety(one.name)})
    if safety:
        sentence = f"{sentence} It holds {', '.join(safety)}, and a safety setting must not be lost."
    return LostSetting(sentence, fatal=bool(safety))


def _check_remap(node: Node, rule: str) -> None:
    match = re.fullmatch(r"(?:(?!ros\w+://)(\w+):)?(?:ros\w+://)?(?!__)([^:]+):=(.+)", rule)
    if match is None or match[1] not in (None, node.get_name()):
        return
    target = node.resolve_topic_name(match[3], only_expand=True)
    topics = [entity.topic_name for entity in (*node.publishers, *node.subscriptions)]
    services = [getattr(entity, "service_name", entity.srv_name) for entity in (*node.services, *node.clients)]
    if not any(name == target or name.startswith(f"{target}/") for name in (*topics, *services)):
        source = node.resolve_topic_name(match[2], only_expand=True)
        sentence = f"The remap {rule!r} has no effect: {node.get_name()} has no {source!r}."
        near = difflib.get_close_matches(source, [*topics, *services], n=1, cutoff=_AS_NEAR)
        if near:
            node.get_logger().warning(f"{sentence} Did you mean {near[0]!r}?")
        else:  # launch files remap for several nodes at once
            node.get_logger().info(sentence)
