"""Packages outside every ament index: `register` announces their messages, launch files and programs.

A checkout and an installed wheel are not ament prefixes, so their content could not be found by the package's name.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RegisteredPackage:
    """A registered package.

    Attributes:
        name: of the ROS package, and of its Python package if it has one.
        root: the folder from which Python imports it.
        prefix: what `ros2 pkg prefix` would print.
        share: the directory of msg/, srv/, launch/ and config/.
        programs: pairs (executable, Python module that runs it).
    """

    name: str
    root: Path
    prefix: Path
    share: Path
    programs: tuple[tuple[str, str], ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether there is a Python package of this name; `name.msg` is then a module of it."""
        return (self.root / self.name).is_dir()

    @property
    def executables(self) -> list[str]:
        """Names of the programs, sorted."""
        return sorted(name for name, _ in self.programs)

    def command(self, executable: str) -> list[str]:
        """The command that runs a program with this Python; KeyError if there is no program of this name."""
        return [sys.executable, "-m", dict(self.programs)[executable]]

    def python_path(self, inherited: str) -> str:
        """PYTHONPATH for its programs, so that they are found from any working directory."""
        return os.pathsep.join(part for part in (str(self.root), inherited) if part)


_registered: dict[str, RegisteredPackage] = {}


def register(name: str, root: Path, programs: Mapping[str, str] | None = None) -> RegisteredPackage:
    """Registers a package; the same name again replaces it. Call it before `zenoh_ros.install`, which reads the
    messages.

    Args:
        root: the folder from which Python imports it. If it contains package.xml it is a checkout, which is its own
            prefix and share directory. Otherwise the share directory is the nearest share/NAME with a package.xml above
            it, or the one in Python's prefix.
        programs: executable -> module for `python -m`.

    Raises:
        FileNotFoundError: there is no package.xml in any of these places.
    """
    prefix, share = _prefix_and_share(name, root)
    package = RegisteredPackage(name, root, prefix, share, tuple(sorted((programs or {}).items())))
    _registered[name] = package
    return package


def registered() -> tuple[RegisteredPackage, ...]:
    """All registered packages, in the order of registration."""
    return tuple(_registered.values())


def find(name: str) -> RegisteredPackage | None:
    """The registered package of this name."""
    return _registered.get(name)


def _prefix_and_share(name: str, root: Path) -> tuple[Path, Path]:
    if (root / "package.xml").is_file():
        return root, root
    # `pip install --target` and `--prefix` put share/ in a parent directory.
    for prefix in (root, *root.parents, Path(sysconfig.get_path("data")), Path(sys.prefix)):
        share = prefix / "share" / name
        if (share / "package.xml").is_file():
            return prefix, share
    raise FileNotFoundError(
        f"the files of the package {name!r} are missing: no package.xml in {root} and none in a share/{name} above it "
        f"or in {sys.prefix}; the installation is incomplete, reinstall it"
    )
