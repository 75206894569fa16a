"""What a hosting site and a container read: it says what the project's own files say."""

from __future__ import annotations

import json
import os
import re
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import bootstrap
import pytest
import yaml

from rt_vla_ros import __version__

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    return found


def test_the_version_is_one() -> None:
    assert read_yaml("CITATION.cff")["version"] == __version__
    assert ElementTree.parse(ROOT / "package.xml").getroot().findtext("version") == __version__


def test_the_workflow_runs_every_supported_python(jobs: dict[str, Any]) -> None:
    low, high = map(int, re.findall(r"\(3, (\d+)\)", (ROOT / "rt-vla").read_text()))
    wanted = {f"3.{minor}" for minor in range(low, high + 1)}
    assert {*jobs["python"]["strategy"]["matrix"]["python"], jobs["everything"]["container"][7:]} == wanted


def test_the_workflow_runs_the_projects_own_scripts(jobs: dict[str, Any]) -> None:
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    scripts = [shlex.split(command)[0] for command in commands]
    assert {script for script in scripts if script.startswith(".ci/")} == {
        f".ci/{path.name}" for path in (ROOT / ".ci").iterdir()
    }
    for script in scripts:
        assert script == "docker" or os.access(ROOT / script, os.X_OK)
    actions = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in actions)


def test_the_hooks_are_the_checks_of_ci() -> None:
    checks = re.findall(r"^\$tool (\w+(?: \w+)?)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    hooks = [hook["entry"].partition("-m ")[2].partition(" --")[0] for hook in repository["hooks"]]
    assert hooks == checks


def test_the_container_has_what_the_readme_installs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    installed = set(shlex.split(dockerfile.replace("\\\n", " "), comments=True))
    commands = re.findall(r"^pip install .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    wanted = {word for command in commands for word in shlex.split(command, comments=True)} - {"pip", "install", "&&"}
    assert "torch==2.13.0" in wanted
    assert wanted - installed == set()
    assert set(bootstrap.GL_PACKAGES) - installed == set()


def test_the_devcontainer_is_built_from_the_dockerfile() -> None:
    folder = ROOT / ".devcontainer"
    build = json.loads((folder / "devcontainer.json").read_text())["build"]
    assert (folder / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (folder / build["context"]).resolve() == ROOT


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_the_issue_forms_ask_for_something(name: str) -> None:
    form = read_yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] and part["id"] for part in asked)
    assert any(part.get("validations", {}).get("required") for part in asked)
