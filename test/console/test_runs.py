"""The list of the last requests and their pictures."""

from __future__ import annotations

import json
import struct

import pytest

from rt_vla_ros.console import runs
from rt_vla_ros.console.runs import DONE, MOST_PICTURES, MOST_RUNS, PICTURE_PERIOD, REPLACED, Runs


class PlayedClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> PlayedClock:
    return PlayedClock()


@pytest.fixture
def kept(clock: PlayedClock) -> Runs:
    return Runs(clock, lambda: 1_700_000_000.0)


def outcomes(kept: Runs) -> list[tuple[str, str, str]]:
    return [(run["text"], run["who"], run["outcome"]) for run in kept.shown()]


def test_a_run_of_a_page_has_an_end_and_a_time(kept: Runs, clock: PlayedClock) -> None:
    kept.begin("lift it", "page")
    clock.now += 2.5
    assert kept.shown()[0]["seconds"] == 2.5
    kept.policy(running=False, text="", message="Waiting.")  # the action says more than diagnostics
    kept.over("lift it", "Lifted.", good=True)
    clock.now += 2.5
    (run,) = kept.shown()
    assert (run["outcome"], run["good"], run["seconds"], run["at"]) == ("Lifted.", True, 2.5, 1_700_000_000.0)


def test_a_repeated_text_is_one_run_until_there_is_a_pause(kept: Runs, clock: PlayedClock) -> None:
    for _ in range(4):
        kept.repeated("lift it")
        clock.now += 1.0
    assert len(kept.shown()) == 1
    clock.now += runs.PAUSE
    kept.repeated("lift it")
    assert outcomes(kept) == [("lift it", "topic", ""), ("lift it", "topic", REPLACED)]


def test_a_refusal_ends_nothing_that_runs(kept: Runs) -> None:
    kept.begin("lift it", "page")
    kept.refused("x", "No.")
    kept.over("lift it", "Lifted.", good=True)
    assert outcomes(kept) == [("x", "page", "No."), ("lift it", "page", "Lifted.")]


def test_what_the_topic_began_ends_when_the_policy_does(kept: Runs, clock: PlayedClock) -> None:
    kept.repeated("lift it")
    kept.policy(running=False, text="", message="Waiting.")  # said before it began
    assert outcomes(kept)[0][2] == ""
    clock.now += 2.0
    kept.acted(terminates=True, ended="")
    kept.policy(running=False, text="lift it", message="Waiting.")
    kept.repeated("lift it")
    assert outcomes(kept) == [("lift it", "topic", DONE)]
    assert kept.shown()[0]["good"] is True
    kept.repeated("push it")
    clock.now += 2.0
    kept.policy(running=False, text="push it", message="Disabled.")
    assert outcomes(kept)[0] == ("push it", "topic", "Finished. Disabled.")
    assert kept.shown()[0]["good"] is None


def test_requests_of_other_clients_are_in_the_list(kept: Runs, clock: PlayedClock) -> None:
    kept.policy(running=True, text="lift  it", message="")
    assert outcomes(kept) == [("lift it", "elsewhere", "")]
    clock.now += 2.0
    kept.policy(running=True, text="lift it", message="")
    kept.policy(running=True, text="push it", message="")
    assert outcomes(kept) == [("push it", "elsewhere", ""), ("lift it", "elsewhere", REPLACED)]
    kept.acted(terminates=False, ended="Somebody said stop.")
    kept.policy(running=True, text="push it", message="")  # said before the stop
    assert outcomes(kept)[0] == ("push it", "elsewhere", "Somebody said stop.")


def test_only_the_last_ones_are_kept(kept: Runs) -> None:
    for number in range(MOST_RUNS + 3):
        kept.begin(str(number), "page")
    assert [run["text"] for run in kept.shown()] == [str(MOST_RUNS + 2 - number) for number in range(MOST_RUNS)]


def test_pictures_are_thinned_and_come_back_as_they_were(kept: Runs, clock: PlayedClock) -> None:
    kept.picture(b"nobody asked for anything")
    kept.begin("lift it", "page")
    for number in range(60):
        kept.picture(f"{number}".encode())
        clock.now += PICTURE_PERIOD / 4  # which a float has to the last bit
    kept.over("lift it", "Lifted.", good=True)
    kept.picture(b"after the end")
    clip = kept.clip(kept.shown()[0]["number"])
    assert clip is not None
    size = struct.unpack(">H", clip[:2])[0]
    head = json.loads(clip[2 : 2 + size])
    assert all(
        later - earlier >= PICTURE_PERIOD - 0.01
        for earlier, later in zip(head["times"], head["times"][1:], strict=False)
    )
    assert len(head["times"]) == kept.shown()[0]["pictures"] == 15
    assert clip[2 + size :].startswith(b"048")
    assert sum(head["sizes"]) == len(clip) - 2 - size
    assert kept.clip(99) is None


def test_a_long_run_has_fewer_pictures_a_second(kept: Runs, clock: PlayedClock) -> None:
    kept.begin("lift it", "page")
    for _ in range(5 * MOST_PICTURES):
        kept.picture(b"x")
        clock.now += PICTURE_PERIOD
    assert MOST_PICTURES / 2 < kept.shown()[0]["pictures"] <= MOST_PICTURES


def test_memory_is_bounded_and_the_oldest_pictures_go_first(
    kept: Runs, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MOST_BYTES", 1000)
    for number in range(3):
        kept.begin(str(number), "page")
        for _ in range(4):
            kept.picture(b"x" * 100)
            clock.now += PICTURE_PERIOD
    assert [run["pictures"] for run in kept.shown()] == [4, 4, 0]
    for _ in range(40):
        kept.picture(b"x" * 100)
        clock.now += 10.0
    shown = [run["pictures"] for run in kept.shown()]
    assert 1 < shown[0] <= 10
    assert shown[1:] == [0, 0]
