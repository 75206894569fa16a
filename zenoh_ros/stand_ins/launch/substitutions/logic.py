"""Substitutions with the value `true` or `false`, or that select a text."""

from __future__ import annotations

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import describe_substitutions, normalize_to_list_of_substitutions, perform_substitutions
from ..utilities.type_utils import coerce_to_type
from .substitution_failure import SubstitutionFailure


class _Operator(Substitution):
    """Evaluates the texts of its operands."""

    def __init__(self, *operands: SomeSubstitutionsType) -> None:
        self.operands = [
            normalize_to_list_of_substitutions(str(operand) if isinstance(operand, (bool, int, float)) else operand)
            for operand in operands
        ]

    def texts(self, context: LaunchContext) -> list[str]:
        return [perform_substitutions(context, operand) for operand in self.operands]

    def truths(self, context: LaunchContext) -> list[bool]:
        try:
            return [coerce_to_type(text.strip().lower(), bool) for text in self.texts(context)]
        except ValueError as error:
            raise SubstitutionFailure(f"{self.describe()}: {error}") from None

    def describe(self) -> str:
        return f"{type(self).__name__}({', '.join(describe_substitutions(operand) for operand in self.operands)})"


class EqualsSubstitution(_Operator):
    """Whether two texts are equal; compared as numbers or booleans if both are."""

    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        super().__init__(left, right)

    def perform(self, context: LaunchContext) -> str:
        left, right = self.texts(context)
        return _text(left == right or _numbers_equal(left, right) or _truths_equal(left, right))


class NotEqualsSubstitution(EqualsSubstitution):
    """The opposite of EqualsSubstitution."""

    def perform(self, context: LaunchContext) -> str:
        return _text(super().perform(context) == "false")


class NotSubstitution(_Operator):
    """The negation of a boolean."""

    def __init__(self, value: SomeSubstitutionsType) -> None:
        super().__init__(value)

    def perform(self, context: LaunchContext) -> str:
        return _text(not self.truths(context)[0])


class AndSubstitution(_Operator):
    """Whether both are true."""

    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        super().__init__(left, right)

    def perform(self, context: LaunchContext) -> str:
        return _text(all(self.truths(context)))


class OrSubstitution(_Operator):
    """Whether one of the two is true."""

    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        super().__init__(left, right)

    def perform(self, context: LaunchContext) -> str:
        return _text(any(self.truths(context)))


class IfElseSubstitution(Substitution):
    """One of two texts, depending on a condition."""

    def __init__(
        self,
        condition: SomeSubstitutionsType,
        if_value: SomeSubstitutionsType = "",
        else_value: SomeSubstitutionsType = "",
    ) -> None:
        self._condition = _Operator(condition)
        self.if_value = normalize_to_list_of_substitutions(if_value)
        self.else_value = normalize_to_list_of_substitutions(else_value)

    def perform(self, context: LaunchContext) -> str:
        chosen = self.if_value if self._condition.truths(context)[0] else self.else_value
        return perform_substitutions(context, chosen)

    def describe(self) -> str:
        return f"IfElse({self._condition.describe()})"


def _text(value: bool) -> str:
    return "true" if value else "false"


def _numbers_equal(left: str, right: str) -> bool:
    try:
        return float(left) == float(right)
    except ValueError:
        return False


def _truths_equal(left: str, right: str) -> bool:
    try:
        return coerce_to_type(left.lower(), bool) is coerce_to_type(right.lower(), bool)
    except ValueError:
        return False
