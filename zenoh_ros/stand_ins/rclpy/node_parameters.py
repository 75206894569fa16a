"""The parameters of a node: declaration, setting, validation."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ListParametersResult,
    ParameterDescriptor,
    ParameterEvent,
    ParameterValue,
    SetParametersResult,
)
from rcl_interfaces.srv import ListParameters

from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.parameter import PARAMETER_SEPARATOR_STRING, Parameter

if TYPE_CHECKING:
    from rclpy.clock import Clock

OnSet = Callable[[list[Parameter]], SetParametersResult]
WRONG_TYPE = "Wrong parameter type"


class NodeParameters:
    """The parameters of a Node."""

    PARAM_REL_TOL = 1e-6

    def _init_parameters(self, overrides: dict[str, Parameter], allow_undeclared: bool) -> None:
        self._parameters: dict[str, Parameter] = {}
        self._descriptors: dict[str, ParameterDescriptor] = {}
        self._parameter_overrides = overrides
        self._allow_undeclared_parameters = allow_undeclared
        self._pre_set: list[Callable[[list[Parameter]], list[Parameter]]] = []
        self._on_set: list[OnSet] = []
        self._post_set: list[Callable[[list[Parameter]], None]] = []

    def _publish_parameter_event(self, event: ParameterEvent) -> None:
        raise AssertionError("the node publishes events")

    def get_clock(self) -> Clock:
        """Return the node's clock."""
        raise AssertionError("the node has the clock")

    def get_fully_qualified_name(self) -> str:
        """Return the fully qualified name."""
        raise AssertionError("the node has the name")

    def declare_parameter(
        self,
        name: str,
        value: Any = None,
        descriptor: ParameterDescriptor | None = None,
        ignore_override: bool = False,
    ) -> Parameter:
        """Declare a parameter with a default value, or with a Parameter.Type and no value.

        Args:
            descriptor: description, range, read_only, dynamic_typing.
            ignore_override: use the default even if the command line or a parameter file gives a value.

        Returns:
            The parameter with its current value.

        Raises:
            ParameterAlreadyDeclaredException, InvalidParameterException, InvalidParameterTypeException,
            InvalidParameterValueException, ValueError: neither value nor type.
        """
        if value is None and descriptor is None:
            return self.declare_parameters("", [(name,)], ignore_override)[0]
        return self.declare_parameters("", [(name, value, descriptor or ParameterDescriptor())], ignore_override)[0]

    def declare_parameters(
        self, namespace: str, parameters: Sequence[tuple[Any, ...]], ignore_override: bool = False
    ) -> list[Parameter]:
        """Declare parameters given as `(name, value or type, descriptor)`; names are prefixed with "namespace.".

        Raises:
            As declare_parameter; TypeError for an invalid tuple.
        """
        prepared = [self._prepare(namespace, entry, ignore_override) for entry in parameters]
        known = [parameter.name for parameter, _ in prepared if parameter.name in self._parameters]
        if known:
            raise ParameterAlreadyDeclaredException(known)
        for parameter, descriptor in prepared:
            result = self._store([parameter], {parameter.name: descriptor}, keep_unset=True)
            if not result.successful:
                if result.reason.startswith(WRONG_TYPE):
                    raise InvalidParameterTypeException(parameter, Parameter.Type(descriptor.type).name)
                raise InvalidParameterValueException(parameter.name, parameter.value, result.reason)
        return [self._parameters[parameter.name] for parameter, _ in prepared]

    def _prepare(
        self, namespace: str, entry: tuple[Any, ...], ignore_override: bool
    ) -> tuple[Parameter, ParameterDescriptor]:
        if not 1 <= len(entry) <= 3 or not isinstance(entry[0], str):
            raise TypeError(f"Invalid parameter tuple {entry!r}; expected (name, value or type, descriptor)")
        name = f"{namespace}.{entry[0]}" if namespace else entry[0]
        if not name:
            raise InvalidParameterException(name)
        given = entry[1] if len(entry) > 1 else None
        descriptor = entry[2] if len(entry) > 2 else ParameterDescriptor()
        if not isinstance(descriptor, ParameterDescriptor):
            raise TypeError(f"The descriptor of the parameter '{name}' is a {type(descriptor).__name__}")
        if len(entry) == 1:
            warnings.warn(
                f"when declaring parameter named '{name}', declaring a parameter only providing its name is deprecated",
                stacklevel=4,
            )
            descriptor.dynamic_typing = True
        value = None if isinstance(given, Parameter.Type) else given
        self._set_type(name, given, descriptor)
        if not ignore_override and name in self._parameter_overrides:
            value = self._parameter_overrides[name].value
        elif isinstance(value, ParameterValue):
            raise ValueError("Cannot declare a Parameter from a ParameterValue without an override")
        return Parameter(name, value=value), descriptor

    def _set_type(self, name: str, given: Any, descriptor: ParameterDescriptor) -> None:
        if isinstance(given, Parameter.Type):
            if given is Parameter.Type.NOT_SET:
                raise ValueError(f"Cannot declare parameter {{{name}}} as statically typed of type NOT_SET")
            if descriptor.dynamic_typing:
                raise ValueError(
                    f"When declaring parameter {{{name}}} passing a descriptor with `dynamic_typing=True` is not "
                    "allowed when the parameter type is provided"
                )
            descriptor.type = int(given)
        elif not descriptor.dynamic_typing:
            kind = given.type if isinstance(given, ParameterValue) else Parameter.Type.from_parameter_value(given)
            if kind == Parameter.Type.NOT_SET:
                raise ValueError(
                    "Cannot declare a statically typed parameter with default value of type PARAMETER_NOT_SET"
                )
            descriptor.type = int(kind)

    def undeclare_parameter(self, name: str) -> None:
        """Undeclare a parameter.

        Raises:
            ParameterNotDeclaredException, ParameterImmutableException.
        """
        if not self.has_parameter(name):
            raise ParameterNotDeclaredException(name)
        if self._descriptors[name].read_only:
            raise ParameterImmutableException(name)
        del self._parameters[name], self._descriptors[name]

    def has_parameter(self, name: str) -> bool:
        """Return whether a parameter is declared."""
        return name in self._parameters

    def get_parameter(self, name: str) -> Parameter:
        """Return a parameter.

        Raises:
            ParameterNotDeclaredException; ParameterUninitializedException: it was declared with a type, but has no
                value yet.
        """
        if name not in self._parameters:
            if self._allow_undeclared_parameters:
                return Parameter(name, Parameter.Type.NOT_SET, None)
            raise ParameterNotDeclaredException(name)
        parameter = self._parameters[name]
        if parameter.type_ is Parameter.Type.NOT_SET and not self._descriptors[name].dynamic_typing:
            raise ParameterUninitializedException(name)
        return parameter

    def get_parameters(self, names: list[str]) -> list[Parameter]:
        """Return several parameters; see get_parameter."""
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter(name) for name in names]

    def get_parameter_or(self, name: str, alternative_value: Parameter | None = None) -> Parameter:
        """Return a parameter, or the alternative if it is not declared or has no value."""
        parameter = self._parameters.get(name)
        if parameter is None or parameter.type_ is Parameter.Type.NOT_SET:
            return alternative_value or Parameter(name, Parameter.Type.NOT_SET)
        return parameter

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """Return the parameters that start with "prefix.", by the rest of their names."""
        start = prefix + PARAMETER_SEPARATOR_STRING if prefix else ""
        return {name[len(start) :]: value for name, value in self._parameters.items() if name.startswith(start)}

    def get_parameter_type(self, name: str) -> Parameter.Type:
        """Return a parameter's type; see get_parameter."""
        if name in self._parameters:
            return self._parameters[name].type_
        if self._allow_undeclared_parameters:
            return Parameter.Type.NOT_SET
        raise ParameterNotDeclaredException(name)

    def get_parameter_types(self, names: list[str]) -> list[Parameter.Type]:
        """Return the types of several parameters."""
        return [self.get_parameter_type(name) for name in names]

    def set_parameters(self, parameter_list: list[Parameter]) -> list[SetParametersResult]:
        """Set parameters one after the other, and return the result of each.

        Raises:
            ParameterNotDeclaredException: those before it remain set.
        """
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set all parameters or none.

        Raises:
            ParameterNotDeclaredException: none was set.
        """
        if self._pre_set:
            parameter_list = [changed for callback in self._pre_set for changed in callback(parameter_list)]
            if not parameter_list:
                reason = "parameter list cannot be empty, this might be due to pre_set_parameters_callback"
                return SetParametersResult(successful=False, reason=reason)
        if not all(isinstance(parameter, Parameter) for parameter in parameter_list):
            raise TypeError(f"parameter must be instance of type '{Parameter!r}'")
        undeclared = [parameter.name for parameter in parameter_list if parameter.name not in self._parameters]
        if undeclared and not self._allow_undeclared_parameters:
            raise ParameterNotDeclaredException(undeclared)
        return self._store(parameter_list, None)

    def _store(
        self,
        parameters: list[Parameter],
        descriptors: dict[str, ParameterDescriptor] | None,
        keep_unset: bool = False,
    ) -> SetParametersResult:
        for parameter in parameters:
            descriptor = (self._descriptors if descriptors is None else descriptors).get(parameter.name)
            if descriptor is not None:
                descriptor.name = parameter.name
                reason = self._refusal(parameter, descriptor, check_read_only=descriptors is None)
                if reason:
                    return SetParametersResult(successful=False, reason=reason)
        for callback in self._on_set:
            result = callback(parameters)
            if not result.successful:
                return result
        event = ParameterEvent(node=self.get_fully_qualified_name())
        for parameter in parameters:
            self._apply(parameter, descriptors, keep_unset, event)
        event.stamp = self.get_clock().now().to_msg()
        self._publish_parameter_event(event)
        for notify in self._post_set:
            notify(parameters)
        return SetParametersResult(successful=True)

    def _apply(
        self,
        parameter: Parameter,
        descriptors: dict[str, ParameterDescriptor] | None,
        keep_unset: bool,
        event: ParameterEvent,
    ) -> None:
        name = parameter.name
        if parameter.type_ is Parameter.Type.NOT_SET and not keep_unset:
            event.deleted_parameters.append(parameter.to_parameter_msg())
            self._parameters.pop(name, None)
            self._descriptors.pop(name, None)
            return
        if descriptors is not None:
            self._descriptors[name] = descriptors[name]
        elif name not in self._descriptors:
            self._descriptors[name] = ParameterDescriptor(name=name, type=int(parameter.type_), dynamic_typing=True)
        is_new = self.get_parameter_or(name).type_ is Parameter.Type.NOT_SET
        (event.new_parameters if is_new else event.changed_parameters).append(parameter.to_parameter_msg())
        self._parameters[name] = parameter

    def _refusal(self, parameter: Parameter, descriptor: ParameterDescriptor, check_read_only: bool) -> str:
        """Return why the descriptor does not allow the value; "" if it does."""
        if check_read_only and descriptor.read_only:
            return f"Trying to set a read-only parameter: {parameter.name}."
        if descriptor.dynamic_typing:
            descriptor.type = int(parameter.type_)
        elif parameter.type_ is Parameter.Type.NOT_SET:
            return "Static parameter cannot be undeclared" if self.has_parameter(parameter.name) else ""
        elif int(parameter.type_) != descriptor.type:
            return f"{WRONG_TYPE}, expected '{Parameter.Type(descriptor.type)}' got '{parameter.type_}'"
        if parameter.type_ is Parameter.Type.INTEGER and descriptor.integer_range:
            return _integer_refusal(parameter, descriptor.integer_range[0])
        if parameter.type_ is Parameter.Type.DOUBLE and descriptor.floating_point_range:
            return _double_refusal(parameter, descriptor.floating_point_range[0], self.PARAM_REL_TOL)
        return ""

    def describe_parameter(self, name: str) -> ParameterDescriptor:
        """Return a parameter's descriptor; see get_parameter."""
        if name in self._descriptors:
            return self._descriptors[name]
        if self._allow_undeclared_parameters:
            return ParameterDescriptor()
        raise ParameterNotDeclaredException(name)

    def describe_parameters(self, names: list[str]) -> list[ParameterDescriptor]:
        """Return the descriptors of several parameters."""
        return [self.describe_parameter(name) for name in names]

    def set_descriptor(
        self, name: str, descriptor: ParameterDescriptor, alternative_value: ParameterValue | None = None
    ) -> ParameterValue:
        """Replace a parameter's descriptor; `alternative_value` is used if the current value is then not allowed.

        Raises:
            ParameterNotDeclaredException, ParameterImmutableException, InvalidParameterValueException.
        """
        if not self.has_parameter(name):
            if not self._allow_undeclared_parameters:
                raise ParameterNotDeclaredException(name)
            return self.get_parameter(name).get_parameter_value()
        if self.describe_parameter(name).read_only:
            raise ParameterImmutableException(name)
        parameter = self._parameters[name]
        if alternative_value is not None:
            parameter = Parameter.from_parameter_msg(
                parameter.to_parameter_msg().__class__(name=name, value=alternative_value)
            )
        descriptor.name = name
        descriptor.type = descriptor.type or int(parameter.type_)
        reason = self._refusal(parameter, descriptor, check_read_only=False)
        if reason:
            raise InvalidParameterValueException(name, parameter.value, reason)
        self._parameters[name], self._descriptors[name] = parameter, descriptor
        return parameter.get_parameter_value()

    def list_parameters(self, prefixes: list[str], depth: int) -> ListParametersResult:
        """Return the names of parameters, and the prefixes among them.

        Args:
            prefixes: only names with one of these prefixes; all for an empty list.
            depth: maximum number of levels (dots) below the prefix; 0: no limit.
        """
        if depth < 0:
            raise ValueError("The depth must be greater than or equal to zero")

        def shallow(name: str) -> bool:
            return depth == ListParameters.Request.DEPTH_RECURSIVE or name.count(PARAMETER_SEPARATOR_STRING) < depth

        def wanted(name: str) -> bool:
            if not prefixes:
                return shallow(name)
            dotted = [(prefix, prefix + PARAMETER_SEPARATOR_STRING) for prefix in prefixes]
            return any(name == prefix or (name.startswith(dot) and shallow(name[len(dot) :])) for prefix, dot in dotted)

        names = [name for name in self._parameters if wanted(name)]
        nested = [
            name.rpartition(PARAMETER_SEPARATOR_STRING)[0] for name in names if PARAMETER_SEPARATOR_STRING in name
        ]
        return ListParametersResult(names=names, prefixes=list(dict.fromkeys(nested)))

    def add_pre_set_parameters_callback(self, callback: Callable[[list[Parameter]], list[Parameter]]) -> None:
        """Add a callback that may modify the list of parameters before validation."""
        self._pre_set.insert(0, callback)

    def add_on_set_parameters_callback(self, callback: OnSet) -> None:
        """Add a callback that accepts or rejects values before they are set."""
        self._on_set.insert(0, callback)

    def add_post_set_parameters_callback(self, callback: Callable[[list[Parameter]], None]) -> None:
        """Add a callback that is called with the values after they were set."""
        self._post_set.insert(0, callback)

    def remove_pre_set_parameters_callback(self, callback: Callable[[list[Parameter]], list[Parameter]]) -> None:
        """Remove the callback; ValueError if it was not added."""
        self._pre_set.remove(callback)

    def remove_on_set_parameters_callback(self, callback: OnSet) -> None:
        """Remove the callback; ValueError if it was not added."""
        self._on_set.remove(callback)

    def remove_post_set_parameters_callback(self, callback: Callable[[list[Parameter]], None]) -> None:
        """Remove the callback; ValueError if it was not added."""
        self._post_set.remove(callback)


