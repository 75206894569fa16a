"""Start a launch file: `rt-vla launch policy.launch.py arm:=sim`, `rt-vla launch PACKAGE FILE`, or a path."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_share_directory,
    get_packages_with_prefixes,
)
from launch import LaunchContext, LaunchDescription, LaunchIntrospector, LaunchService
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import AnyLaunchDescriptionSource, get_launch_description_from_any_launch_file

from zenoh_ros import packages
from zenoh_ros.commands.errors import CliError, did_you_mean, one_line

_PYTHON_ENDINGS = (".launch.py", "_launch.py", ".py")
_ENDINGS = ("launch.py", "launch.xml", "launch.yaml", "launch.yml")
# Names that launch itself looks up without a declaration.
_ALWAYS_TAKEN = {"sigterm_timeout", "sigkill_timeout", "emulate_tty", "launch-prefix", "launch-prefix-filter"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="+",
        metavar="FILE_OR_NAME",
        help="launch file, with its package if it is not a path, and its arguments: [PACKAGE] FILE [name:=value ...]",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("-p", "--print", "--print-description", action="store_true", help="print the launch description")
    shown.add_argument("-s", "--show-args", "--show-arguments", action="store_true", help="show the file's arguments")
    parser.add_argument("-n", "--noninteractive", action="store_true", help="run without a terminal")
    parser.add_argument("-d", "--debug", action="store_true", help="print tracebacks of errors")
    parser.add_argument(
        "-a", "--show-all-subprocesses-output", action="store_true", help="show the output of all processes"
    )
    parser.add_argument(
        "--launch-prefix", metavar="COMMAND", help="prefix of the command of each process, e.g. 'gdb --args'"
    )
    parser.add_argument(
        "--launch-prefix-filter",
        metavar="REGEX",
        help="add the prefix only to executables that match this regular expression",
    )


def run(args: argparse.Namespace) -> int:
    path = launch_file([word for word in args.what if ":=" not in word])
    given = launch_arguments(word for word in args.what if ":=" in word)
    if args.launch_prefix_filter and not args.launch_prefix:
        raise CliError("--launch-prefix-filter has no effect without --launch-prefix")
    given |= {"launch-prefix": args.launch_prefix} if args.launch_prefix else {}
    given |= {"launch-prefix-filter": args.launch_prefix_filter} if args.launch_prefix_filter else {}
    try:
        description = get_launch_description_from_any_launch_file(path)
        declared = description.get_launch_arguments()
    except Exception as error:  # the launch file is the user's own code and may raise anything
        if args.debug:
            raise
        text = str(error) if isinstance(error, RuntimeError) else one_line(error)
        raise CliError(f"{text}; --debug shows where") from error
    if args.print:
        print(LaunchIntrospector().format_launch_description(description))
        return 0
    if args.show_args:
        print(described(declared))
        return 0
    _check_choices(given, declared)
    if args.show_all_subprocesses_output:
        os.environ["OVERRIDE_LAUNCH_PROCESS_OUTPUT"] = "both"
    return _launch(path, given, declared, args)


def _launch(
    path: str, given: dict[str, str], declared: Iterable[DeclareLaunchArgument], args: argparse.Namespace
) -> int:
    """Starts nothing if an argument has no effect: a misspelled `dry_run:=true` must not move an arm."""
    include = IncludeLaunchDescription(AnyLaunchDescriptionSource(path), launch_arguments=list(given.items()))
    known = [argument.name for argument in declared]
    lost = [name for name in given if name not in known and name not in _ALWAYS_TAKEN]

    def check(_context: LaunchContext) -> list[Shutdown] | None:
        # Included files and functions may have used some; the real ROS 2 launch does not report this.
        without_effect = getattr(include, "without_effect", [])
        lost[:] = [name for name in lost if name in without_effect]
        return [Shutdown(reason="an argument has no effect")] if lost else None

    argv = [f"{name}:={value}" for name, value in given.items()]
    service = LaunchService(argv=argv, noninteractive=args.noninteractive, debug=args.debug)
    service.include_launch_description(LaunchDescription([include, OpaqueFunction(function=check)]))
    code = int(service.run())
    for name in lost:
        raise CliError(f"{os.path.basename(path)} has no argument {name!r}. {did_you_mean(name, known)}")
    return code


def launch_file(words: list[str]) -> str:
    """The path of the requested launch file.

    Args:
        words: a path; the name of a registered package's file, with or without `.launch.py`; or a package and a name.

    Raises:
        CliError: there is no such file, or more than one; the message lists the available files.
    """
    if len(words) == 1 and os.path.isfile(words[0]):
        return words[0]
    is_path = bool(words) and os.path.isfile(words[0])
    first = 1 if is_path or any("=" in word for word in words[1:]) else 2
    strange = ", ".join(map(repr, words[first:]))
    if strange or not words:
        raise CliError(f"expected a launch file and arguments of the form name:=value, got {strange or 'no file'}")
    name = words[-1]
    folders = [_share(words[0])] if len(words) == 2 else [package.share / "launch" for package in packages.registered()]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    for candidate in (name, *(name + ending for ending in _PYTHON_ENDINGS)):
        found = [str(path) for path in files if path.name == candidate]
        if len(found) > 1:
            raise CliError(f"there is more than one {candidate!r}, give the path: {', '.join(found)}")
        if found:
            return found[0]
    if len(words) == 1 and name in get_packages_with_prefixes():
        there = [path.name for path in sorted(_share(name).rglob("*")) if path.name.endswith(_ENDINGS)]
        raise CliError(f"{name!r} is a package: add one of its launch files. {did_you_mean('', there)}")
    places = " or ".join(map(str, folders)) or "a registered package"
    there = [path.name for path in files if path.name.endswith(_ENDINGS)]
    raise CliError(f"no launch file {name!r}, neither as a path nor in {places}. {did_you_mean(name, there)}")


def _share(package: str) -> Path:
    """The launch files of a package: anywhere in its share directory. A checkout contains more than an installation."""
    registered = packages.find(package)
    if registered is not None:
        return registered.share / "launch"
    try:
        return Path(get_package_share_directory(package))
    except (PackageNotFoundError, ValueError) as error:
        raise CliError(str(error)) from error


def launch_arguments(words: Iterable[str]) -> dict[str, str]:
    """`name:=value` arguments as a mapping; the last value of a name is used.

    Raises:
        CliError: a name is missing.
    """
    given: dict[str, str] = {}
    for word in words:
        name, value = word.split(":=", maxsplit=1)
        if not name:
            raise CliError(f"malformed launch argument {word!r}, expected name:=value")
        given[name] = value
    return given


def described(declared: Iterable[DeclareLaunchArgument]) -> str:
    """The arguments in the format of `ros2 launch --show-args`."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    conditional = False
    for argument in declared:
        star = "*" if argument._conditionally_included else ""
        conditional = conditional or bool(star)
        lines += ["", f"    '{argument.name}':{star}", f"        {argument.description}"]
        if argument.default_value is not None:
            default = " + ".join(part.describe() for part in argument.default_value)
            lines.append(f"        (default: {default})")
    if len(lines) == 1:
        lines += ["", "  No arguments."]
    elif conditional:
        lines += ["", "* argument(s) which are only used if specific conditions occur"]
    return "\n".join(lines)


def _check_choices(given: dict[str, str], declared: Iterable[DeclareLaunchArgument]) -> None:
    for argument in declared:
        value = given.get(argument.name)
        if value is not None and argument.choices is not None and value not in argument.choices:
            others = did_you_mean(value, filter(None, argument.choices))
            raise CliError(f"{argument.name}:={value} is not valid. {others}")
