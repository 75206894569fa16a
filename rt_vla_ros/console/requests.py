"""The messages of a page to the server, all validated before use."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from rt_vla_ros.console.stick import AXES, LET_GO, StickState
from rt_vla_ros.runtime.instruction_gate import LONGEST_TEXT

LONGEST_MESSAGE = 16_384  # [bytes]
LATEST_TIME = 1e12  # accepted from a page, 31 years [ms]
# Allowed for every page; everything else only for the page in control.
FOR_ALL = ("heartbeat", "stop", "take_control")
TEXTS = {"instruct": "instruction", "ask": "question", "record_start": "instruction"}
FLAGS = {"arm_stick": "armed", "record_stop": "success", "record_label": "success"}
PLAIN = ("release", "resume", "cancel", "record_discard", "new_scene")
KINDS = (*FOR_ALL, *TEXTS, *FLAGS, *PLAIN, "stick")


@dataclass(frozen=True)
class PageRequest:
    """kind: one of KINDS. number: matches the answer to the request. text, flag, stick: for the kinds that have them.
    echo: server time of the last state that the page received [s]; 0: none. kept: how long the page had it when it
    sent this [s].
    """

    kind: str
    number: int = 0
    echo: float = 0.0
    kept: float = 0.0
    text: str = ""
    flag: bool = False
    stick: StickState = LET_GO

    def trip(self, at: float) -> float:
        """Round-trip time to the page by this request [s]; infinite if unknown. at: arrival time."""
        return max(0.0, at - self.echo - self.kept) if 0 < self.echo <= at else math.inf


class Reply(NamedTuple):
    """The result of a request: whether it succeeded, and a sentence."""

    ok: bool
    sentence: str


class BadRequest(ValueError):
    """An invalid message; the sentence says what is wrong."""


def read_request(message: str) -> PageRequest:
    """Raises BadRequest."""
    if len(message.encode(errors="replace")) > LONGEST_MESSAGE:
        raise BadRequest(f"The message is longer than {LONGEST_MESSAGE} bytes.")
    try:
        data = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The message is not valid JSON.") from error
    if not isinstance(data, dict):
        raise BadRequest("The message is not a JSON object.")
    kind = data.get("kind")
    if kind not in KINDS:
        raise BadRequest(f"The message has no known kind; expected one of {', '.join(KINDS)}.")
    number = data.get("number", 0)
    if type(number) is not int or not 0 <= number < 2**53:
        raise BadRequest("'number' is not an integer.")
    text = _text(data, TEXTS[kind], empty=kind == "record_start") if kind in TEXTS else ""
    flag = _flag(data, FLAGS[kind]) if kind in FLAGS else False
    echo, kept = (_number(data, name, 0.0, (0.0, LATEST_TIME)) / 1000 for name in ("echo", "kept"))
    return PageRequest(kind, number, echo, kept, text, flag, _stick(data) if kind == "stick" else LET_GO)


def _text(data: dict[str, Any], name: str, *, empty: bool) -> str:
    text = data.get("text")
    if not isinstance(text, str):
        raise BadRequest("'text' is not a string.")
    text = " ".join(text.encode(errors="replace").decode().split())
    if not text and not empty:
        raise BadRequest(f"The {name} is empty.")
    if len(text) > LONGEST_TEXT:
        raise BadRequest(f"The {name} has {len(text)} characters, expected at most {LONGEST_TEXT}.")
    return text


def _flag(data: dict[str, Any], name: str) -> bool:
    if not isinstance(data.get(name), bool):
        raise BadRequest(f"'{name}' is neither true nor false.")
    return bool(data[name])


def _number(data: dict[str, Any], name: str, default: float | None, within: tuple[float, float]) -> float:
    """Reads a number of a page, except `number`: finite and within the bounds."""
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(_float(value)):
        raise BadRequest(f"'{name}' is not a finite number.")
    low, high = within
    if not low <= value <= high:
        raise BadRequest(f"'{name}' is not within {low:g} ... {high:g}.")
    return float(value)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # of a whole number
        return math.inf


def _stick(data: dict[str, Any]) -> StickState:
    held, axes = _flag(data, "held"), data.get("axes")
    if not isinstance(axes, list) or len(axes) != AXES:
        raise BadRequest(f"'axes' is not a list of {AXES} numbers.")
    values = tuple(_number({"axes": value}, "axes", None, (-1.0, 1.0)) for value in axes)
    gripper = None if data.get("gripper") is None else _number(data, "gripper", None, (0.0, 1.0))
    return StickState(held, values, gripper)
