"""Launch files in Python."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType

from ..launch_description import LaunchDescription
from ..launch_description_source import LaunchDescriptionSource
from ..substitution import SomeSubstitutionsType


class InvalidPythonLaunchFileError(RuntimeError):
    """A file that is no launch file."""


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A Python file with a function `generate_launch_description`."""

    method = "interpreted python launch file"

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(None, launch_file_path)

    def _read(self, location: str) -> LaunchDescription:
        return get_launch_description_from_python_launch_file(location)


class AnyLaunchDescriptionSource(PythonLaunchDescriptionSource):
    """Any launch file; here those in Python are known, not XML and YAML."""


def load_python_launch_file_as_module(python_launch_file_path: str) -> ModuleType:
    """Runs the file.

    Raises:
        FileNotFoundError: there is none.
        InvalidPythonLaunchFileError: it is not Python.
    """
    if not os.path.isfile(python_launch_file_path):
        raise FileNotFoundError(f"launch file '{python_launch_file_path}' does not exist")
    if not python_launch_file_path.endswith(".py"):
        raise InvalidPythonLaunchFileError(
            f"launch file '{python_launch_file_path}' is not a Python file (.launch.py); XML and YAML need a ROS 2"
        )
    spec = importlib.util.spec_from_file_location("python_launch_file", python_launch_file_path)
    if spec is None or spec.loader is None:
        raise InvalidPythonLaunchFileError(f"launch file '{python_launch_file_path}' cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InvalidPythonLaunchFileError(f"launch file '{python_launch_file_path}': {error}") from error
    return module


def get_launch_description_from_python_launch_file(python_launch_file_path: str) -> LaunchDescription:
    """What its `generate_launch_description` returns.

    Raises:
        InvalidPythonLaunchFileError: it has no such function, or that returns something else.
    """
    module = load_python_launch_file_as_module(python_launch_file_path)
    generate = getattr(module, "generate_launch_description", None)
    if generate is None:
        raise InvalidPythonLaunchFileError(
            f"launch file '{python_launch_file_path}' has no function generate_launch_description()"
        )
    description = generate()
    if not isinstance(description, LaunchDescription):
        raise InvalidPythonLaunchFileError(
            f"launch file '{python_launch_file_path}': generate_launch_description() must return a LaunchDescription, "
            f"got {type(description).__name__}"
        )
    return description


def get_launch_description_from_any_launch_file(launch_file_path: str) -> LaunchDescription:
    """The description of a launch file of any kind that is known here."""
    return get_launch_description_from_python_launch_file(launch_file_path)


__all__ = [
    "AnyLaunchDescriptionSource",
    "InvalidPythonLaunchFileError",
    "PythonLaunchDescriptionSource",
    "get_launch_description_from_any_launch_file",
    "get_launch_description_from_python_launch_file",
    "load_python_launch_file_as_module",
]
