"""Interface files of registered packages, of packages on AMENT_PREFIX_PATH, and the copies in `interfaces/`."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from zenoh_ros.packages import registered

KINDS = ("msg", "srv", "action")
# Definitions used by nodes of this project whose packages may not be installed.
INTERFACES = Path(__file__).parents[1] / "interfaces"


def type_files() -> dict[str, Path]:
    """Type names with their files, e.g. `{"my_msgs/msg/Grip": Path(".../share/my_msgs/msg/Grip.msg")}`."""
    shares = tuple((package.name, package.share) for package in registered())
    copies = tuple((folder.name, folder) for folder in sorted(INTERFACES.iterdir()))
    return {**_files_in(copies), **_files_on(os.environ.get("AMENT_PREFIX_PATH", "")), **_files_in(shares)}


@lru_cache(maxsize=4)
def _files_on(prefixes: str) -> dict[str, Path]:
    """If a package is in several prefixes, the first one is used."""
    shares = [
        (share.name, share)
        for prefix in reversed([Path(prefix) for prefix in prefixes.split(os.pathsep) if prefix])
        for share in sorted(prefix.glob("share/*"))
    ]
    return _files_in(tuple(dict(shares).items()))


@lru_cache(maxsize=4)
def _files_in(shares: tuple[tuple[str, Path], ...]) -> dict[str, Path]:
    return {
        f"{name}/{kind}/{file.stem}": file
        for name, share in shares
        for kind in KINDS
        for file in sorted((share / kind).glob(f"*.{kind}"))
    }
