"""The Python environments of benchmarks whose pins are not ours: one virtual environment each."""

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
    """summary: of `rt-vla env list`. requirements: for pip. package, version: with which the figures were made,
    empty where there are none.
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
        "any environment of Gymnasium with images and a Box of actions (gymnasium:ID)",
        ("gymnasium==1.4.0",),
        "gymnasium",
        "",
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
    """Versions by package of what is installed; None where nothing is, or only half of it."""
    stamp = folder() / name / STAMP
    return (
        {key: str(value) for key, value in read_object(stamp, EnvironmentRefusal).items()} if stamp.is_file() else None
    )


def python_of(name: str) -> Path:
    """Its interpreter. Raises EnvironmentRefusal, with the command that installs it, where it is not installed."""
    if installed(name) is None:
        raise EnvironmentRefusal(f"{name} is not installed: rt-vla env install {name}")
    return folder() / name / "bin" / "python"


def version_note(name: str, versions: dict[str, str]) -> str:
    """A sentence where another version runs than the figures of this project were made with; else empty."""
    recipe = RECIPES[name]
    found = versions.get(recipe.package, "none")
    if recipe.version in ("", found):
        return ""
    return (
        f"{recipe.package} {found} runs here, docs/evaluation.md is about {recipe.version}: figures may differ. "
        f"`rt-vla env install {name}` installs that one."
    )


def install(name: str, extra: Sequence[str], say: Callable[[str], None]) -> Path:
    """Makes the environment anew. extra: further requirements. Raises EnvironmentRefusal where pip fails."""
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
    """Whether there was something."""
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
        raise EnvironmentRefusal("The environment could not be made:\n  " + "\n  ".join(lines))
    return done.stdout
