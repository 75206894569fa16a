"""Keys for a graph restricted to hosts with a certificate: create and show them, and set access rules.

DIR gets a subfolder for each host, to be copied to that host; keep the rest off the robots.
On each host, set ZENOH_SESSION_CONFIG_URI to the session.json5 of its folder; see docs/security.md.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from zenoh_ros.commands.errors import CliError
from zenoh_ros.commands.numbers import positive_int

if TYPE_CHECKING:
    from zenoh_ros.security.key_folder import KeyFolder

_SOON_DAYS = 30
_HOST_DAYS = 365


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="create an authority, and a folder for each host")
    add = verbs.add_parser("add", help="create a folder for another host")
    renew = verbs.add_parser("renew", help="renew a host's certificate; its key stays")
    for verb in (create, add, renew):
        _directory(verb)
        verb.add_argument(
            "--host",
            action="append",
            required=True,
            metavar="NAME[=ADDRESS,...]",
            help="name of the host, and its addresses if they differ from the name; repeatable"
            + ("; the first one runs the router" if verb is create else ""),
        )
        verb.add_argument(
            "--days", type=positive_int, default=_HOST_DAYS, help="days of validity of a certificate (%(default)s)"
        )
    for verb in (create, add):
        verb.add_argument(
            "--at",
            type=Path,
            metavar="PATH",
            help="path of a host's folder on the host (default: the same as here)",
        )
    _directory(verbs.add_parser("show", help="list the certificates, with expiry and fingerprint"))
    restrict = verbs.add_parser(
        "restrict", help="restrict which hosts may publish a topic, or call a service or action"
    )
    _directory(restrict)
    restrict.add_argument(
        "rules",
        nargs="*",
        metavar="NAME=HOST,...",
        help="a topic, service or action, and the hosts that may publish or call it besides the router's host, e.g. "
        "/action=gpu. Give all restrictions at once; without any, all are removed",
    )


def _directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder of the keys")


def run(args: argparse.Namespace) -> int:
    try:
        from zenoh_ros.security.folder_errors import KeyFolderError
        from zenoh_ros.security.key_folder import KeyFolder
    except ImportError as error:
        if (error.name or "").split(".")[0] != "cryptography":
            raise
        raise CliError(f"the library for keys is missing ({error}): pip install cryptography") from error
    verbs = {"create": _create, "add": _add, "renew": _renew, "show": _show, "restrict": _restrict}
    try:
        folder = KeyFolder(args.directory) if args.verb == "create" else KeyFolder.open(args.directory)
        return verbs[args.verb](args, folder)
    except (KeyFolderError, ValueError) as error:
        raise CliError(str(error)) from error


def _create(args: argparse.Namespace, folder: KeyFolder) -> int:
    from zenoh_ros.security.key_folder import HostName

    hosts = [HostName.parse(text) for text in args.host]
    if len({host.name for host in hosts}) < len(hosts):
        raise CliError("two hosts have the same name, but access rules need unique names")
    now = datetime.now(timezone.utc)
    folder.create(args.directory, now)
    for number, host in enumerate(hosts):
        folder.add(host, router=hosts[0].reached_by if number else None, days=args.days, at=args.at, now=now)
    print(
        f"{folder.path}: an authority valid until {folder.authority.until:%Y-%m-%d}, and "
        f"{len(hosts)} hosts. The router runs on {hosts[0].name} and is reached at "
        f"{hosts[0].reached_by}. Keep {folder.path}/authority off the robots.\n"
    )
    for host in hosts:
        _tell(folder, host.name, args.at)
    return 0


def _add(args: argparse.Namespace, folder: KeyFolder) -> int:
    from zenoh_ros.security.key_folder import HostName

    hosts = [HostName.parse(text) for text in args.host]
    for host in hosts:
        router = folder.router_address()
        folder.add(host, router=router, days=args.days, at=args.at, now=datetime.now(timezone.utc))
        _tell(folder, host.name, args.at)
    return 0


def _renew(args: argparse.Namespace, folder: KeyFolder) -> int:
    from zenoh_ros.security.authority import read_certificate
    from zenoh_ros.security.key_folder import HostName

    for host in [HostName.parse(text) for text in args.host]:
        path = folder.renew(host, days=args.days, now=datetime.now(timezone.utc))
        until = read_certificate(path).until
        print(f"{path} is valid until {until:%Y-%m-%d}: copy it to {host.name}, and restart the nodes there.")
    return 0


def _show(args: argparse.Namespace, folder: KeyFolder) -> int:
    from zenoh_ros.security.authority import EVERYWHERE

    router, now = folder.router_host(), datetime.now(timezone.utc)
    for entry in (folder.authority, *folder.hosts()):
        left = (entry.until - now).days
        hint = "" if left >= _SOON_DAYS else "  EXPIRED" if entry.until <= now else f"  in {left} days"
        first, *rest = entry.addresses or ("",)
        reached = ", ".join([first, *(name for name in rest if name not in EVERYWHERE)])
        print(f"{entry.name}{' (router)' if entry.name == router else ''}")
        print(f"  until        {entry.until:%Y-%m-%d %H:%M UTC}{hint}")
        if entry.addresses:
            print(f"  reached by   {reached}, and by itself as localhost")
        print(f"  fingerprint  {entry.fingerprint}")
    return 0


def _restrict(args: argparse.Namespace, folder: KeyFolder) -> int:
    restrictions: dict[str, list[str]] = {}
    for rule in args.rules:
        topic, _, names = rule.partition("=")
        topic = f"/{topic.strip('/')}"
        if not names or topic in restrictions:
            raise CliError(f"{rule!r}: expected each topic once, as NAME=HOST,HOST, e.g. /action=gpu")
        restrictions[topic] = names.split(",")
    folder.restrict(restrictions)
    router = folder.router_host()
    for topic, names in restrictions.items():
        print(f"{topic}: only {', '.join(dict.fromkeys([*names, router]))} may publish or call it.")
    if not restrictions:
        print("Every host with a certificate may publish and call everything.")
    print(f"Copy the settings (*.json5) to the hosts, first of all to {router}, and restart the nodes there.")
    return 0


def _tell(folder: KeyFolder, name: str, at: Path | None) -> None:
    place = (at or folder.path / name).expanduser().absolute()
    print(f"{name}: copy {folder.path / name} to {place} on it, and set before starting any node:")
    print(f"  export ZENOH_SESSION_CONFIG_URI={place}/session.json5")
    if name == folder.router_host():
        print(f"  ./rt-vla router    # or, with ROS 2: ZENOH_ROUTER_CONFIG_URI={place}/router.json5 and rmw_zenohd")
