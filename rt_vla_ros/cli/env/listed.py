"""List the available environments and which are installed."""

from __future__ import annotations

import argparse

from rt_vla_ros.cli.main import refused
from rt_vla_ros.environments.installs import RECIPES, folder, installed, version_note
from rt_vla_ros.environments.language_table import FAMILIES, HOW, LANGUAGE_TABLE, UNTESTED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


@refused(ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0."""
    print("tabletop    built-in simulated table, with the suites as tasks; always available")
    for name, recipe in RECIPES.items():
        versions = installed(name)
        print(f"{name:<11} {recipe.summary}")
        if versions is None:
            print(f"            not installed: rt-vla env install {name}")
        else:
            told = ", ".join(f"{one} {versions[one]}" for one in (recipe.package, "mujoco", "numpy") if one in versions)
            print(f"            {told}; in {folder() / name}")
            if note := version_note(name, versions):
                print(f"            {note}")
    print(f"{LANGUAGE_TABLE}: {', '.join(FAMILIES)} ({LANGUAGE_TABLE}:FAMILY); {UNTESTED}")
    print(f"            {HOW}")
    return 0
