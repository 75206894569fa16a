"""What the page is shown of what was heard."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from rt_vla_ros.console.board import (
    FORGET,
    LONGEST,
    MOST_NODES,
    MOST_SUGGESTIONS,
    RELEASE_FIRST,
    ActionHeard,
    Board,
    Exchange,
    NodeHeard,
    Rate,
    RecorderHeard,
    SmootherHeard,
)
from rt_vla_ros.console.state_word import SILENCE, PolicyHeard
from rt_vla_ros.control.status import State

ACTION = ActionHeard(0.5, 1.0, 0.04, "", "base", (0.0,), False, False, ((0.0, 0.0, 0.0), (0.01, 0.0, 0.0)))


@pytest.fixture
def board() -> Board:
    return Board(["wave"])


def test_a_board_that_heard_nothing_says_so(board: Board) -> None:
    shown = board.snapshot(0.0)
    assert (shown["word"], shown["smoother"], shown["policy"], shown["action"]) == ("Offline", None, None, None)
    assert shown["suggestions"] == ["wave"]


def test_a_smoother_that_falls_silent_is_offline(board: Board) -> None:
    board.smoother(SmootherHeard(State.STOPPED, "why"), 1.0)
    assert board.snapshot(1.0 + SILENCE)["stopped"] is True
    assert board.snapshot(1.01 + SILENCE)["word"] == "Offline"
    assert board.snapshot(1.01 + SILENCE)["stopped"] is False


def test_a_refusal_has_a_reason(board: Board) -> None:
    assert board.why_refused == "See its log."
    board.policy(PolicyHeard(2, "No image comes.", "rt1-mini", False), {}, 0.0)
    assert board.why_refused == "No image comes."
    board.smoother(SmootherHeard(State.STOPPED, "why"), 0.0)
    assert board.why_refused == RELEASE_FIRST


def test_nodes_are_forgotten_and_not_too_many(board: Board) -> None:
    for number in range(MOST_NODES + 5):
        board.node(f"/node_{number}", NodeHeard(1, "why", 1.0))
    assert len(board.snapshot(1.0)["nodes"]) == MOST_NODES
    assert board.snapshot(1.01 + FORGET)["nodes"] == []


def test_what_others_wrote_is_cut_and_can_be_encoded(board: Board) -> None:
    long = "\ud800" * 5000
    board.smoother(SmootherHeard(State.MOVING, long), 0.0)
    board.policy(PolicyHeard(0, long, long, True), {}, 0.0)
    board.action(replace(ACTION, plan=long), 0.0)
    board.node(long, NodeHeard(0, long, 0.0))
    board.recorder(RecorderHeard(True, 1, long), 0.0)
    board.instructed(long)
    board.asked(long)
    shown = board.snapshot(0.0)
    json.dumps(shown, allow_nan=False, ensure_ascii=False).encode()
    assert shown["reason"] == "?" * LONGEST
    assert shown["nodes"][0]["name"] == "?" * LONGEST


def test_numbers_that_are_none_are_none(board: Board) -> None:
    board.action(replace(ACTION, confidence=math.nan, way=((0.0, math.inf, 0.0),)), 0.0)
    board.camera("front", age=math.nan)
    board.asked("what?")
    board.answered(Exchange("what?", "a cube", "", math.nan))
    shown = board.snapshot(0.0)
    assert shown["action"]["confidence"] is None
    assert shown["action"]["way"] == [[0.0, None, 0.0]]
    assert shown["cameras"] == {"front": {"age": None}}
    assert shown["answers"][0]["took"] is None


def test_what_nodes_know_is_offered_while_they_speak(board: Board) -> None:
    board.known("/unheard", ["never heard of"])
    board.node("/policy_node", NodeHeard(0, "", 1.0))
    board.known("/policy_node", ["wave", *(f"pick {number}" for number in range(2 * MOST_SUGGESTIONS))])
    offered = board.snapshot(1.0)["suggestions"]
    assert offered[:3] == ["wave", "pick 0", "pick 1"]
    assert len(offered) == MOST_SUGGESTIONS
    assert board.snapshot(1.01 + FORGET)["suggestions"] == ["wave"]


def test_a_stop_that_a_chunk_tells_of_ends_what_the_topic_began(board: Board) -> None:
    board.instructed("lift it", here=False)
    board.action(replace(ACTION, latency=0.0, terminate=True, plan="The instruction is empty: stop."), 0.4)
    board.action(replace(ACTION, latency=0.0, terminate=True, plan="And again."), 0.5)
    (run,) = board.snapshot(0.5)["runs"]
    assert (run["text"], run["who"], run["outcome"]) == ("lift it", "topic", "The instruction is empty: stop.")


def test_answers_find_their_questions(board: Board) -> None:
    board.asked("what?")
    board.asked("why?")
    board.asked("what?")
    board.answered(Exchange("what?", "a cube", "", 1.0))
    board.answered(Exchange("why?", "", "nobody knows"))
    shown = [(one["question"], one["answer"], one["problem"]) for one in board.snapshot(0.0)["answers"]]
    assert shown == [("what?", "", ""), ("why?", "", "nobody knows"), ("what?", "a cube", "")]


def test_only_who_looked_at_an_image_has_a_latency_and_a_stop_says_why(board: Board) -> None:
    board.smoother(SmootherHeard(State.TERMINATED, "done"), 0.0)
    board.action(ACTION, 0.0)
    board.action(replace(ACTION, terminate=True), 0.2)
    assert board.snapshot(0.2)["word"] == "Done"
    board.action(replace(ACTION, latency=0.0, terminate=True, plan="The instruction is empty: stop."), 0.4)
    shown = board.snapshot(0.4)
    assert (shown["word"], shown["reason"]) == ("Ended", "The instruction is empty: stop.")
    assert shown["action"]["latency"] == 0.04
    assert shown["action_rate"] == 5.0


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    for tick in range(100):
        rate.tick(tick * 0.1)
    assert rate.value(9.9) == pytest.approx(10.0)
    assert rate.value(20.0) == 0.0