def _integer_refusal(parameter: Parameter, limits: IntegerRange) -> str:
    low, high = sorted((limits.from_value, limits.to_value))
    value = parameter.value
    if value in (low, high):
        return ""
    if not low < value < high:
        return f"Parameter {parameter.name} out of range. Min: {low}, Max: {high}, value: {value}"
    if limits.step and (value - low) % limits.step:
        return (
            f"The parameter value for {parameter.name} is not a valid step. "
            f"Min: {low}, max: {high}, value: {value}, step: {limits.step}"
        )
    return ""


def _double_refusal(parameter: Parameter, limits: FloatingPointRange, tolerance: float) -> str:
    low, high = sorted((limits.from_value, limits.to_value))
    value = parameter.value
    if math.isclose(value, low, rel_tol=tolerance) or math.isclose(value, high, rel_tol=tolerance):
        return ""
    if not low < value < high:
        return f"Parameter {parameter.name} out of range Min: {low}, Max: {high}, value: {value}"
    if limits.step:
        nearest = low + round((value - low) / limits.step) * limits.step
        if not math.isclose(nearest, value, rel_tol=tolerance):
            return (
                f"The parameter value for {parameter.name} is not close enough to a valid step. "
                f"Min: {low}, max: {high}, value: {value}, step: {limits.step}"
            )
    return ""
