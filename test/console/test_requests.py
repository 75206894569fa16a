"""What a page says is checked, whatever it is."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from rt_vla_ros.console.requests import KINDS, LONGEST_MESSAGE, BadRequest, PageRequest, read_request
from rt_vla_ros.console.stick import StickState
from rt_vla_ros.runtime.instruction_gate import LONGEST_TEXT

STICK = {"kind": "stick", "held": True, "axes": [0, 0.5, -1, 0, 0, 0], "gripper": 1}


def say(**fields: Any) -> PageRequest:
    return read_request(json.dumps(fields))


def test_what_the_page_says_is_read() -> None:
    assert say(kind="stop", number=3, echo=1500, kept=20) == PageRequest("stop", 3, 1.5, 0.02)
    assert say(kind="instruct", text="  pick up\nit ").text == "pick up it"
    assert say(kind="record_start", text="").text == ""
    assert say(kind="record_stop", success=True).flag is True
    assert say(**STICK).stick == StickState(True, (0.0, 0.5, -1.0, 0.0, 0.0, 0.0), 1.0)


def test_the_way_there_and_back_is_told_by_what_comes_back() -> None:
    assert say(kind="heartbeat", echo=1500, kept=20).trip(1.56) == pytest.approx(0.04)
    assert say(kind="heartbeat", echo=1500, kept=90).trip(1.56) == 0.0
    for echo in (0, 1600):  # none, and one that is still to come
        assert say(kind="heartbeat", echo=echo).trip(1.56) == math.inf


def test_half_a_character_is_replaced() -> None:
    assert read_request('{"kind": "ask", "text": "a \\ud800"}').text == "a ?"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "no known kind"),
        ({"kind": "fly"}, "no known kind"),
        ({"kind": ["stop"]}, "no known kind"),
        ({"kind": "stop", "number": -1}, "'number' is not an integer"),
        ({"kind": "stop", "number": True}, "'number' is not an integer"),
        ({"kind": "stop", "echo": "now"}, "'echo' is not a finite number"),
        ({"kind": "stop", "kept": 10**400}, "'kept' is not a finite number"),
        ({"kind": "stop", "echo": 1.7e308}, "'echo' is not within 0 ... 1e\\+12"),
        ({"kind": "stop", "kept": -1}, "'kept' is not within 0 "),
        ({"kind": "stop", "echo": float("inf")}, "'echo' is not a finite number"),
        ({"kind": "instruct"}, "'text' is not a string"),
        ({"kind": "instruct", "text": " \n"}, "The instruction is empty"),
        ({"kind": "ask", "text": "a" * (LONGEST_TEXT + 1)}, "The question has 1001 characters, expected at most 1000"),
        ({"kind": "record_stop", "success": 1}, "'success' is neither true nor false"),
        ({"kind": "arm_stick"}, "'armed' is neither true nor false"),
        ({**STICK, "axes": [0] * 5}, "'axes' is not a list of 6 numbers"),
        ({**STICK, "axes": [0, 0, 0, 0, 0, 1.01]}, "'axes' is not within -1 ... 1"),
        ({**STICK, "axes": [0, 0, 0, 0, 0, None]}, "'axes' is not a finite number"),
        ({**STICK, "axes": [0, 0, 0, 0, 0, float("nan")]}, "'axes' is not a finite number"),
        ({**STICK, "held": None}, "'held' is neither true nor false"),
        ({**STICK, "gripper": 2}, "'gripper' is not within 0 ... 1"),
        ({**STICK, "gripper": float("nan")}, "'gripper' is not a finite number"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        say(**fields)


@pytest.mark.parametrize("message", ["", "stop", "[]", "null", "[" * 10_000, '{"kind": 1' + "0" * 5000 + "}"])
def test_what_is_no_message_is_refused(message: str) -> None:
    with pytest.raises(BadRequest):
        read_request(message)


def test_a_long_message_is_not_even_read() -> None:
    with pytest.raises(BadRequest, match="longer than 16384 bytes"):
        read_request(" " * (LONGEST_MESSAGE + 1))


def test_noise_raises_nothing_else() -> None:
    rng = np.random.default_rng(0)
    letters = list('{}[]":,0123456789.eE-+ \\utrfnalsekindstophlxg\x00ü')
    for _ in range(2000):
        kind = rng.choice([*KINDS, ""])
        noise = "".join(rng.choice(letters, rng.integers(0, 40)))
        try:
            read_request(f'{{"kind": "{kind}", "text": {noise}}}' if rng.random() < 0.5 else noise)
        except BadRequest:
            continue
