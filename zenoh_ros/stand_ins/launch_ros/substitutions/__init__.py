"""Substitutions for paths in packages."""

from __future__ import annotations

import difflib
import os
import shutil

from ament_index_python import get_package_prefix, get_package_share_directory
from launch import LaunchContext, SomeSubstitutionsType, Substitution
from launch.substitutions import SubstitutionFailure
from launch.utilities import describe_substitutions, normalize_to_list_of_substitutions, perform_substitutions

from zenoh_ros import packages


class FindPackagePrefix(Substitution):
    """The install prefix of a package."""

    def __init__(self, package: SomeSubstitutionsType) -> None:
        self.package = normalize_to_list_of_substitutions(package)

    def find(self, package_name: str) -> str:
        return get_package_prefix(package_name)

    def perform(self, context: LaunchContext) -> str:
        return self.find(perform_substitutions(context, self.package))

    def describe(self) -> str:
        return f"{type(self).__name__}(pkg={describe_substitutions(self.package)})"


class FindPackageShare(FindPackagePrefix):
    """The share directory of a package: launch/, config/ and so on."""

    def find(self, package_name: str) -> str:
        return get_package_share_directory(package_name)


class ExecutableInPackage(FindPackagePrefix):
    """The path of a package's executable; for a registered package, the path of its Python module."""

    def __init__(self, executable: SomeSubstitutionsType, package: SomeSubstitutionsType) -> None:
        super().__init__(package)
        self.executable = normalize_to_list_of_substitutions(executable)

    def perform(self, context: LaunchContext) -> str:
        executable = perform_substitutions(context, self.executable)
        package = perform_substitutions(context, self.package)
        registered = packages.find(package)
        if registered is not None:
            return f"{registered.root.joinpath(*registered_module(registered, executable).split('.'))}.py"
        directory = os.path.join(get_package_prefix(package), "lib", package)
        found = shutil.which(executable, path=directory)
        if found is None:
            there = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
            raise SubstitutionFailure(_no_such(executable, package, f"'{directory}'", there))
        return found


def registered_module(package: packages.RegisteredPackage, executable: str) -> str:
    """The Python module of an executable of a registered package.

    Raises:
        SubstitutionFailure: there is no such executable; the message lists the available ones.
    """
    modules = dict(package.programs)
    if executable not in modules:
        raise SubstitutionFailure(_no_such(executable, package.name, "its programs", package.executables))
    return modules[executable]


def _no_such(executable: str, package: str, place: str, there: list[str]) -> str:
    near = difflib.get_close_matches(executable, there, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; there is: {', '.join(there) or 'nothing'}"
    return f"executable '{executable}' of package '{package}' not found among {place}{hint}"


__all__ = ["ExecutableInPackage", "FindPackagePrefix", "FindPackageShare"]
