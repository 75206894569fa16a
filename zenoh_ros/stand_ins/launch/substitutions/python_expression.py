"""A Python expression in a launch file, evaluated without running arbitrary code."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import describe_substitutions, normalize_to_list_of_substitutions, perform_substitutions
from .substitution_failure import SubstitutionFailure

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_NAMES: dict[str, Any] = {
    **{name: getattr(math, name) for name in dir(math) if not name.startswith("_")},
    **{f.__name__: f for f in (str, int, float, bool, len, abs, min, max, round, sum)},
    "true": True,
    "false": False,
    "math": math,
}
_TEXT_METHODS = {"lower", "upper", "strip", "startswith", "endswith", "split", "replace", "join"}


class PythonExpression(Substitution):
    """The value of a Python expression as text: comparisons, logic, arithmetic, strings, lists and the module math.

    Args:
        expression: its text, in parts, e.g. `["'", LaunchConfiguration("arm"), "' == 'sim'"]`.
        python_modules: modules whose names may be used; only "math".
    """

    def __init__(self, expression: SomeSubstitutionsType, python_modules: SomeSubstitutionsType = ("math",)) -> None:
        self.expression = normalize_to_list_of_substitutions(expression)
        self.python_modules = normalize_to_list_of_substitutions(python_modules)

    def perform(self, context: LaunchContext) -> str:
        text = perform_substitutions(context, self.expression)
        for module in self.python_modules:
            if module.perform(context) != "math":
                raise SubstitutionFailure(f"python_modules: only 'math' is allowed here, not {module.describe()}")
        try:
            return str(_value(ast.parse(text.strip(), mode="eval").body))
        except (SyntaxError, TypeError, ValueError, KeyError, IndexError, ArithmeticError) as error:
            raise SubstitutionFailure(f"Python expression `{text}`: {error}") from None

    def describe(self) -> str:
        return f"PythonExpr({describe_substitutions(self.expression)})"


def _value(node: ast.expr) -> Any:
    """The value of a node of the expression's syntax tree.

    Raises:
        ValueError: the expression uses something that is not allowed here.
    """
    for kind, evaluate in _EVALUATORS.items():
        if isinstance(node, kind):
            return evaluate(node)
    raise ValueError(
        f"`{ast.unparse(node)}` is not allowed here (only comparisons, logic, arithmetic, strings and math)"
    )


def _name(node: ast.Name) -> Any:
    if node.id not in _NAMES:
        raise ValueError(f"'{node.id}' is unknown; a string needs quotes: \"'\", LaunchConfiguration(...), \"'\"")
    return _NAMES[node.id]


def _logic(node: ast.BoolOp) -> Any:
    stop_at = isinstance(node.op, ast.Or)
    result: Any = None
    for operand in node.values:
        result = _value(operand)
        if bool(result) is stop_at:
            break
    return result


def _comparison(node: ast.Compare) -> bool:
    left = _value(node.left)
    for operation, operand in zip(node.ops, node.comparators, strict=True):
        right = _value(operand)
        if not _BINARY[type(operation)](left, right):
            return False
        left = right
    return True


def _binary(node: ast.BinOp) -> Any:
    if type(node.op) not in _BINARY:
        raise ValueError(f"the operator of `{ast.unparse(node)}` is not allowed here")
    return _BINARY[type(node.op)](_value(node.left), _value(node.right))


def _attribute(node: ast.Attribute) -> Any:
    owner = _value(node.value)
    if owner is math and not node.attr.startswith("_"):
        return getattr(math, node.attr)
    if isinstance(owner, str) and node.attr in _TEXT_METHODS:
        return getattr(owner, node.attr)
    raise ValueError(f"`.{node.attr}` is not allowed here")


def _call(node: ast.Call) -> Any:
    if node.keywords:
        raise ValueError(f"`{ast.unparse(node)}`: keyword arguments are not allowed here")
    return _value(node.func)(*[_value(argument) for argument in node.args])


_EVALUATORS: dict[type[ast.expr], Callable[[Any], Any]] = {
    ast.Constant: lambda node: node.value,
    ast.Name: _name,
    ast.BoolOp: _logic,
    ast.Compare: _comparison,
    ast.BinOp: _binary,
    ast.UnaryOp: lambda node: _UNARY[type(node.op)](_value(node.operand)),
    ast.IfExp: lambda node: _value(node.body) if _value(node.test) else _value(node.orelse),
    ast.List: lambda node: [_value(member) for member in node.elts],
    ast.Tuple: lambda node: tuple(_value(member) for member in node.elts),
    ast.Subscript: lambda node: _value(node.value)[_value(node.slice)],
    ast.Attribute: _attribute,
    ast.Call: _call,
}
