"""Launch files in Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from types import ModuleType

from .._error_text import error_text
from ..launch_description import LaunchDescription
from ..launch_description_source import LaunchDescriptionSource
from ..substitution import SomeSubstitutionsType


class InvalidPythonLaunchFileError(RuntimeError):
    """An invalid launch file."""


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A Python file with a function `generate_launch_description`."""

    method = "interpreted python launch file"

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(None, launch_file_path)

    def _read(self, location: str) -> LaunchDescription:
        return get_launch_description_from_python_launch_file(location)


class AnyLaunchDescriptionSource(PythonLaunchDescriptionSource):
    """Any launch file; only Python is supported here, XML and YAML are rejected with a message."""


def load_python_launch_file_as_module(python_launch_file_path: str) -> ModuleType:
    """Runs the file.

    Raises:
        FileNotFoundError: the file does not exist.
        InvalidPythonLaunchFileError: it is not Python.
    """
    if not os.path.isfile(python_launch_file_path):
        raise FileNotFoundError(f"launch file '{python_launch_file_path}' does not exist")
    if not python_launch_file_path.endswith(".py") and _is_frontend(python_launch_file_path):
        raise InvalidPythonLaunchFileError(
            f"launch file '{python_launch_file_path}' is in XML or YAML, which needs a real ROS 2: source one, or "
            "write it in Python (.launch.py)"
        )
    loader = SourceFileLoader("python_launch_file", python_launch_file_path)
    module = ModuleType(loader.name)
    module.__file__ = os.path.abspath(python_launch_file_path)
    with _said_of(python_launch_file_path):
        exec(loader.get_code(loader.name) or "", vars(module))
    return module


@contextmanager
def _said_of(path: str) -> Iterator[None]:
    """Within the block, errors of the file become InvalidPythonLaunchFileError."""
    try:
        yield
    except (SyntaxError, ImportError, AttributeError) as error:
        raise InvalidPythonLaunchFileError(f"launch file '{path}': {error_text(error)}") from error


def _is_frontend(path: str) -> bool:
    """As in the real launch: any file extension may be Python, except these and similar ones."""
    with open(path, "rb") as file:
        return path.endswith((".xml", ".yaml", ".yml")) or file.read(64).lstrip().startswith((b"<", b"launch:"))


def get_launch_description_from_python_launch_file(python_launch_file_path: str) -> LaunchDescription:
    """Calls `generate_launch_description` of a launch file.

    Raises:
        InvalidPythonLaunchFileError: it has no such function, or the function returns something else.
    """
    module = load_python_launch_file_as_module(python_launch_file_path)
    generate = getattr(module, "generate_launch_description", None)
    if generate is None:
        raise InvalidPythonLaunchFileError(
            f"launch file '{python_launch_file_path}' has no function generate_launch_description()"
        )
    with _said_of(python_launch_file_path):
        description = generate()
    if not isinstance(description, LaunchDescription):
        raise InvalidPythonLaunchFileError(
            f"launch file '{python_launch_file_path}': generate_launch_description() must return a LaunchDescription, "
            f"got {type(description).__name__}"
        )
    return description


def get_launch_description_from_any_launch_file(launch_file_path: str) -> LaunchDescription:
    """The description of a launch file in any supported format."""
    return get_launch_description_from_python_launch_file(launch_file_path)


__all__ = [
    "AnyLaunchDescriptionSource",
    "InvalidPythonLaunchFileError",
    "PythonLaunchDescriptionSource",
    "get_launch_description_from_any_launch_file",
    "get_launch_description_from_python_launch_file",
    "load_python_launch_file_as_module",
]
