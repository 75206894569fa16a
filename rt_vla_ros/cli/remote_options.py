"""Options for a policy on a server (`--policy remote:HOST`) or in an engine, of all commands that run a policy."""

from __future__ import annotations

import argparse
from dataclasses import replace

from rt_vla_ros.policies.remote.settings import LONGEST_BUDGET, RemoteSettings


def add_remote_options(parser: argparse.ArgumentParser, option: str = "--policy") -> None:
    """The same names and defaults as the policy node's parameters. option: takes the policy."""
    title = f"for {option} remote:HOST[:PORT][/NAME] and models in an engine, see docs/serving.md"
    add = parser.add_argument_group(title).add_argument
    add("--remote-token-file", default="", metavar="FILE", help="file with the server's token")
    add("--remote-ca", default="", metavar="FILE", help="CA certificate of the server, or system")
    add("--remote-certificate", default="", metavar="FILE", help="client certificate, if the server requires one")
    add("--remote-key", default="", metavar="FILE", help="key of the client certificate")
    add(
        "--remote-jpeg",
        type=int,
        default=0,
        metavar="QUALITY",
        help="JPEG quality of sent images; 0: lossless (default)",
    )


def remote_settings(args: argparse.Namespace) -> RemoteSettings:
    """Raises ValueError for invalid options."""
    return RemoteSettings(
        token_file=args.remote_token_file,
        ca=args.remote_ca,
        certificate=args.remote_certificate,
        key=args.remote_key,
        jpeg=args.remote_jpeg,
    )


def patient(settings: RemoteSettings) -> RemoteSettings:
    """Settings for a simulator that waits for every answer."""
    return replace(settings, budget=LONGEST_BUDGET)


def launch_arguments(settings: RemoteSettings) -> dict[str, str]:
    """Launch arguments of policy.launch.py; without those at their defaults."""
    usual, names = RemoteSettings(), ("token_file", "ca", "certificate", "key", "jpeg", "budget")
    values = {name: getattr(settings, name) for name in names}
    return {f"remote_{name}": str(value) for name, value in values.items() if value != getattr(usual, name)}
