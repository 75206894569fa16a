"""Start a launch file: `rt-vla launch policy.launch.py arm:=sim`, `rt-vla launch PACKAGE FILE`, or a path."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription, LaunchService
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource, get_launch_description_from_any_launch_file

from zenoh_ros import packages
from zenoh_ros.commands.errors import CliError, did_you_mean

_SUFFIX = ".launch.py"
# What launch itself looks up without anybody declaring it.
_ALWAYS_TAKEN = {"sigterm_timeout", "sigkill_timeout", "emulate_tty", "launch-prefix", "launch-prefix-filter"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="+", metavar="FILE_OR_NAME", help="[PACKAGE] FILE [name:=value ...]")
    parser.add_argument("-s", "--show-args", "--show-arguments", action="store_true", help="show the file's arguments")
    parser.add_argument("-n", "--noninteractive", action="store_true", help="no person is at a terminal")
    parser.add_argument("-d", "--debug", action="store_true", help="errors come with their tracebacks")
    parser.add_argument(
        "-a", "--show-all-subprocesses-output", action="store_true", help="show what every process prints"
    )


def run(args: argparse.Namespace) -> int:
    path = launch_file([word for word in args.what if ":=" not in word])
    given = launch_arguments(word for word in args.what if ":=" in word)
    try:
        declared = get_launch_description_from_any_launch_file(path).get_launch_arguments()
    except Exception as error:  # the file is the user's own program: anything may come out of it
        if args.debug:
            raise
        raise CliError(f"{type(error).__name__}: {error}; --debug shows where") from error
    if args.show_args:
        print(described(declared))
        return 0
    _check(path, given, declared)
    if args.show_all_subprocesses_output:
        os.environ["OVERRIDE_LAUNCH_PROCESS_OUTPUT"] = "both"
    include = IncludeLaunchDescription(AnyLaunchDescriptionSource(path), launch_arguments=list(given.items()))
    argv = [f"{name}:={value}" for name, value in given.items()]
    service = LaunchService(argv=argv, noninteractive=args.noninteractive, debug=args.debug)
    service.include_launch_description(LaunchDescription([include]))
    return int(service.run())


def launch_file(words: list[str]) -> str:
    """The path of the launch file that was asked for.

    Args:
        words: a path; the name of a registered package's file, with or without `.launch.py`; or a package and a name.

    Raises:
        CliError: there is no such file; the message lists those that there are.
    """
    if len(words) == 1 and os.path.isfile(words[0]):
        return words[0]
    if len(words) not in (1, 2):
        strange = ", ".join(repr(word) for word in words[2:])
        raise CliError(f"expected a launch file and arguments of the form name:=value, got {strange or 'no file'}")
    name = words[-1]
    shares = [_share(words[0])] if len(words) == 2 else [package.share for package in packages.registered()]
    files = {path.name: str(path) for share in shares for path in sorted((share / "launch").rglob(f"*{_SUFFIX}"))}
    for candidate in (name, name + _SUFFIX):
        if candidate in files:
            return files[candidate]
    places = " or ".join(map(str, shares)) or "a registered package"
    raise CliError(f"no launch file {name!r}, neither as a path nor in {places}. {did_you_mean(name, files)}")


def _share(package: str) -> Path:
    try:
        return Path(get_package_share_directory(package))
    except (PackageNotFoundError, ValueError) as error:
        raise CliError(str(error)) from error


def launch_arguments(words: Iterable[str]) -> dict[str, str]:
    """`name:=value` words as a mapping; the last of a name wins.

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
    """The arguments as `ros2 launch --show-args` prints them."""
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


def _check(path: str, given: dict[str, str], declared: Iterable[DeclareLaunchArgument]) -> None:
    """A misspelt `dry_run:=true` must not move an arm, so names that nobody declared are refused."""
    arguments = {argument.name: argument for argument in declared}
    for name, value in given.items():
        if name not in arguments:
            if name in _ALWAYS_TAKEN:
                continue
            raise CliError(f"{os.path.basename(path)} has no argument {name!r}. {did_you_mean(name, arguments)}")
        choices = arguments[name].choices
        if choices is not None and value not in choices:
            raise CliError(f"{name}:={value} is not valid. {did_you_mean(value, choices)}")
