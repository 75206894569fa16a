"""How a node's process ends: its exit code, and in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from std_msgs.msg import String
from support.node_bench import NodeBench
from support.node_processes import NodeProcess

from rt_vla_ros import ros
from rt_vla_ros.nodes import running
from rt_vla_ros.nodes.running import run
from rt_vla_ros.nodes.smoother_node import SmootherNode

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_and_soon(bench: NodeBench, number: signal.Signals) -> None:
    with NodeProcess("smoother_node") as smoother:
        bench.until(lambda: "/smoother_node" in bench.diagnostics)
        smoother.process.send_signal(number)
        assert smoother.process.wait(9) == 0  # less than Zenoh waits for a peer that does not answer


def test_further_sigints_do_not_spoil_its_end(bench: NodeBench) -> None:
    with NodeProcess("policy_node") as policy:
        bench.until(lambda: "/policy_node" in bench.diagnostics)
        last = time.monotonic() + 60
        while policy.process.poll() is None and time.monotonic() < last:
            policy.process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        assert policy.process.wait(60) == 0


def test_a_policy_that_is_thinking_ends_with_the_node(bench: NodeBench) -> None:
    with NodeProcess("policy_node", played="ponderer") as policy:
        bench.until(lambda: "/policy_node" in bench.diagnostics)
        time.sleep(3)  # it warms up, and will never be ready
        assert policy.interrupt() == 0


def test_a_node_that_cannot_start_says_why_and_fails(bench: NodeBench) -> None:
    command = [sys.executable, "-m", "rt_vla_ros.nodes.smoother_node", "--ros-args", "-p", "command_rate:=5.0"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "The parameter 'command_rate' must be float from 20 to 500" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-p", "dry_run:=true"], "'-p dry_run:=true' has no effect: a node accepts only ROS arguments."),
        (["--ros-args", "--parameters", "x"], "unknown ROS arguments"),
        (["--ros-args", "--params-file", "/no/such/file.yaml"], "/no/such/file.yaml"),
        (["--ros-args", "-p", "dryrun:=true"], "Did you mean 'dry_run'?"),
    ],
)
def test_arguments_without_effect_end_the_start(
    ros_graph: object, capfd: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run(SmootherNode, ["smoother_node", *words]) == 1
    assert sentence in capfd.readouterr().err


def test_a_section_without_effect_ends_the_start(
    ros_graph: object, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "cell.yaml"
    path.write_text("/**/smother_node:\n  ros__parameters: {dry_run: true}\n")
    assert run(SmootherNode, ["smoother_node", "--ros-args", "--params-file", str(path)]) == 1
    assert "the section '/**/smother_node' is not for /smoother_node" in capfd.readouterr().err


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A node that ran in this process keeps the signals that it took, and one that did not start, its context."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    rclpy.try_shutdown()
    for number, handler in before.items():
        signal.signal(number, handler)


class Probe(running.ProgramNode):
    """A node as plain as can be."""

    def __init__(self) -> None:
        super().__init__("probe")
        self.create_subscription(String, "instruction", lambda _message: None, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--log-level", "loud"], "the log level 'loud' is not of the form"),
        (["--log-level", "probe:=loud"], "the log level 'probe:=loud' is not of the form"),
        (["--bogus"], "unknown ROS arguments: '--bogus'"),
        (["-r", "__ns:=robot-1"], "the remap rule '__ns:=robot-1' is not of the form"),
        (["-r", "__ns:=/a/"], "Invalid namespace: "),
        (["-r", "__node:=arm 1"], "the remap rule '__node:=arm 1' is not of the form"),
        (["-r", "instruction:=what to do"], "the remap rule 'instruction:=what to do' is not of the form"),
        (["-r", "instruction:={nobody}/x"], "{nobody}/x' is not of the form"),
        (["-r", "instruction"], "is not of the form from:=to"),
        (["-p", "use_sim_time:=5"], "use_sim_time"),
        (["-e"], "-e needs a value after it"),
    ],
)
def test_ros_arguments_that_make_no_sense_are_one_sentence(ros_graph: Any, arguments: list[str], said: str) -> None:
    with pytest.raises(running.StartError) as caught:
        running._join(Probe, ["probe", "--ros-args", *arguments])
    assert said in str(caught.value) or ros.ensure() == ros.ROS2  # which has words of its own
    assert ".c:" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not str(caught.value).endswith("^")


@pytest.mark.parametrize("domain", ["abc", "-1", "1.5", "233", "300", "1e2"])
def test_a_domain_that_there_is_not_is_one_sentence(monkeypatch: pytest.MonkeyPatch, domain: str) -> None:
    if ros.ensure() == ros.ROS2 and domain in ("-1", "1.5", "1e2"):
        pytest.skip("rcl reads the number at its beginning")
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    with pytest.raises(running.StartError) as caught:
        running._join(Probe, ["probe"])
    expected = f"ROS_DOMAIN_ID='{domain}': expected a number from 0 to 232"
    assert expected in str(caught.value) or ros.ensure() == ros.ROS2


def test_an_installed_program_that_is_interrupted_while_it_is_loaded_ends_without_a_traceback() -> None:
    head = "import sys, time; sys.argv[0] = '/opt/ros/lib/rt_vla_ros/sim_arm_node'"
    code = f"{head}\nimport rt_vla_ros.nodes\nprint('up', flush=True); time.sleep(99)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 130


@pytest.mark.parametrize(
    "make",
    [
        "def make(): print('up', flush=True); time.sleep(1000)",  # before there is a node
        "def make():\n    atexit.register(time.sleep, 1000)\n    print('up', flush=True)\n    return ProgramNode('n')",
    ],
)
def test_neither_its_making_nor_the_interpreters_end_holds_it_up(ros_graph: object, make: str) -> None:
    head = "import atexit, time\nfrom rt_vla_ros.nodes.running import ProgramNode, end_process, run\n"
    command = [sys.executable, "-c", f"{head}{make}\nend_process(run(make))\n"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_an_interrupt_while_a_node_is_imported_ends_it(tmp_path: Path) -> None:
    """Here by a numpy that takes long and lets no exception out."""
    slow = "import time\nprint('ready', flush=True)\nfor _ in range(600):\n    try:\n        time.sleep(0.1)\n"
    (tmp_path / "numpy.py").write_text(slow + "    except BaseException:\n        print('lost', flush=True)\n")
    command = [sys.executable, "-m", "rt_vla_ros.nodes.smoother_node"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).resolve().parents[2]}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 130
