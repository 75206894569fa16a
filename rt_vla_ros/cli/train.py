"""Train a policy: an RT-1 network, or an RT-2 from a vision-language model.

rt-vla train rt1 --data data/expert data/corrected --out runs/mine
rt-vla train rt1 --recipe rt1-mini --out runs/mini
rt-vla train rt2 --base small --robot data/expert --out runs/tried

The policy is written to OUT/checkpoint: rt-vla evaluate --policy OUT/checkpoint. Run the same command again to resume.
See `rt-vla train rt1 --help` and `rt-vla train rt2 --help` for all options.
"""

from __future__ import annotations

import argparse

from rt_vla_ros.cli import train_rt1, train_rt2
from rt_vla_ros.cli.main import claims_out
from zenoh_ros.commands.errors import CliError

FAMILIES = {"rt1": train_rt1, "rt2": train_rt2}
OF_ONE = {"--data": "rt1", "--preset": "rt1", "--base": "rt2", "--robot": "rt2", "--web": "rt2"}
OF_ONE |= {"--weights": "rt1", "--share": "rt2", "--teacher": "rt1"}
"""Options that belong to another family of policies."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    families = parser.add_subparsers(dest="family", required=True, metavar="FAMILY")
    as_written = argparse.RawDescriptionHelpFormatter
    for name, module in FAMILIES.items():
        summary = str(module.__doc__).partition("\n")[0]
        own = families.add_parser(name, help=summary, description=module.__doc__, formatter_class=as_written)
        module.add_arguments(own)
        for option, of in OF_ONE.items():
            if of != name:
                own.add_argument(option, dest=f"other{option}", nargs="*", help=argparse.SUPPRESS)


@claims_out
def run(args: argparse.Namespace) -> int:
    """Return 0 if the policy is trained."""
    others = [option for option, of in OF_ONE.items() if of != args.family and vars(args)[f"other{option}"] is not None]
    if others:
        raise CliError(f"{', '.join(others)} is an option of rt-vla train {OF_ONE[others[0]]}.")
    return int(FAMILIES[args.family].run(args))
