"""`rt-vla topic` against a node in another process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from support.launching import child_environment

from rt_vla_ros import ros

ros.ensure()

from builtin_interfaces.msg import Time  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from zenoh_ros.commands import topic_rate  # noqa: E402
from zenoh_ros.commands.graph import spin_until  # noqa: E402


def test_topics_are_listed(command: Any) -> None:
    code, out, _ = command("topic", "list")
    assert code == 0
    assert {"/demo/chatter", "/demo/image", "/demo/instruction", "/rosout"} <= set(out.split())
    code, out, _ = command("topic", "list", "-t")
    assert "/demo/chatter [std_msgs/msg/String]" in out.splitlines()
    assert command("topic", "list", "-c")[1].strip() == str(len(out.splitlines()))


def test_a_topic_is_described(command: Any) -> None:
    code, out, _ = command("topic", "info", "/demo/chatter")
    assert code == 0
    assert out == "Type: std_msgs/msg/String\nPublisher count: 1\nSubscription count: 0\n"
    code, out, _ = command("topic", "info", "-v", "demo/instruction")
    assert code == 0
    assert "Node name: talker" in out
    assert "Node namespace: /demo" in out
    assert "Reliability: RELIABLE" in out


def test_messages_are_printed(command: Any) -> None:
    assert command("topic", "echo", "--once", "/demo/chatter") == (0, "data: hello\n---\n", "")
    assert command("topic", "echo", "--once", "--field", "data", "/demo/chatter")[1] == "hello\n---\n"
    code, out, _ = command("topic", "echo", "--once", "--no-arr", "demo/image")
    assert code == 0
    assert "data: '<sequence type: uint8, length: 400>'" in out
    assert "encoding: mono8" in out
    code, out, _ = command("topic", "echo", "--once", "-l", "3", "--field", "data", "/demo/image")
    assert out == "- 0\n- 0\n- 0\n- '...'\n---\n"
    code, out, _ = command("topic", "echo", "--once", "--flow-style", "--field", "header.stamp", "/demo/image")
    assert out == "{sec: 0, nanosec: 0}\n---\n"


def test_a_message_is_published_once_and_heard(command: Any) -> None:
    text = "pick up the red cube"
    code, out, _ = command("topic", "pub", "--once", "/demo/instruction", "std_msgs/msg/String", f"data: {text}")
    assert code == 0
    assert f"publishing #1: std_msgs.msg.String(data='{text}')" in out
    deadline = time.monotonic() + 60
    while command("topic", "echo", "--once", "/demo/echo")[1] != f"data: {text}\n---\n":  # it has not heard it yet
        assert time.monotonic() < deadline


def test_a_message_is_published_some_times(command: Any) -> None:
    arguments = ("-t", "3", "-r", "50", "-p", "2", "-w", "1", "/demo/instruction", "std_msgs/String", "{data: again}")
    code, out, _ = command("topic", "pub", *arguments)
    assert code == 0
    assert re.findall(r"publishing #(\d)", out) == ["2"]


def test_nobody_listening_is_said_in_time(command: Any) -> None:
    code, out, err = command("topic", "pub", "-1", "--max-wait-time-secs", "0.2", "/nobody", "std_msgs/msg/String")
    assert code == 2
    assert "Waiting for at least 1 matching subscription(s)..." in out
    assert "1 subscription(s) within 0.2 s, found 0" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pub", "/t", "std_msgs/msg/Strin"], "no message type 'std_msgs/msg/Strin'"),
        (["pub", "/t", "String"], "Did you mean 'std_msgs/msg/String'?"),
        (["pub", "/t", "std_msgs/msg/String", "data: [1"], "the values are not YAML at line 1, column 9"),
        (["pub", "/t", "std_msgs/msg/String", "hello"], "must be a YAML mapping such as 'data: hello', got 'hello'"),
        (["pub", "/t", "std_msgs/msg/String", "{dat: x}"], "has no field 'dat'. Did you mean 'data'?"),
        (["pub", "/t", "std_msgs/msg/String", "{data: yes}"], "put it in quotes"),
        (["pub", "-r", "0", "/t", "std_msgs/msg/String"], "expected a number above 0, got '0'"),
        (["pub", "a b", "std_msgs/msg/String"], "Invalid topic name"),
        (["pub", "-n", "a b", "/t", "std_msgs/msg/String"], "Invalid node name"),
        (["echo", "/demo/chattr"], "no topic '/demo/chattr' on the graph. Did you mean '/demo/chatter'?"),
        (["echo", "--field", "dada", "/demo/chatter"], "no field 'dada' in this message. Did you mean 'data'?"),
        (["info", "/nowhere"], "no topic '/nowhere' on the graph"),
        (["publish"], "invalid choice: 'publish'"),
    ],
)
@pytest.mark.usefixtures("hasty")
def test_what_cannot_be_done_is_said_in_a_sentence(command: Any, arguments: list[str], sentence: str) -> None:
    code, _, err = command("topic", *arguments)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_silence_has_an_end(command: Any) -> None:
    assert command("topic", "echo", "--timeout", "0.2", "/quiet", "std_msgs/msg/String") == (1, "", "")


def rate(line: str) -> float:
    return float(line.removeprefix("average rate: "))


@pytest.mark.parametrize("arguments", [["hz", "/demo/chatter"], ["echo", "/demo/chatter"]])
def test_ctrl_c_ends_what_goes_on_for_ever(talker: Any, arguments: list[str]) -> None:
    line = [sys.executable, "-m", "rt_vla_ros.cli", "topic", *arguments]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=child_environment()
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            while arguments[0] == "hz" and not 10 < rate(lines[0]) < 30:  # a busy machine makes it slower for a while
                lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    if arguments[0] == "hz":
        assert re.fullmatch(r"\tmin: \d.\d+s max: \d.\d+s std dev: \d.\d+s window: \d+\n", lines[1])
    else:
        assert lines == ["data: hello\n", "---\n"]


def test_a_type_is_said(command: Any) -> None:
    assert command("topic", "type", "demo/image") == (0, "sensor_msgs/msg/Image\n", "")


def test_messages_are_printed_as_csv(command: Any) -> None:
    line = command("topic", "echo", "--once", "--csv", "--no-arr", "/demo/image")[1]
    assert line == "0,0,,2,200,mono8,0,200,<sequence type: uint8, length: 400>\n"
    assert command("topic", "echo", "--once", "--csv", "--field", "data", "/demo/chatter")[1] == "hello\n"
    assert "not allowed with argument" in command("topic", "echo", "--csv", "--flow-style", "/demo/chatter")[2]


def test_a_type_that_only_its_publisher_knows_is_asked_for(command: Any) -> None:
    code, out, err = command("topic", "echo", "--once", "--flow-style", "/demo/grip")
    assert (code, err) == (0, "")
    seen = "{seen: {sec: 0, nanosec: 0}}"
    assert out == f"{{names: [left], force: 2.5, parts: [{seen}, {seen}], hold: 3}}\n---\n"


def measured(command: Any, monkeypatch: pytest.MonkeyPatch, verb: str, topic: str) -> list[str]:
    """What is printed until Ctrl-C, which comes after two reports."""
    spins = iter((0.5, 0.5))

    def spin(node: Any, condition: Any, seconds: float) -> bool:
        duration = next(spins, None)
        if duration is None:
            raise KeyboardInterrupt
        return spin_until(node, condition, duration)

    monkeypatch.setattr(topic_rate, "spin_until", spin)
    code, out, err = command("topic", verb, topic)
    assert (code, err) == (130, "")
    return list(out.splitlines())


def test_bandwidth_and_delay_are_measured(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = measured(command, monkeypatch, "bw", "/demo/image")
    assert re.fullmatch(r"\d+\.\d\d KB/s from \d+ messages", lines[-2])
    assert re.fullmatch(r"\tMessage size mean: 0.\d\d KB min: 0.\d\d KB max: 0.\d\d KB", lines[-1])
    lines = measured(command, monkeypatch, "delay", "/demo/image")
    assert float(lines[-2].removeprefix("average delay: ")) > 1e9  # the talker's stamps are zero
    assert re.fullmatch(r"\tmin: \d+.\d+s max: \d+.\d+s std dev: \d+.\d+s window: \d+", lines[-1])
    assert measured(command, monkeypatch, "hz", "/demo/instruction") == ["no new messages"] * 2


def test_delay_needs_a_stamp(command: Any) -> None:
    assert "the messages of /demo/chatter have no header" in command("topic", "delay", "/demo/chatter")[2]


def test_the_figures_of_the_meters() -> None:
    rate, bandwidth, delay = (meter(3) for meter, _, _ in topic_rate.METERS.values())
    assert [meter.report(0.0) for meter in (rate, bandwidth, delay)] == [None] * 3
    for second in range(5):
        rate.tick(None, second * 0.5, 0.0)
        bandwidth.tick(b"x" * 1000, second * 0.5, 0.0)
        delay.tick(Image(header=Header(stamp=Time(sec=second))), 0.0, second + 0.25)
    assert rate.report(2.0) == "average rate: 2.000\n\tmin: 0.500s max: 0.500s std dev: 0.00000s window: 3"
    size = "Message size mean: 1.00 KB min: 1.00 KB max: 1.00 KB"
    assert bandwidth.report(2.5) == f"2.00 KB/s from 3 messages\n\t{size}"
    assert delay.report(0.0) == "average delay: 0.250\n\tmin: 0.250s max: 0.250s std dev: 0.00000s window: 3"
