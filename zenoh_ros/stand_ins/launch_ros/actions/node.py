"""The action that runs a ROS node."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from launch import LaunchContext, LaunchDescriptionEntity, SomeSubstitutionsType
from launch.actions import ExecuteProcess
from launch.utilities import perform

from zenoh_ros import packages
from zenoh_ros.wire.parameter_values import write_yaml

from ..parameter_descriptions import Parameter, ParameterFile, write_parameters
from ..substitutions import ExecutableInPackage, registered_module
from ..utilities import evaluate_parameter_dict, make_namespace_absolute, prefix_namespace


class Node(ExecuteProcess):
    """Runs an executable of a package, with ROS arguments.

    Args:
        executable: the executable; without a package, its path.
        package: its package.
        name: the node's name; default: the executable's own.
        namespace: relative to the scope's, or absolute.
        exec_name: name of the process in the output; default: the executable's name.
        parameters: dictionaries, paths of parameter files, ParameterFile and Parameter; later ones win.
        remappings: pairs (from, to).
        ros_arguments: additional ROS arguments.
        arguments: additional arguments.
    """

    def __init__(
        self,
        *,
        executable: SomeSubstitutionsType,
        package: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        namespace: SomeSubstitutionsType | None = None,
        exec_name: SomeSubstitutionsType | None = None,
        parameters: Iterable[Any] | None = None,
        remappings: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cmd=[executable], name=exec_name, **kwargs)
        if isinstance(parameters, (str, Mapping)):
            raise TypeError(f"parameters must be a list of dictionaries and files, got {parameters!r}")
        self.node_package = package
        self.node_executable = executable
        self._node_name = name
        self._node_namespace = namespace
        self._parameters = list(parameters or [])
        self._remappings = list(remappings or [])
        self._ros_arguments = list(ros_arguments or [])
        self._arguments = list(arguments or [])
        self._full_name: str | None = None

    @property
    def node_name(self) -> str:
        """Fully qualified node name; RuntimeError before execution."""
        if self._full_name is None:
            raise RuntimeError("cannot access 'node_name' before executing action")
        return self._full_name

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        _host_router(context)
        return super().execute(context)

    def default_name(self, command: list[str]) -> str:
        return self._executable_name

    def prepare_command(self, context: LaunchContext) -> list[str]:
        executable = perform(context, self.node_executable)
        self._executable_name = os.path.basename(executable)
        command = [*self._program(context, executable), *[perform(context, part) for part in self._arguments]]
        if self._ros_arguments:
            command += ["--ros-args", *[perform(context, part) for part in self._ros_arguments]]
        return [
            *command,
            "--ros-args",
            *self._naming(context),
            *self._parameter_arguments(context),
            *self._remaps(context),
        ]

    def _program(self, context: LaunchContext, executable: str) -> list[str]:
        if self.node_package is None:
            return [executable]
        package = perform(context, self.node_package)
        registered = packages.find(package)
        if registered is None:
            return [ExecutableInPackage(executable, package).perform(context)]
        registered_module(registered, executable)
        inherited = context.environment.get("PYTHONPATH", "")
        self._additional_env.setdefault("PYTHONPATH", registered.python_path(inherited))
        return registered.command(executable)

    def _naming(self, context: LaunchContext) -> list[str]:
        arguments = []
        name = None if self._node_name is None else perform(context, self._node_name)
        given = None if self._node_namespace is None else perform(context, self._node_namespace)
        namespace = make_namespace_absolute(prefix_namespace(context.launch_configurations.get("ros_namespace"), given))
        if name is not None:
            arguments += ["-r", f"__node:={name}"]
        if namespace:
            arguments += ["-r", f"__ns:={namespace}"]
        self._full_name = prefix_namespace(namespace or "/", name or "<node_name_unspecified>")
        self._fully_named = name is not None and bool(namespace)
        return arguments

    def _parameter_arguments(self, context: LaunchContext) -> list[str]:
        arguments = []
        for name, value in context.launch_configurations.get("global_params", []):
            arguments += ["-p", f"{name}:={write_yaml(value, flow=True)}"]
        for entry in self._parameters:
            if isinstance(entry, Mapping):
                section = self.node_name if self._fully_named else "/**"
                path = write_parameters(section, evaluate_parameter_dict(context, entry))
                arguments += ["--params-file", str(path)]
            elif isinstance(entry, Parameter):
                name, value = entry.evaluate(context)
                arguments += ["-p", f"{name}:={write_yaml(value, flow=True)}"]
            else:
                file = entry if isinstance(entry, ParameterFile) else ParameterFile(entry)
                arguments += ["--params-file", str(file.evaluate(context))]
        return arguments

    def _remaps(self, context: LaunchContext) -> list[str]:
        rules = list(context.launch_configurations.get("ros_remaps", []))
        rules += [(perform(context, source), perform(context, target)) for source, target in self._remappings]
        return [part for source, target in rules for part in ("-r", f"{source}:={target}")]


def _host_router(context: LaunchContext) -> None:
    """Opens a session on the graph in this process, once: it outlives the nodes, so that they can be restarted."""
    if "ros_graph" in context.get_locals_as_dict():
        return
    from zenoh_ros.wire.session import Session

    session = Session.open()
    context._at_end.append(session.close)
    context.extend_globals({"ros_graph": session})
