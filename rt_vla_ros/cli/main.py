"""`rt-vla`: one program, one module per command.

To add a command `rt-vla NAME`, write the module `rt_vla_ros/cli/NAME.py` with a docstring, which is the command's
`--help`, and two functions, and add a line to `COMMANDS` below.

    def add_arguments(parser: argparse.ArgumentParser) -> None: ...    # declare options on the command's own parser
    def run(args: argparse.Namespace) -> int: ...                      # do it; the exit code

- A module is imported only when its command is run, so `rt-vla --help` loads nothing heavy.
- `needs_ros`: the command needs ROS. `rt_vla_ros.ros.ensure()` has run before the module is imported, so the module
  may `import rclpy` at the top like any node.
- Raise errors of the user as `CliError("a sentence: what was given, what was expected, what to do")`: it is printed
  without a traceback, and the exit code is 2. The same applies to OSError, in words (`rt_vla_ros/os_error.py`), and to
  errors that `refused` converts to CliError. Ctrl-C ends a command with 130.
- A command's own subcommands (`topic pub`) are `parser.add_subparsers(...)` inside `add_arguments`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from types import FrameType, ModuleType
from typing import TextIO

from rt_vla_ros import __version__, ros
from rt_vla_ros.cli.interrupts import INTERRUPTED, interruptible
from rt_vla_ros.environment import without_effect
from rt_vla_ros.os_error import in_words
from rt_vla_ros.out_claim import claimed
from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.wire.printable import printable, without_addresses


@dataclass(frozen=True)
class CommandEntry:
    """A subcommand: its module and its summary for `--help`."""

    module: str
    summary: str
    needs_ros: bool = False


COMMANDS: dict[str, CommandEntry] = {
    "demo": CommandEntry("rt_vla_ros.cli.demo", "run one instruction on a simulated arm, start to end"),
    "do": CommandEntry(
        "rt_vla_ros.cli.do", "send an instruction to a running policy node and wait for the result", True
    ),
    "launch": CommandEntry("zenoh_ros.commands.launch", "start a launch file, e.g. policy.launch.py arm:=sim", True),
    "run": CommandEntry("zenoh_ros.commands.run", "start one node of a package", True),
    "stop": CommandEntry("rt_vla_ros.cli.stop", "stop the arm, at once or with the space bar (--key)", True),
    "teleop": CommandEntry("rt_vla_ros.cli.teleop", "move the arm with the keyboard", True),
    "topic": CommandEntry("zenoh_ros.commands.topic", "pub, echo, list, info, type, hz, bw, delay", True),
    "node": CommandEntry("zenoh_ros.commands.node", "list, info", True),
    "param": CommandEntry("zenoh_ros.commands.param", "list, get, set, describe, dump, load", True),
    "service": CommandEntry("zenoh_ros.commands.service", "list, call, type, info", True),
    "action": CommandEntry("zenoh_ros.commands.action", "list, info, type, send_goal", True),
    "lifecycle": CommandEntry("zenoh_ros.commands.lifecycle", "nodes, get, set, list", True),
    "interface": CommandEntry("zenoh_ros.commands.interface", "list, show, package, packages", True),
    "bag": CommandEntry("zenoh_ros.commands.bag", "info, play, record", True),
    "router": CommandEntry(
        "zenoh_ros.commands.router", "run a Zenoh router for other hosts; reports rejected connections"
    ),
    "keys": CommandEntry(
        "zenoh_ros.commands.keys", "certificates for a secured graph: create, add, renew, show, restrict"
    ),
    "evaluate": CommandEntry("rt_vla_ros.cli.evaluate", "measure a policy's success rate in simulation"),
    "env": CommandEntry("rt_vla_ros.cli.env", "external benchmarks: list, install, remove, check, card"),
    "collect": CommandEntry("rt_vla_ros.cli.collect", "collect a dataset in simulation"),
    "record": CommandEntry("rt_vla_ros.cli.record", "record episodes from a running robot into a dataset", True),
    "data": CommandEntry("rt_vla_ros.cli.data", "datasets: check, show, convert, merge, split, edit"),
    "card": CommandEntry("rt_vla_ros.cli.card", "action cards: create from a running robot, check against it, show"),
    "train": CommandEntry("rt_vla_ros.cli.train", "train an RT-1, or fine-tune a vision-language model to an RT-2"),
    "embed": CommandEntry("rt_vla_ros.cli.embed", "compute a table of sentence embeddings for RT-1"),
    "convert": CommandEntry("rt_vla_ros.cli.convert", "convert a public RT-1 or VLA-0 checkpoint"),
    "export": CommandEntry("rt_vla_ros.cli.export", "export a policy to ONNX, for small machines"),
    "serve": CommandEntry("rt_vla_ros.cli.serve", "serve policies to robots on other machines (policy:=remote:HOST)"),
    "bench": CommandEntry("rt_vla_ros.cli.bench", "benchmarks of latency, throughput and memory"),
    "selftest": CommandEntry("rt_vla_ros.cli.selftest", "check that this package works on your GPU"),
    "doctor": CommandEntry("rt_vla_ros.cli.doctor", "check this machine or a setup, and say what is missing"),
    "test": CommandEntry("rt_vla_ros.cli.test", "run the test suite"),
}


@contextmanager
def refused(*kinds: type[Exception]) -> Iterator[None]:
    """Context or decorator that turns errors of these kinds into a CliError with the same message."""
    try:
        yield
    except kinds as error:
        raise CliError(str(error)) from error


def claims_out(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Decorator of a command that no other process may run on the same --out meanwhile, see `claimed`."""

    @wraps(run)
    def claiming(args: argparse.Namespace) -> int:
        with claimed(args.out):
            return run(args)

    return claiming


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], object], *numbers: signal.Signals) -> Iterator[None]:
    """Context in which these signals call `handler`."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        "usage: rt-vla COMMAND ...\n\nControl a robot arm on a ROS 2 graph with natural-language instructions.\n\n"
        f"commands:\n{lines}\n\n`rt-vla COMMAND --help` shows the options of a command."
    )


def make_parser(name: str) -> tuple[argparse.ArgumentParser, ModuleType]:
    """The parser of a command, and the module with its `run`.

    Raises CliError if it needs a ROS that fails to import.
    """
    command = COMMANDS[name]
    if command.needs_ros:
        with refused(ImportError):
            ros.ensure()
            ros.register()  # for a real ROS 2 too: a checkout is in no index of it
    module = importlib.import_module(command.module)
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=f"rt-vla {name}", description=module.__doc__, formatter_class=as_written)
    module.add_arguments(parser)
    _describe_subcommands(parser)
    return parser, module


def _describe_subcommands(parser: argparse.ArgumentParser) -> None:
    """The `--help` of a subcommand without a description starts with its summary."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for entry in action._choices_actions:
                summary = entry.help or ""
                own = action.choices[entry.dest]
                own.description = own.description or f"{summary[:1].upper()}{summary[1:]}."


