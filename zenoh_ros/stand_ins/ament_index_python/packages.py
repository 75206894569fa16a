"""Locations of packages: those registered in zenoh_ros.packages, and those in prefixes on AMENT_PREFIX_PATH."""

from __future__ import annotations

import os
from pathlib import Path

from zenoh_ros import packages

_MARKERS = ("share", "ament_index", "resource_index", "packages")


class PackageNotFoundError(KeyError):
    """There is no such package; the message lists the searched directories."""

    def __str__(self) -> str:
        return str(self.args[0])


def get_search_paths() -> list[str]:
    """The prefixes in AMENT_PREFIX_PATH that exist, in order."""
    return [path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if path and os.path.isdir(path)]


def get_packages_with_prefixes() -> dict[str, str]:
    """All packages that can be found, with their prefixes."""
    found: dict[str, str] = {}
    for prefix in get_search_paths():
        markers = Path(prefix, *_MARKERS)
        for marker in markers.iterdir() if markers.is_dir() else ():
            found.setdefault(marker.name, prefix)
    return {**found, **{package.name: str(package.prefix) for package in packages.registered()}}


def get_package_prefix(package_name: str, print_warning: bool = False) -> str:
    """The prefix that a package is installed in; a registered checkout is its own prefix.

    Raises:
        PackageNotFoundError: there is no such package.
        ValueError: the package name is invalid.
    """
    if not package_name or not package_name.replace("_", "a").replace("-", "a").isalnum():
        raise ValueError(f"'{package_name}' is not a valid package name: letters, digits, '_' and '-' are allowed")
    if (registered := packages.find(package_name)) is not None:
        return str(registered.prefix)
    for prefix in get_search_paths():
        if Path(prefix, *_MARKERS, package_name).exists():
            return prefix
    looked_at = ", ".join(get_search_paths()) or "AMENT_PREFIX_PATH, which names no directory"
    known = ", ".join(package.name for package in packages.registered()) or "nothing"
    raise PackageNotFoundError(f"package '{package_name}' not found; searched: {looked_at}; registered: {known}")


def get_package_share_directory(package_name: str, print_warning: bool = False) -> str:
    """The directory of a package's launch/, config/ and so on; a registered checkout is its own share directory.

    Raises:
        PackageNotFoundError: see `get_package_prefix`.
    """
    if (registered := packages.find(package_name)) is not None:
        return str(registered.share)
    return os.path.join(get_package_prefix(package_name), "share", package_name)


def get_package_share_path(package_name: str, print_warning: bool = False) -> Path:
    """As `get_package_share_directory`, as a Path."""
    return Path(get_package_share_directory(package_name))
