"""The states are the numbers of the message."""

from __future__ import annotations

import re
from pathlib import Path

from rt_vla_ros.control.status import State


def test_the_states_are_those_of_the_message() -> None:
    text = (Path(__file__).parents[2] / "msg" / "ControllerStatus.msg").read_text(encoding="utf-8")
    constants = {name: int(value) for name, value in re.findall(r"^uint8 ([A-Z]+)=(\d+)$", text, re.MULTILINE)}
    assert constants == {state.name: state.value for state in State}
