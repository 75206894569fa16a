"""Substitutions for what is in packages."""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path

from ament_index_python import get_package_prefix, get_package_share_directory
from launch import LaunchContext, SomeSubstitutionsType, Substitution
from launch.substitutions import SubstitutionFailure
from launch.utilities import describe_substitutions, normalize_to_list_of_substitutions, perform_substitutions

OWN_PACKAGE = "rt_vla_ros"
_OWN_NODES = Path(__file__).resolve().parents[3] / "nodes"


class FindPackagePrefix(Substitution):
    """The prefix that a package is installed in."""

    def __init__(self, package: SomeSubstitutionsType) -> None:
        self.package = normalize_to_list_of_substitutions(package)

    def find(self, package_name: str) -> str:
        return get_package_prefix(package_name)

    def perform(self, context: LaunchContext) -> str:
        return self.find(perform_substitutions(context, self.package))

    def describe(self) -> str:
        return f"{type(self).__name__}(pkg={describe_substitutions(self.package)})"


class FindPackageShare(FindPackagePrefix):
    """The directory of a package's launch/, config/ and the like."""

    def find(self, package_name: str) -> str:
        return get_package_share_directory(package_name)


class ExecutableInPackage(FindPackagePrefix):
    """The path of a program of a package; of this project, that of the node's module."""

    def __init__(self, executable: SomeSubstitutionsType, package: SomeSubstitutionsType) -> None:
        super().__init__(package)
        self.executable = normalize_to_list_of_substitutions(executable)

    def perform(self, context: LaunchContext) -> str:
        executable = perform_substitutions(context, self.executable)
        package = perform_substitutions(context, self.package)
        if package == OWN_PACKAGE:
            return own_node(executable)
        directory = os.path.join(get_package_prefix(package), "lib", package)
        found = shutil.which(executable, path=directory)
        if found is None:
            there = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
            raise SubstitutionFailure(_no_such(executable, package, f"'{directory}'", there))
        return found


def own_node(executable: str) -> str:
    """The path of the module of one of this project's nodes.

    Raises:
        SubstitutionFailure: there is no such node; the message lists those that there are.
    """
    path = _OWN_NODES / f"{executable}.py"
    if not executable.endswith("_node") or not path.is_file():
        there = sorted(file.stem for file in _OWN_NODES.glob("*_node.py"))
        raise SubstitutionFailure(_no_such(executable, OWN_PACKAGE, "its nodes", there))
    return str(path)


def _no_such(executable: str, package: str, place: str, there: list[str]) -> str:
    near = difflib.get_close_matches(executable, there, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; there is: {', '.join(there) or 'nothing'}"
    return f"executable '{executable}' of package '{package}' not found among {place}{hint}"


__all__ = ["ExecutableInPackage", "FindPackagePrefix", "FindPackageShare"]
