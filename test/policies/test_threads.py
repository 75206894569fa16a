"""How many threads torch gets: as few as keep up, whatever else the machine does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from rt_vla_ros.policies import threads
from rt_vla_ros.policies.threads import WAIT_POLICY, choose_threads, wait_passively


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Step:
    """Takes as long as is said for the number of threads that torch has."""

    def __init__(self, **seconds: float) -> None:
        self._seconds = seconds
        self.tried: list[int] = []

    def __call__(self) -> float:
        number = torch.get_num_threads()
        self.tried.append(number)
        return self._seconds[f"with_{number}"]


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"with_1": 0.1}, 1),
        ({"with_1": 1.0, "with_2": 0.5}, 2),
        ({"with_1": 4.0, "with_2": 2.0, "with_4": 1.0}, 4),
        ({"with_1": 4.0, "with_2": 3.9, "with_4": 3.9}, 1),
        ({"with_1": 1.0, "with_2": 40.0, "with_4": 80.0}, 1),
    ],
)
def test_the_fewest_threads_that_keep_up_or_else_the_fastest_are_chosen(seconds: dict[str, float], chosen: int) -> None:
    assert choose_threads(Step(**seconds), budget=0.5) == chosen == torch.get_num_threads()


def test_a_core_count_that_is_not_a_power_of_two_is_tried_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 3)
    step = Step(with_1=3.0, with_2=2.0, with_3=1.0)
    assert choose_threads(step, budget=0.5) == 3
    assert set(step.tried) == {1, 2, 3}


def test_a_policy_that_never_keeps_up_is_not_tried_with_fewer_threads() -> None:
    torch.set_num_threads(4)
    step = Step()
    assert choose_threads(step, budget=0.5, usual=20.0) == 4 == torch.get_num_threads()
    assert not step.tried


def test_a_given_number_of_threads_is_used_without_measuring() -> None:
    step = Step()
    assert choose_threads(step, budget=0.5, threads=3) == 3 == torch.get_num_threads()
    assert not step.tried


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("2", 2), ("3,1", 3), ("", 1), ("many", 1), ("0", 1), ("-2", 1), ("64", 4), ("4294967296", 4)],
)
def test_the_environment_is_used_without_a_given_number(
    monkeypatch: pytest.MonkeyPatch, text: str, chosen: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert choose_threads(Step(with_1=0.1), budget=0.5) == chosen


def test_no_more_threads_than_cores_are_made() -> None:
    assert choose_threads(Step(), budget=0.5, threads=99_999) == 4 == torch.get_num_threads()


def test_a_given_number_of_threads_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert choose_threads(Step(), budget=0.5, threads=1) == 1


def test_waiting_threads_sleep_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WAIT_POLICY, raising=False)
    wait_passively()
    assert os.environ[WAIT_POLICY] == "PASSIVE"
    monkeypatch.setenv(WAIT_POLICY, "ACTIVE")
    wait_passively()
    assert os.environ[WAIT_POLICY] == "ACTIVE"


def test_the_policy_node_says_so_before_torch_is_loaded() -> None:
    code = (
        "import sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        import os\n"
        "        if name == 'torch':\n"
        f"            print(os.environ.get('{WAIT_POLICY}')); sys.stdout.flush(); os._exit(0)\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from rt_vla_ros import ros; ros.ensure()\n"
        "from rt_vla_ros.nodes.policy_node import load_policy\n"
        "load_policy('rt1-mini')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != WAIT_POLICY}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "PASSIVE", done.stderr
