"""Actions that apply to all later nodes in the scope."""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, SomeSubstitutionsType
from launch.action import Action
from launch.substitutions import SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from zenoh_ros.wire.name_rules import namespace_fault

from ..utilities import evaluate_parameter_dict, make_namespace_absolute, prefix_namespace


class PushROSNamespace(Action):
    """Sets a namespace for later nodes, until the end of the scope."""

    def __init__(self, namespace: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.namespace = normalize_to_list_of_substitutions(namespace)

    def execute(self, context: LaunchContext) -> None:
        pushed = perform_substitutions(context, self.namespace)
        outer = context.launch_configurations.get("ros_namespace")
        namespace = make_namespace_absolute(prefix_namespace(outer, pushed))
        fault = namespace_fault(namespace) if namespace else None
        if fault is not None:
            raise SubstitutionFailure(f"the namespace {namespace!r} cannot be pushed: {fault.reason}")
        context.launch_configurations["ros_namespace"] = namespace


PushRosNamespace = PushROSNamespace


class SetParameter(Action):
    """Sets a parameter of later nodes, until the end of the scope."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._parameter = {tuple(normalize_to_list_of_substitutions(name)): value}

    def execute(self, context: LaunchContext) -> None:
        known = context.launch_configurations.get("global_params", [])
        context.launch_configurations["global_params"] = [
            *known,
            *evaluate_parameter_dict(context, self._parameter).items(),
        ]


class SetRemap(Action):
    """Adds a remapping for later nodes, until the end of the scope."""

    def __init__(self, src: SomeSubstitutionsType, dst: SomeSubstitutionsType, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.src = normalize_to_list_of_substitutions(src)
        self.dst = normalize_to_list_of_substitutions(dst)

    def execute(self, context: LaunchContext) -> None:
        rule = (perform_substitutions(context, self.src), perform_substitutions(context, self.dst))
        context.launch_configurations["ros_remaps"] = [*context.launch_configurations.get("ros_remaps", []), rule]
