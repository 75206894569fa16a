"""Nodes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent

from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import ROSClock
from rclpy.context import Context
from rclpy.exceptions import NotInitializedException
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.node_entities import NodeEntities
from rclpy.node_graph import NodeGraph, NodeNameNonExistentError
from rclpy.node_parameters import NodeParameters
from rclpy.parameter import Parameter
from rclpy.parameter_service import ParameterService
from rclpy.qos import qos_profile_parameter_events
from rclpy.rosout import RosoutPublisher
from rclpy.time_source import TimeSource
from rclpy.type_description_service import TypeDescriptionService
from rclpy.utilities import get_default_context
from rclpy.validate_names import validate_full_topic_name, validate_namespace, validate_node_name, validate_topic_name
from zenoh_ros.wire.arguments import RosArguments, parse_arguments
from zenoh_ros.wire.name_rules import expand_name, qualified_node_name

if TYPE_CHECKING:
    from rclpy.executors import Executor

__all__ = ["Node", "NodeNameNonExistentError"]


class Node(NodeEntities, NodeParameters, NodeGraph):
    """A node of the ROS graph.

    Args:
        node_name: letters, digits and underscores.
        context: None for the default context.
        cli_args: ROS arguments for this node alone, with priority over those of the process.
        namespace: absolute or relative to the root.
        use_global_arguments: False ignores the arguments of the process.
        enable_rosout: publish the log on /rosout.
        start_parameter_services: let other nodes get and set the parameters.
        parameter_overrides: values that override those of the command line.
        allow_undeclared_parameters: set_parameters declares unknown parameters.
        automatically_declare_parameters_from_overrides: declare all parameters given on the command line.
        enable_logger_service: accepted but ignored.

    Raises:
        NotInitializedException: rclpy.init() was not called.
        InvalidNodeNameException, InvalidNamespaceException: the name or namespace is invalid.
        RCLError: the graph cannot be joined.
    """

    def __init__(
        self,
        node_name: str,
        *,
        context: Context | None = None,
        cli_args: list[str] | None = None,
        namespace: str | None = None,
        use_global_arguments: bool = True,
        enable_rosout: bool = True,
        start_parameter_services: bool = True,
        parameter_overrides: list[Parameter] | None = None,
        allow_undeclared_parameters: bool = False,
        automatically_declare_parameters_from_overrides: bool = False,
        enable_logger_service: bool = False,
    ) -> None:
        self._context = context or get_default_context()
        if not self._context.ok():
            raise NotInitializedException("cannot create node")
        self._argument_sets = self._arguments(cli_args, use_global_arguments)
        self._name, self._namespace = self._identity(node_name, namespace or "")
        self._destroyed = False
        self._executor: weakref.ref[Executor] | None = None
        self._logger = get_logger(self.get_fully_qualified_name().strip("/").replace("/", "."))
        self._clock: ROSClock = ROSClock()
        self._impl = self._context.session().create_node(self._name, self._namespace, self._enclave())
        self._init_entities()
        self._init_parameters(self._overrides(parameter_overrides or []), allow_undeclared_parameters)
        self._context.track_node(self)
        self._rosout = RosoutPublisher(self) if enable_rosout and self._rosout_wanted() else None
        self._event_publisher = self.create_publisher(ParameterEvent, "/parameter_events", qos_profile_parameter_events)
        if automatically_declare_parameters_from_overrides:
            declared = [(name, value.value, ParameterDescriptor()) for name, value in self._parameter_overrides.items()]
            self.declare_parameters("", declared, ignore_override=True)
        self._time_source = TimeSource(node=self)
        self._time_source.attach_clock(self._clock)
        if start_parameter_services:
            self._parameter_service = ParameterService(self)
        self._type_description_service = TypeDescriptionService(self)

    def _arguments(self, cli_args: list[str] | None, use_global: bool) -> list[RosArguments]:
        """The node's own arguments, then those of the process: the first rule that matches is used."""
        own = [parse_arguments(["--ros-args", *cli_args])] if cli_args else []
        return own + ([self._context._arguments] if use_global else [])

    def _identity(self, node_name: str, namespace: str) -> tuple[str, str]:
        validate_node_name(node_name)
        namespace = namespace if namespace.startswith("/") else f"/{namespace}"
        validate_namespace(namespace)
        name = next((new for args in self._argument_sets if (new := args.node_name(node_name)) != node_name), node_name)
        for args in self._argument_sets:
            remapped = args.namespace(node_name, "")
            if remapped:
                namespace = remapped if remapped.startswith("/") else f"/{remapped}"
                break
        validate_node_name(name)
        validate_namespace(namespace)
        return name, namespace

    def _enclave(self) -> str:
        enclave = self._context._arguments.enclave
        return "" if enclave == "/" else enclave

    def _rosout_wanted(self) -> bool:
        return all(args.switches.get("rosout", True) for args in self._argument_sets)

    def _overrides(self, given: list[Parameter]) -> dict[str, Parameter]:
        values: dict[str, Any] = {}
        for args in reversed(self._argument_sets):
            values |= args.parameters.for_node(self.get_fully_qualified_name())
        overrides = {name: Parameter(name, value=value) for name, value in values.items()}
        return overrides | {parameter.name: parameter for parameter in given}

    @property
    def context(self) -> Context:
        """The node's context."""
        return self._context

    @property
    def handle(self) -> Any:
        """The underlying node of zenoh_ros.wire."""
        return self._impl

    @property
    def executor(self) -> Executor | None:
        """The executor of the node, if there is one."""
        return self._executor() if self._executor is not None else None

    @executor.setter
    def executor(self, new_executor: Executor | None) -> None:
        current = self.executor
        if current is new_executor:
            return
        if current is not None:
            current.remove_node(self)
        self._executor = None if new_executor is None else weakref.ref(new_executor)
        if new_executor is not None:
            new_executor.add_node(self)

    def _wake_executor(self) -> None:
        executor = self._executor() if self._executor is not None else None
        if executor is not None:
            executor.wake()

    def get_name(self) -> str:
        """Return the name, after remapping."""
        return self._name

    def get_namespace(self) -> str:
        """Return the namespace, after remapping."""
        return self._namespace

    def get_fully_qualified_name(self) -> str:
        """Return the fully qualified name."""
        return qualified_node_name(self._name, self._namespace)

    def get_clock(self) -> ROSClock:
        """Return the node's clock, driven by /clock while the parameter use_sim_time is true."""
        return self._clock

    def get_logger(self) -> RcutilsLogger:
        """Return the node's logger."""
        return self._logger

    def _publish_parameter_event(self, event: ParameterEvent) -> None:
        if self._context.ok() and not self._destroyed:
            self._event_publisher.publish(event)

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """Return a topic name expanded and, unless `only_expand`, remapped."""
        return self._resolve(topic, "topic", only_expand)

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """Return a service name expanded and, unless `only_expand`, remapped."""
        return self._resolve(service, "service", only_expand)

    def _resolve(self, name: str, kind: str, only_expand: bool) -> str:
        validate_topic_name(name, is_service=kind == "service")
        try:
            full = expand_name(name, self._name, self._namespace)
            if not only_expand:
                remapped = (args.remap(full, self._name, self._namespace, kind) for args in self._argument_sets)
                full = next((new for new in remapped if new is not None), full)
        except ValueError as error:
            raise RCLError(str(error)) from error
        validate_full_topic_name(full, is_service=kind == "service")
        return full

    def destroy_node(self) -> None:
        """Destroy the node and all its entities; may be called twice."""
        if self._destroyed:
            return
        self._destroyed = True
        self._context.untrack_node(self)
        if self._rosout is not None:
            self._rosout.detach()
        self.executor = None
        self._destroy_entities()
        self._impl.close()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy_node()
