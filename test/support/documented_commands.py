"""Finds the command lines in the documentation, and checks them with the programs' own parsers and declarations."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from rt_vla_ros import ros

ros.ensure()

from launch.launch_description_sources import get_launch_description_from_python_launch_file  # noqa: E402

from rt_vla_ros.cli.main import COMMANDS, make_parser, parse  # noqa: E402
from rt_vla_ros.nodes.console_parameters import CONSOLE_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.control_parameters import SMOOTHER_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.gripper_parameters import GRIPPER_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.parameters import Parameter  # noqa: E402
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.recorder_parameters import RECORDER_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.ros2_control_parameters import ROS2_CONTROL_BRIDGE_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.servo_bridge_parameters import SERVO_BRIDGE_PARAMETERS  # noqa: E402
from rt_vla_ros.nodes.sim_arm_node import SIM_ARM_PARAMETERS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS: dict[str, dict[str, Parameter]] = {
    name: {parameter.name: parameter for parameter in table}
    for name, table in (
        ("policy_node", POLICY_PARAMETERS),
        ("smoother_node", SMOOTHER_PARAMETERS),
        ("ros2_control_bridge_node", ROS2_CONTROL_BRIDGE_PARAMETERS),
        ("sim_arm_node", SIM_ARM_PARAMETERS),
        ("servo_bridge_node", SERVO_BRIDGE_PARAMETERS),
        ("gripper_bridge_node", GRIPPER_PARAMETERS),
        ("recorder_node", RECORDER_PARAMETERS),
        ("console_node", CONSOLE_PARAMETERS),
    )
}
BLOCK = re.compile(r"^```(?:sh|bash|console)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
ANY_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")
ASSIGNMENT = re.compile(r"[a-z_]\w*:=\S*")
SEPARATORS = {"|", "||", "&", "&&", ";", "(", ")"}
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_.]*")


class CommandLine(NamedTuple):
    """words: as a shell splits them. partial: a mention in a sentence, which need not be complete."""

    words: tuple[str, ...]
    partial: bool


class WrongCommand(Exception):
    """A command line that its program would refuse; the message says why."""


def command_lines(page: str) -> Iterator[CommandLine]:
    """All command lines of a Markdown page: in fenced blocks, and as inline code."""
    for block in BLOCK.findall(page):
        for line in block.replace("\\\n", " ").splitlines():
            yield from (CommandLine(words, False) for words in split(line))
    for code in INLINE.findall(ANY_BLOCK.sub("", page)):
        yield from (CommandLine(words, True) for words in split(" ".join(code.split())))


def split(line: str) -> Iterator[tuple[str, ...]]:
    """The simple commands of a shell line, without comments, redirections and environment variables in front."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # a quotation mark of a sentence, not of a shell
        return
    words: list[str] = []
    for token in [*tokens, ";"]:
        if token in SEPARATORS:
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if command := tuple(without_redirections(words)):
                yield command
            words = []
        else:
            words.append(token)


def without_redirections(words: Sequence[str]) -> list[str]:
    """The words but `> file`, `2>file` and the like."""
    kept: list[str] = []
    skip = False
    for word in words:
        if word.startswith(("<", ">")):
            if kept and kept[-1] in ("1", "2"):
                kept.pop()
            skip = True
        elif skip:
            skip = False
        else:
            kept.append(word)
    return kept


def check(line: CommandLine) -> bool:
    """Whether it is a command line of this project, and right. Raises WrongCommand where it is wrong."""
    words = list(line.words)
    if "rt_vla_ros.cli" in words:  # behind a launcher: torchrun ... -m rt_vla_ros.cli train ...
        words = ["rt-vla", *words[words.index("rt_vla_ros.cli") + 1 :]]
    program, *rest = words
    if program in ("./rt-vla", "rt-vla"):
        rest = rest[1:] if rest[:1] == ["--yes"] else rest
        if rest and not PLACEHOLDER.fullmatch(rest[0]):
            check_command(rest[0], rest[1:], line.partial)
        return bool(rest)
    if program == "ros2" and rest[1:2] == ["rt_vla_ros"]:
        check_command(rest[0], rest[1:], line.partial)
        return True
    if program == "ros2" and rest[:1] == ["param"]:
        check_parameter_command(rest[1:])
        return True
    if line.partial and all(ASSIGNMENT.fullmatch(word) for word in words):
        check_assignments(words)
        return True
    return False


def check_command(name: str, arguments: Sequence[str], partial: bool) -> None:
    """A command of `rt-vla`. Raises WrongCommand."""
    if name not in COMMANDS:
        raise WrongCommand(f"there is no command {name!r}")
    if name == "test":
        check_paths(arguments)
        return
    parser, _ = make_parser(name)
    be_strict(parser, complete=not partial and not {"...", "-h", "--help"} & set(arguments))
    values = ["1" if PLACEHOLDER.fullmatch(word) else word for word in arguments if word not in ("-h", "--help")]
    if partial and values and values[-1] in option_strings(parser):
        values.pop()  # the mention of an option, without its value
    for index, word in reversed(list(enumerate(values))):
        if word == "...":  # the value of an option, or further arguments
            values[index : index + 1] = ["1"] if values[index - 1].startswith("--") else []
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "error", _raise)
            parse(parser, values)
    except WrongCommand as error:
        raise WrongCommand(f"rt-vla {name}: {error}") from error
    if name == "launch":
        check_launch(arguments)
    if name == "run":
        check_node(arguments)
    if name == "param":
        check_parameter_command(arguments)


