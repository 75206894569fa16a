"""A page for each command of `rt-vla`, from the parsers that read its command line."""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence

from tables import code, page, prose, table

from rt_vla_ros.cli.main import COMMANDS, make_parser

_COMMAND = re.compile(r"    |(\./)?rt-vla |accelerate |torchrun ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # of Python 3.14, in a terminal
WIDTH = 92  # of usage lines [characters]
INTRODUCTION = (
    "In a checkout the program is `./rt-vla`, which first installs what is missing. Without a ROS 2 installation, "
    "`launch`, `run`, `topic`, `node`, `param`, `service`, `action`, `lifecycle`, `interface` and `bag` replace "
    "those of `ros2`."
)


def pages() -> Iterator[tuple[str, str]]:
    """Paths in the site, and Markdown."""
    rows = [(f"[`rt-vla {name}`]({name}.md)", prose(entry.summary)) for name, entry in COMMANDS.items()]
    yield "reference/commands/index.md", page("Commands", INTRODUCTION, table(("command", "what it does"), rows))
    for name in COMMANDS:
        yield f"reference/commands/{name}.md", page(f"rt-vla {name}", *_command(make_parser(name)[0], level=2))


def _command(parser: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """Description, usage and options; those of its subcommands under headings of `level`."""
    yield description(parser.description or "")
    yield f"```text\n{_usage(parser)}\n```"
    positional, options, *groups = parser._action_groups
    yield _arguments(parser, [*positional._group_actions, *options._group_actions])
    for group in groups:
        rows = _arguments(parser, group._group_actions)
        yield f"**{prose(str(group.title)[:1].upper() + str(group.title)[1:])}**" if rows else ""
        yield rows
    if parser.epilog:
        yield f"```text\n{parser.epilog.strip()}\n```"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield f"{'#' * level} {subparser.prog}"
                yield from _command(subparser, level + 1)


def description(text: str) -> str:
    """A docstring as Markdown: a paragraph of commands, or an indented one, is a block of code."""
    blocks = re.split(r"\n[ \t]*\n", inspect.cleandoc(text))
    commands = [all(map(_COMMAND.match, block.splitlines())) for block in blocks]
    return "\n\n".join(
        f"```sh\n{textwrap.dedent(block)}\n```" if is_code else prose(block)
        for block, is_code in zip(blocks, commands, strict=True)
    )


def _usage(parser: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    return _COLOUR.sub("", formatter.format_help()).strip()


def _arguments(parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]) -> str:
    rows = [row for action in actions if action.help != argparse.SUPPRESS for row in _rows(parser, action)]
    return table(("argument", "default", "meaning"), rows)


def _rows(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[tuple[str, str, str]]:
    if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
        return
    formatter = argparse.HelpFormatter(parser.prog)
    if action.option_strings:
        value = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        name = code(" ".join([", ".join(action.option_strings), value]).strip())
    else:
        name = code(formatter._format_args(action, formatter._get_default_metavar_for_positional(action)))
    said = "" if action.help is None else formatter._expand_help(action)
    yield name, _default(action), prose(said) + (" *required*" if action.required and action.option_strings else "")


def _default(action: argparse.Action) -> str:
    if action.nargs == 0 or action.default in (None, "", [], (), argparse.SUPPRESS):
        return ""
    value = action.default
    return code(" ".join(map(str, value)) if isinstance(value, (list, tuple)) else value)
