"""The state at the time of an image, from samples that come one by one; and what is said of those that do not."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.observations.robot_state import StateError
from rt_vla_ros.runtime import state_samples
from rt_vla_ros.runtime.state_samples import StateSamples

MS = 1_000_000
NOW = 5_000 * MS
DIMENSIONS = tuple(StateDimension(name, "rad", -1, 1, f"joint:{name}") for name in "ab")


@pytest.fixture
def samples() -> StateSamples:
    return StateSamples(
        DIMENSIONS,
        max_age=0.1,
        keep=0.6,
        patience=0.08,
        clock=lambda: NOW,
        changed=threading.Condition(),
        origin=lambda one: f"nobody sends {one.name}",
    )


def put(samples: StateSamples, **stamps: float) -> None:
    """stamps: of a sample per joint, in [ms] from now; its value is the stamp in [s] from now."""
    for name, stamp in stamps.items():
        samples.put(f"joint:{name}", NOW + round(stamp * MS), np.array([stamp / 1000]))


def test_each_joint_gives_its_own_nearest_sample(samples: StateSamples) -> None:
    put(samples, a=-30)
    put(samples, a=-20, b=-28)
    assert samples.at(NOW - 27 * MS).tolist() == [-0.03, -0.028]


def test_it_is_waited_for_every_part_but_not_for_ever(samples: StateSamples) -> None:
    put(samples, a=0, b=-10)
    assert not samples.is_known(NOW, NOW)
    assert not samples.is_known(NOW, NOW + 80 * MS)
    assert samples.is_known(NOW, NOW + 81 * MS)
    assert samples.at(NOW).tolist() == [0, -0.01]
    put(samples, b=5)
    assert samples.is_known(NOW, NOW)
    assert samples.at(NOW).tolist() == [0, 0.005]


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        ({"a": 0}, "The state's dimension 'b' (joint:b) is missing: nobody sends b."),
        ({"a": 0, "b": -2000}, "'b' (joint:b) is stale: its newest value is about 2 s old, further from the image's"),
        ({"a": 3000, "b": 0}, "'a' (joint:a) is stale: its newest value is about 3 s ahead"),
        ({"a": 0, "b": -5000}, "is about 5 s old, further from the image's time than max_state_age (0.1 s)."),
        ({"a": 0, "b": 99}, "none of its values is within max_state_age (0.1 s) of the image's time."),
        ({"a": 0, "b": 2e12}, "Its stamps are of another clock: does the arm's driver set them"),
    ],
)
def test_a_part_that_is_not_there_is_named_with_the_reason(
    samples: StateSamples, stamps: dict[str, float], words: str
) -> None:
    put(samples, **stamps)
    with pytest.raises(StateError) as refusal:
        samples.at(NOW - 5 * MS)
    assert words in str(refusal.value)


def test_who_waits_is_woken_by_what_was_waited_for(samples: StateSamples) -> None:
    woken = threading.Event()
    changed = samples._changed

    def wait() -> None:
        with changed:
            while not samples.is_known(NOW, NOW):
                changed.wait(60)
        woken.set()

    put(samples, a=0)
    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    put(samples, b=1)
    assert woken.wait(60)
    waiter.join(60)


def test_silence_is_told_before_anybody_asks(samples: StateSamples, monkeypatch: pytest.MonkeyPatch) -> None:
    assert samples.trouble() is None
    monkeypatch.setattr(state_samples, "MISSED", -1.0)
    put(samples, a=0)
    trouble = samples.trouble()
    assert trouble == "The state's dimension 'a' (joint:a) has been missing for more than -1 s: nobody sends a."
