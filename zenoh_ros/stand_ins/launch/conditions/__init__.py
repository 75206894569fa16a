"""The conditions of launch."""

from __future__ import annotations

from collections.abc import Iterable

from ..condition import Condition
from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import describe_substitutions, normalize_to_list_of_substitutions, perform, perform_substitutions


class InvalidConditionExpressionError(ValueError):
    """A condition's text is neither true nor false."""


def evaluate_condition_expression(context: LaunchContext, expression: Iterable[Substitution]) -> bool:
    """`true` or `1`, `false` or `0`, in any case.

    Raises:
        InvalidConditionExpressionError: it is anything else.
    """
    subs = list(expression)
    text = perform_substitutions(context, subs).strip().lower()
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise InvalidConditionExpressionError(
        f"condition {describe_substitutions(subs)} is '{text}', expected one of: true, 1, false, 0"
    )


class IfCondition(Condition):
    """True if the text is true."""

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        self._expression = normalize_to_list_of_substitutions(predicate_expression)
        super().__init__(predicate=lambda context: evaluate_condition_expression(context, self._expression))


class UnlessCondition(Condition):
    """True if the text is false."""

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        self._expression = normalize_to_list_of_substitutions(predicate_expression)
        super().__init__(predicate=lambda context: not evaluate_condition_expression(context, self._expression))


class LaunchConfigurationEquals(Condition):
    """True if a launch configuration has a value; with None, if it does not exist."""

    def __init__(self, launch_configuration_name: str, expected_value: SomeSubstitutionsType | None) -> None:
        self._name = launch_configuration_name
        self._expected = expected_value
        super().__init__(predicate=self._equals)

    def _equals(self, context: LaunchContext) -> bool:
        value = context.launch_configurations.get(self._name)
        if self._expected is None or value is None:
            return value is None and self._expected is None
        return str(value) == perform(context, self._expected)


class LaunchConfigurationNotEquals(LaunchConfigurationEquals):
    """The opposite of LaunchConfigurationEquals."""

    def evaluate(self, context: LaunchContext) -> bool:
        return not super().evaluate(context)


__all__ = [
    "IfCondition",
    "InvalidConditionExpressionError",
    "LaunchConfigurationEquals",
    "LaunchConfigurationNotEquals",
    "UnlessCondition",
    "evaluate_condition_expression",
]
