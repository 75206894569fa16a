"""Reads numbers from a pickle without executing it.

A pickle is a program; `pickle.load` runs it and calls any function that it names. This is an interpreter of the same
opcodes without functions: it builds numbers, strings, lists, tuples, dictionaries and NumPy arrays of numbers, and
refuses everything else.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.json_file import check_file

SHOWN = 80
"""Maximum characters of a name in a message."""
LARGEST = 1 << 20
"""Largest file [bytes]; the statistics of seven dimensions have 400."""
MOST_STEPS, MOST_DEPTH = 20_000, 100
"""Maximum number of opcodes, and maximum nesting depth."""
NAMES = {
    **{
        (f"numpy.{core}.multiarray", f"{name}"): name
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): "_frombuffer" for core in ("core", "_core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("collections", "OrderedDict"): "dict",
    ("_codecs", "encode"): "encode",
}
"""Module and name of the globals in a pickle of numbers, and their replacements here."""
PUSHED = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MARK = object()


class PickleError(ValueError):
    """The pickle is damaged, or contains something other than numbers; the message says what."""


@dataclass(frozen=True)
class _Name:
    """A global in NAMES. It is never called."""

    kind: str


@dataclass
class _Type:
    """A numeric NumPy dtype."""

    value: np.dtype[Any]


@dataclass
class PickledArray:
    """A NumPy array; value: None until its content was read."""

    value: NDArray[Any] | None = None


def read_numbers(path: Path) -> Any:
    """The contents of a pickle of numbers, strings, bytes, lists, tuples, dictionaries and PickledArrays.

    Raises PickleError for any other file. Nothing in it is executed.
    """
    check_file(path, PickleError, LARGEST)
    try:
        return _Machine().run(path.read_bytes())
    except PickleError as error:
        raise PickleError(f"{path}: {error}") from error
    except Exception as error:  # damaged files make pickletools and NumPy raise anything
        raise PickleError(f"{path} is damaged or not a pickle ({type(error).__name__}).") from error


class _Machine:
    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if opcode.name == "STOP":
                return self._stack.pop()
            if step >= MOST_STEPS or len(self._marks) > MOST_DEPTH:
                raise PickleError(
                    f"it has more than {MOST_STEPS:,} opcodes, or is nested more than {MOST_DEPTH} levels deep."
                )
            self._do(opcode.name, argument)
        raise PickleError("it ends too early.")

    def _do(self, name: str, argument: Any) -> None:
        match name:
            case _ if name in PUSHED:
                self._stack.append(argument)
            case _ if name in CONSTANTS:
                self._stack.append(CONSTANTS[name])
            case "EMPTY_LIST" | "EMPTY_DICT":
                self._stack.append([] if name == "EMPTY_LIST" else {})
            case "MARK":
                self._marks.append(len(self._stack))
            case "TUPLE" | "LIST":
                self._stack.append((tuple if name == "TUPLE" else list)(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._stack.append(tuple(self._taken(int(name[-1]))))
            case "DICT":
                self._stack.append(_updated({}, self._since_mark()))
            case "SETITEM" | "SETITEMS":
                pairs = self._taken(2) if name == "SETITEM" else self._since_mark()
                _updated(self._stack[-1], pairs)
            case "APPEND" | "APPENDS":
                values = self._taken(1) if name == "APPEND" else self._since_mark()
                _appended(self._stack[-1], values)
            case "PUT" | "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                self._stack.append(self._memo[argument])
            case "GLOBAL" | "STACK_GLOBAL":
                self._stack.append(_named(*(self._taken(2) if argument is None else argument.split(" ", 1))))
            case "REDUCE":
                self._stack.append(_made(*self._taken(2)))
            case "BUILD":
                _filled(self._stack[-2], self._taken(1)[0])
            case "PROTO" | "FRAME":
                pass
            case _:
                raise PickleError(f"it has the opcode {name}, which is not needed for numbers; it was not executed.")

    def _taken(self, count: int) -> list[Any]:
        if count > len(self._stack) - (self._marks[-1] if self._marks else 0):
            raise PickleError("it pops from an empty stack.")
        found, self._stack[-count:] = self._stack[-count:], []
        return found

    def _since_mark(self) -> list[Any]:
        at = self._marks.pop()
        found, self._stack[at:] = self._stack[at:], []
        return found


def _named(module: object, name: object) -> _Name:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise PickleError("a global's name is not a string.")
    if (module, name) not in NAMES:
        called = ascii(f"{module}.{name}"[:SHOWN])[1:-1]
        raise PickleError(f"it refers to {called}, which is not needed for numbers; it was not executed.")
    return _Name(NAMES[module, name])


def _updated(target: object, pairs: list[Any]) -> dict[Any, Any]:
    if not isinstance(target, dict) or len(pairs) % 2 or not all(isinstance(key, str | int) for key in pairs[::2]):
        raise PickleError("it has a dictionary whose keys are neither strings nor numbers.")
    target.update(zip(pairs[::2], pairs[1::2], strict=True))
    return target


def _appended(target: object, values: list[Any]) -> None:
    if not isinstance(target, list):
        raise PickleError("it appends to something that is not a list.")
    target.extend(values)


def _made(name: object, arguments: object) -> Any:
    """The result of a global called with arguments; it is built here without a call."""
    match name, arguments:
        case _Name("dict"), ():
            return {}
        case _Name("encode"), (str(text), "latin1"):
            return text.encode("latin1")
        case _Name("dtype"), (str(code), *_):
            return _Type(_numbers(np.dtype(code[:3])))
        case _Name("_reconstruct"), (_Name("ndarray"), *_):
            return PickledArray()
        case _Name("scalar"), (_Type(number), bytes(content)):
            return np.frombuffer(content, number)[0].item()
        case _Name("_frombuffer"), (bytes() | bytearray() as content, _Type(number), tuple(shape), "C" | "F" as order):
            return PickledArray(np.frombuffer(content, number).reshape(shape, order=order))
    kind = name.kind if isinstance(name, _Name) else type(name).__name__
    raise PickleError(f"it creates something from {kind} that is not an array of numbers; it was not executed.")


def _filled(target: object, state: object) -> None:
    """BUILD: sets an array's content, or a dtype's byte order."""
    match target, state:
        case _Type(number), (int(), ("<" | ">" | "|" | "=") as order, None, None, None, *_):
            target.value = number.newbyteorder(order)
        case PickledArray(), (int(), tuple(shape), _Type(number), bool(by_columns), bytes(content)):
            target.value = np.frombuffer(content, number).reshape(shape, order="F" if by_columns else "C")
        case _:
            raise PickleError("it sets the state of something that is not an array of numbers; it was not executed.")


def _numbers(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.kind not in "fiu":
        raise PickleError(f"it has an array of the dtype {kind}, expected numbers.")
    return kind
