"""Parameters of nodes in launch files."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path
from typing import Any

from launch import LaunchContext, SomeSubstitutionsType
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
from launch.utilities.type_utils import perform_typed_substitution

from zenoh_ros.wire.parameter_values import write_yaml

from .parameter_substitutions import substitute


class ParameterValue:
    """A value with a type.

    Args:
        value: a value, or a substitution for one.
        value_type: bool, int, float, str or a List of one of them; None: parsed as a node parses `-p`.
    """

    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self.value = value
        self.value_type = value_type

    def evaluate(self, context: LaunchContext) -> Any:
        """The value; ValueError if the text of a substitution cannot be parsed as this type."""
        return perform_typed_substitution(context, self.value, self.value_type)


class Parameter:
    """A parameter by name."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, *, value_type: Any = None) -> None:
        self.name = normalize_to_list_of_substitutions(name)
        self._value = ParameterValue(value, value_type=value_type)

    def evaluate(self, context: LaunchContext) -> tuple[str, Any]:
        return perform_substitutions(context, self.name), self._value.evaluate(context)


class ParameterFile:
    """A YAML parameter file.

    Args:
        param_file: its path.
        allow_substs: perform the substitutions in it, see parameter_substitutions.
    """

    def __init__(
        self,
        param_file: SomeSubstitutionsType | os.PathLike[str],
        *,
        allow_substs: bool | SomeSubstitutionsType = False,
    ) -> None:
        self.param_file = normalize_to_list_of_substitutions(param_file)
        self._allow_substs = allow_substs

    def evaluate(self, context: LaunchContext) -> Path:
        """The path of the file to pass to a node.

        Raises:
            FileNotFoundError: the file does not exist.
            SubstitutionFailure: a substitution in it fails.
        """
        path = Path(perform_substitutions(context, self.param_file))
        if not path.is_file():
            raise FileNotFoundError(f"parameter file '{path}' does not exist")
        if not perform_typed_substitution(context, self._allow_substs, bool):
            return path
        return write_parameter_text(substitute(context, path.read_text(encoding="utf-8")))


def write_parameter_text(text: str) -> Path:
    """A temporary file with the text, deleted when this process exits."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="launch_params_", suffix=".yaml", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    path = Path(file.name)
    atexit.register(path.unlink, missing_ok=True)
    return path


def write_parameters(node_name: str, parameters: dict[str, Any]) -> Path:
    """A temporary parameter file for one node, or for all nodes (`/**`)."""
    return write_parameter_text(write_yaml({node_name: {"ros__parameters": parameters}}))


__all__ = ["Parameter", "ParameterFile", "ParameterValue"]
