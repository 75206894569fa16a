"""Keys for a graph that only hosts with a certificate are on: make them, look at them, say who may do what.

The folder DIR gets a subfolder for each host, which is copied to it; the rest stays where it is, off the robots.
On each host, ZENOH_SESSION_CONFIG_URI names the session.json5 of its folder. docs/security.md goes through it.
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
    create = verbs.add_parser("create", help="make an authority, and a folder for each host")
    add = verbs.add_parser("add", help="make a folder for one more host")
    renew = verbs.add_parser("renew", help="make a host's certificate anew; its key stays")
    for verb in (create, add, renew):
        _directory(verb)
        verb.add_argument(
            "--host",
            action="append",
            required=True,
            metavar="NAME[=ADDRESS,...]",
            help="its name, and what others reach it by if that is not the name; repeat for more"
            + ("; on the first one runs the router" if verb is create else ""),
        )
        verb.add_argument("--days", type=positive_int, default=_HOST_DAYS, help="a certificate holds (%(default)s)")
    for verb in (create, add):
        verb.add_argument(
            "--at",
            type=Path,
            metavar="PATH",
            help="where a host's folder will lie on the host (default: as it lies here)",
        )
    _directory(verbs.add_parser("show", help="who has a certificate, until when, and its fingerprint"))
    restrict = verbs.add_parser("restrict", help="say who alone may publish a topic, or call a service or action")
    _directory(restrict)
    restrict.add_argument(
        "rules",
        nargs="*",
        metavar="NAME=HOST,...",
        help="such as /action=gpu; the router's host may always. All restrictions at once: without any, all are lifted",
    )


def _directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder with the keys")


def run(args: argparse.Namespace) -> int:
    try:
        from zenoh_ros.security.folder_errors import KeyFolderError
        from zenoh_ros.security.key_folder import KeyFolder
    except ImportError as error:
        if (error.name or "").split(".")[0] != "cryptography":
            raise
        raise CliError(f"keys are made by a library that is not here ({error}): pip install cryptography") from error
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
        raise CliError("a name is given to two hosts: access rules tell them apart by it")
    now = datetime.now(timezone.utc)
    folder.create(args.directory, now)
    for number, host in enumerate(hosts):
        folder.add(host, router=hosts[0].reached_by if number else None, days=args.days, at=args.at, now=now)
    print(
        f"{folder.path}: an authority until {folder.authority.until:%Y-%m-%d}, and {len(hosts)} hosts. The router runs "
        f"on {hosts[0].name}; others reach it at {hosts[0].reached_by}. Keep {folder.path}/authority off the robots.\n"
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
        print(f"{path} holds until {until:%Y-%m-%d}: copy it to {host.name}, and start what runs there again.")
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
            raise CliError(f"{rule!r}: expected each topic once, as NAME=HOST,HOST, such as /action=gpu")
        restrictions[topic] = names.split(",")
    folder.restrict(restrictions)
    router = folder.router_host()
    for topic, names in restrictions.items():
        print(f"{topic}: only {', '.join(dict.fromkeys([*names, router]))} may publish or call it.")
    if not restrictions:
        print("Every host with a certificate may publish and call everything.")
    print(f"Copy the settings (*.json5) to the hosts and start what runs there again; above all to {router}.")
    return 0


def _tell(folder: KeyFolder, name: str, at: Path | None) -> None:
    place = (at or folder.path / name).expanduser().absolute()
    print(f"{name}: copy {folder.path / name} to it, as {place}, and before anything starts there:")
    print(f"  export ZENOH_SESSION_CONFIG_URI={place}/session.json5")
    if name == folder.router_host():
        print(f"  ./rt-vla router    # or, with ROS 2: ZENOH_ROUTER_CONFIG_URI={place}/router.json5 and rmw_zenohd")