def _raise(_parser: argparse.ArgumentParser, message: str) -> None:
    raise WrongCommand(message)


def be_strict(parser: argparse.ArgumentParser, *, complete: bool) -> None:
    """Takes no abbreviated options, in subcommands neither; needs all arguments only of a complete command line."""
    parser.allow_abbrev = False
    for group in parser._mutually_exclusive_groups:
        group.required = group.required and complete
    for action in parser._actions:
        if not complete:
            action.required = False
            if not action.option_strings and action.nargs in (None, "+"):
                action.nargs = "*" if action.nargs == "+" else "?"
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                be_strict(subparser, complete=complete)


def option_strings(parser: argparse.ArgumentParser) -> set[str]:
    """All options of a parser and its subcommands."""
    found = {text for action in parser._actions for text in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {text for subparser in action.choices.values() for text in option_strings(subparser)}
    return found


def check_paths(arguments: Sequence[str]) -> None:
    """Arguments of pytest: files and folders exist. Raises WrongCommand."""
    for word in arguments:
        if "/" in word and not (ROOT / word.partition("::")[0]).exists():
            raise WrongCommand(f"rt-vla test: there is no {word}")


def check_launch(arguments: Sequence[str]) -> None:
    """`[rt_vla_ros] FILE name:=value ...`. Raises WrongCommand."""
    files = [word for word in arguments if word.endswith(".launch.py")]
    declared = launch_choices()
    for file in files:
        if file not in declared:
            raise WrongCommand(f"there is no launch file {file}")
        for name, value in assignments(arguments):
            if name not in declared[file]:
                raise WrongCommand(f"{file} has no argument {name!r}; it has {', '.join(declared[file])}")
            choices = declared[file][name]
            if choices and value not in choices and not PLACEHOLDER.fullmatch(value):
                raise WrongCommand(f"{file}: {name} is {value!r}, expected one of {', '.join(choices)}")


def launch_choices() -> dict[str, dict[str, list[str]]]:
    """Launch file -> name of each argument -> its choices; empty where anything goes."""
    return {
        path.name: {
            argument.name: list(argument.choices or [])
            for argument in get_launch_description_from_python_launch_file(str(path)).get_launch_arguments()
        }
        for path in (ROOT / "launch").glob("*.launch.py")
    }


def check_node(arguments: Sequence[str]) -> None:
    """`[rt_vla_ros] NODE --ros-args -p name:=value ...`. Raises WrongCommand."""
    node = next((word for word in arguments if word in PARAMETERS), None)
    if node is None:
        raise WrongCommand(f"{' '.join(arguments)} names no node; there are {', '.join(PARAMETERS)}")
    for option, word in pairwise(arguments):
        if option == "-p":
            name, _, value = word.partition(":=")
            check_parameter(node, name, value)


def check_parameter_command(arguments: Sequence[str]) -> None:
    """`set /smoother_node dry_run true` and its like. Raises WrongCommand."""
    verb, *rest = arguments or [""]
    node = rest[0].rpartition("/")[2] if rest else ""
    if verb in ("set", "get", "describe") and node in PARAMETERS and len(rest) > 1:
        check_parameter(node, rest[1], rest[2] if verb == "set" and len(rest) > 2 else None)


def check_parameter(node: str, name: str, value: str | None) -> None:
    """Raises WrongCommand where the node has no such parameter, or not with this value."""
    if name == "use_sim_time":
        return
    if name not in PARAMETERS[node]:
        raise WrongCommand(f"{node} has no parameter {name!r}; it has {', '.join(PARAMETERS[node])}")
    if value is not None and not fits(yaml.safe_load(value), PARAMETERS[node][name]):
        raise WrongCommand(f"{node}: the parameter {name!r} cannot be {value!r}")


def fits(value: object, parameter: Parameter) -> bool:
    """Whether a parameter may have this value: its type, range and choices."""
    if type(value) is not type(parameter.default):
        return False
    if isinstance(value, int | float) and parameter.low is not None and parameter.high is not None:
        return parameter.low <= value <= parameter.high
    return not parameter.choices or value in parameter.choices


def check_assignments(words: Sequence[str]) -> None:
    """`name:=value` in a sentence: the name is a launch argument or a node's parameter. Raises WrongCommand."""
    known = {name for arguments in launch_choices().values() for name in arguments} | {"use_sim_time"}
    known |= {name for parameters in PARAMETERS.values() for name in parameters}
    for name, _ in assignments(words):
        if name not in known:
            raise WrongCommand(f"{name!r} is neither a launch argument nor a parameter")


def assignments(words: Sequence[str]) -> list[tuple[str, str]]:
    """The names and values of `name:=value`."""
    return [(name, value) for name, equals, value in (word.partition(":=") for word in words) if equals]