def parse(parser: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    """Options may come anywhere, unless part of the line is for another program or a subcommand."""
    free = all(action.nargs not in (argparse.REMAINDER, argparse.PARSER) for action in parser._actions)
    return parser.parse_intermixed_args(argv) if free else parser.parse_args(argv)


def as_options(sentence: str, parser: argparse.ArgumentParser) -> str:
    """Rewrite advice for nodes and launch files, such as `weights:=int8`, as an option of this command."""
    options = {option for action in parser._actions for option in action.option_strings}

    def as_option(setting: re.Match[str]) -> str:
        option, value = f"--{setting[1].replace('_', '-')}", setting[2]
        if option not in options:
            return setting[0]
        return option if value == "true" else f"{option} {value}"

    return re.sub(r"\b(\w+):=(\w+)", as_option, sentence)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (0 done, 2 refused, 130 interrupted, or its own)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    program = " ".join(["rt-vla", *(name for name in arguments[:1] if name in COMMANDS)])
    _open_streams()
    try:
        with interruptible():
            code = _dispatch(arguments)
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as exit_:  # of argparse, which has printed its own sentence, or of a launch file
        if exit_.code is None or isinstance(exit_.code, int):
            return exit_.code or 0
        words = printable(str(exit_.code), keep="\n")
        _say(f"{program}: {words}")
        return 1
    except BrokenPipeError:  # `rt-vla topic list | head -1`: nobody reads any more, also not what is still buffered
        _forget(sys.stdout)
        return 0
    except (CliError, OSError, RecursionError, MemoryError) as error:
        words = printable(without_addresses(_in_words(error)), keep="\n")
        _say(f"{program}: {words}")
        return 2


def _open_streams() -> None:
    """Open streams that were closed at the start (`>&-`), so that no file gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (until the process ends)


def _in_words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the input is nested too deeply."
    if isinstance(error, MemoryError):
        return "out of memory; close other programs on this machine."
    # A command may re-raise an OSError as it is, or leave it to this handler.
    said = error.__cause__ if isinstance(error, CliError) else error
    return in_words(said) if isinstance(said, OSError) and str(said) == str(error) else str(error)


def _say(sentence: str) -> None:
    """Handles a full disk behind a stream, too."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"{sentence}\n")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            _forget(stream)


def _forget(stream: TextIO) -> None:
    """Discard the buffer of a broken stream; otherwise Python would try to write it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _dispatch(arguments: list[str]) -> int:
    for sentence in without_effect(os.environ):
        print(f"rt-vla: {sentence}", file=sys.stderr)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0 if arguments else 2
    name = arguments[0]
    if name in ("-V", "--version"):
        print(f"rt-vla {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"rt-vla: unknown command {name!r}. {did_you_mean(name, COMMANDS)}", file=sys.stderr)
        return 2
    for word in arguments:
        if re.search("[\\ud800-\\udfff]", word):  # how Python keeps bytes that are none
            raise CliError(f"{word!r} is not text in UTF-8: does the terminal use another encoding?")
    parser, module = make_parser(name)
    try:
        return int(module.run(parse(parser, arguments[1:])))
    except BrokenPipeError:
        raise
    except (CliError, OSError) as error:
        raise CliError(as_options(_in_words(error), parser)) from None
