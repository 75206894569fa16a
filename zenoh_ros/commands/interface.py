"""Interface types (messages, services, actions): list them, show one, list those of a package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from zenoh_ros.commands.errors import CliError, did_you_mean
from zenoh_ros.wire import types
from zenoh_ros.wire.definitions import SERVICES
from zenoh_ros.wire.type_files import type_files

_NAMES = {"msg": types.message_names, "srv": types.service_names, "action": types.action_names}
_KINDS = {"Messages": "msg", "Services": "srv", "Actions": "action"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, text in (
        ("list", "list all interface types"),
        ("package", "list the interface types of a package"),
        ("packages", "list the packages with interface types"),
    ):
        listing = verbs.add_parser(verb, help=text)
        if verb == "package":
            listing.add_argument("package_name", help="name of the package, e.g. sensor_msgs")
        listing.add_argument("-m", "--only-msgs", action="store_true", help="only messages")
        listing.add_argument("-s", "--only-srvs", action="store_true", help="only services")
        listing.add_argument("-a", "--only-actions", action="store_true", help="only actions")
    show = verbs.add_parser("show", help="show the definition of an interface type")
    show.add_argument("type", help="e.g. geometry_msgs/msg/TwistStamped; - reads it from standard input")
    comments = show.add_mutually_exclusive_group()
    comments.add_argument("--all-comments", action="store_true", help="include the comments of nested types")
    comments.add_argument("--no-comments", action="store_true", help="omit comments and empty lines")


def run(args: argparse.Namespace) -> int:
    if args.verb == "show":
        name = sys.stdin.readline().strip() if args.type == "-" else args.type
        lines = list(_shown(_full_name(name), not args.no_comments, args.all_comments))
    else:
        lines = _listed(args)
    print(*lines, sep="\n", end="\n" if lines else "")
    return 0


def _listed(args: argparse.Namespace) -> list[str]:
    chosen = {"msg": args.only_msgs, "srv": args.only_srvs, "action": args.only_actions}
    names = {title: _NAMES[kind]() for title, kind in _KINDS.items() if chosen[kind] or not any(chosen.values())}
    if args.verb == "list":
        return [line for title, known in names.items() for line in (f"{title}:", *(f"    {name}" for name in known))]
    everything = [name for known in names.values() for name in known]
    packages = sorted({name.partition("/")[0] for name in everything})
    if args.verb == "packages":
        return packages
    if args.package_name not in packages:
        raise CliError(
            f"no package {args.package_name!r} with interface types. {did_you_mean(args.package_name, packages)}"
        )
    return [name for name in everything if name.startswith(f"{args.package_name}/")]


def _full_name(name: str) -> str:
    known = [known for names in _NAMES.values() for known in names()]
    if name not in known:
        expected = "expected package/msg/Name, package/srv/Name or package/action/Name"
        raise CliError(f"no type {name!r}; {expected}. {did_you_mean(name, known)}")
    return name


def _shown(name: str, comments: bool, inner_comments: bool, indent: str = "") -> Iterator[str]:
    """The lines of a definition, those of nested types indented below their fields."""
    package = name.partition("/")[0]
    for line in source(name).splitlines():
        bare = line.partition("#")[0].rstrip()
        if comments or bare:
            yield f"{indent}{line.rstrip() if comments else bare}".rstrip()
        inner = _message_of(bare, package)
        if inner is not None:
            yield from _shown(inner, inner_comments, inner_comments, f"{indent}\t")


def _message_of(line: str, package: str) -> str | None:
    """The message type of a field; None for a line without one."""
    base = line.split()[0].partition("[")[0] if line.strip() else ""
    if base == "Header":
        return "std_msgs/msg/Header"
    candidate = base.replace("/", "/msg/", 1) if base.count("/") == 1 else f"{package}/msg/{base}"
    return candidate if base[:1].isalpha() and candidate in types.message_names() else None


def source(name: str) -> str:
    """The text of the type's file, or one generated from its fields."""
    file = type_files().get(name)
    if file is not None:
        return file.read_text(encoding="utf-8")
    if name in SERVICES:
        return SERVICES[name]
    if "/srv/" in name:
        return f"{_text_of(f'{name}_Request')}---\n{_text_of(f'{name}_Response')}"
    return _text_of(name)


def _text_of(name: str) -> str:
    described = types.definition(name)
    constants = [f"{kind} {constant}={value}" for constant, (kind, value) in described.constants.items()]
    fields = [_field_line(field) for field in described.fields if field.name != types.EMPTY_MEMBER]
    return "".join(f"{line}\n" for line in (*constants, *fields))


def _field_line(field: types.Field) -> str:
    base = field.base.replace("/msg/", "/") + (f"<={field.string_bound}" if field.string_bound else "")
    many = f"[{field.array_length}]" if field.array_length is not None else ""
    if field.is_sequence:
        many = f"[<={field.bound}]" if field.bound else "[]"
    default = (
        "" if field.default is None else f" {str(field.default).lower() if field.default is True else field.default}"
    )
    return f"{base}{many} {field.name}{default}"
