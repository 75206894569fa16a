"""Where packages are: this project's own, and those in the prefixes that AMENT_PREFIX_PATH names."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

_OWN = "rt_vla_ros"
# .../zenoh_ros/stand_ins/ament_index_python/packages.py
_OWN_SOURCES = Path(__file__).resolve().parents[2]
_MARKERS = ("share", "ament_index", "resource_index", "packages")


class PackageNotFoundError(KeyError):
    """No such package; the message names the places that were looked at."""

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
    return {**found, _OWN: str(_own_share_and_prefix()[1])}


def get_package_prefix(package_name: str, print_warning: bool = False) -> str:
    """The prefix that a package is installed in; a checkout of this project is its own prefix.

    Raises:
        PackageNotFoundError: it is in none.
        ValueError: that is no name of a package.
    """
    if not package_name or not package_name.replace("_", "a").replace("-", "a").isalnum():
        raise ValueError(f"'{package_name}' is not a name of a package: letters, digits, '_' and '-' are allowed")
    if package_name == _OWN:
        return str(_own_share_and_prefix()[1])
    for prefix in get_search_paths():
        if Path(prefix, *_MARKERS, package_name).exists():
            return prefix
    looked_at = ", ".join(get_search_paths()) or "AMENT_PREFIX_PATH, which names no directory"
    raise PackageNotFoundError(f"package '{package_name}' not found; looked in: {looked_at}; here is: {_OWN}")


def get_package_share_directory(package_name: str, print_warning: bool = False) -> str:
    """Where a package's launch/, config/ and the like are; a checkout of this project is its own share directory.

    Raises:
        PackageNotFoundError: see `get_package_prefix`.
    """
    if package_name == _OWN:
        return str(_own_share_and_prefix()[0])
    return os.path.join(get_package_prefix(package_name), "share", package_name)


def get_package_share_path(package_name: str, print_warning: bool = False) -> Path:
    """As `get_package_share_directory`, as a Path."""
    return Path(get_package_share_directory(package_name))


def _own_share_and_prefix() -> tuple[Path, Path]:
    """The checkout, or the share directory that the installed wheel has brought with it."""
    beside = _OWN_SOURCES.parent
    if (beside / "launch").is_dir():
        return beside, beside
    prefixes = [
        *_OWN_SOURCES.parents,  # a --target or --prefix installation lies somewhere above
        Path(sysconfig.get_path("data")),
        Path(sys.prefix),
    ]
    for prefix in prefixes:
        share = prefix / "share" / _OWN
        if (share / "launch").is_dir():
            return share, prefix
    raise PackageNotFoundError(
        f"the launch files of {_OWN} are missing: no launch/ beside {_OWN_SOURCES} and no share/{_OWN}/launch in "
        f"{sys.prefix}; the installation is incomplete, install it again"
    )
