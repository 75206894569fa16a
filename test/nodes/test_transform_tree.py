"""Which transforms are believed, and for how long."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from support.node_bench import NodeBench

from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.tip_position import make_tip_position
from rt_vla_ros.nodes.transform_tree import Placed, TransformTree, rotation_of

SECOND = 1_000_000_000
NOW = 1_000 * SECOND
HALF = math.sqrt(0.5)


def transform(parent: str, child: str, x: float = 0.0, *, at: float = 0.0, turned: bool = False) -> TransformStamped:
    """at: [s] from NOW. turned: by a right angle about z."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, time_message(NOW + round(at * SECOND))
    message.transform.translation.x = x
    message.transform.rotation.z, message.transform.rotation.w = (HALF, HALF) if turned else (0.0, 1.0)
    return message


class Heard:
    """A tree, and the clock that it judges by."""

    def __init__(self, bench: NodeBench) -> None:
        self.now_ns = NOW
        self.node = bench.add(GuardedNode("listener"))
        self.tree = TransformTree(self.node, lambda: self.now_ns)
        self.hear(transform("base", "link", 1.0, turned=True))
        self.tree.set_transform_static(transform("link", "tip", 0.5, at=-900), "")
        self.tree.set_transform_static(transform("base", "camera", -1.0, at=900), "")

    def hear(self, *transforms: TransformStamped) -> None:
        for one in transforms:
            self.tree.set_transform(one, "")

    def at(self, source: str = "tip", target: str = "base") -> tuple[float, float] | str:
        placed = self.tree.lookup(target, source)
        if isinstance(placed, str):
            return placed
        where = placed.transform.translation
        return round(where.x, 6), round(where.y, 6)


@pytest.fixture
def heard(bench: NodeBench) -> Heard:
    return Heard(bench)


def test_a_frame_that_is_asked_for_with_a_slash_ages_too(heard: Heard) -> None:
    assert heard.at("/tip", "/base") == (1.0, 0.5)
    heard.now_ns += SECOND
    assert heard.at("/tip", "/base") == "the last transform of 'link' is 1.00 s old"


def test_walls_whose_frames_have_a_slash_are_those_without(heard: Heard) -> None:
    values = {"workspace_low": [0.0] * 3, "workspace_high": [9.0] * 3, "tip_frame": "/tip", "workspace_frame": "/base"}
    tip = make_tip_position(heard.tree, values)
    assert tip is not None
    assert tip.position("base") == ((pytest.approx(1.0), pytest.approx(0.5), 0.0), NOW / SECOND)


def test_stamps_of_another_clock_are_told_as_such(heard: Heard) -> None:
    heard.now_ns *= 1_000_000
    heard.hear(transform("base", "link"))
    assert "'link' is stamped by another clock: is use_sim_time the same in all nodes?" in str(heard.at())


def test_transforms_are_composed_along_the_tree(heard: Heard) -> None:
    assert heard.at() == (1.0, 0.5)
    assert heard.at("tip", "camera") == (2.0, 0.5)
    assert heard.at("base", "tip") == (-0.5, 1.0)
    placed = heard.tree.lookup("base", "tip")
    assert isinstance(placed, Placed)
    np.testing.assert_allclose(rotation_of(placed.transform) @ (1, 0, 0), (0, 1, 0), atol=1e-9)
    assert str(heard.at("nothing")).endswith("does not exist")  # becomes part of a sentence


def test_the_root_is_above_all_frames(heard: Heard) -> None:
    assert {heard.tree.root(frame) for frame in ("/tip", "link", "camera", "base")} == {"base"}
    assert heard.tree.root("unheard") == "unheard"


def test_a_static_transform_has_no_age(heard: Heard) -> None:
    heard.now_ns += 86_400 * SECOND
    assert heard.at("camera") == (-1.0, 0.0)
    placed = heard.tree.lookup("base", "camera")
    assert isinstance(placed, Placed)
    assert placed.at_ns == heard.now_ns


@pytest.mark.parametrize("at", [-0.5, -0.1, 0.0, 0.3, 0.5])
def test_the_one_that_was_heard_last_counts_whatever_stamps_came_before(heard: Heard, at: float) -> None:
    heard.hear(transform("base", "link", 5.0, at=0.5), transform("base", "link", 2.0, at=at))
    assert heard.at() == (2.5, 0.0)
    placed = heard.tree.lookup("base", "tip")
    assert isinstance(placed, Placed)
    assert placed.at_ns == NOW + round(min(at, 0.0) * SECOND)


@pytest.mark.parametrize("lead", [0.6, 4.0, 3600.0])
def test_one_from_the_future_is_told_once_and_then_good_ones_count(heard: Heard, lead: float) -> None:
    sentence = f"the transform of 'link' is stamped {lead:.2f} s in the future"
    heard.hear(transform("base", "link", 9.0, at=lead))
    assert [heard.at(), heard.at()] == [sentence] * 2
    heard.hear(transform("base", "link", 9.0, at=lead), transform("base", "link", 2.0))
    assert heard.at("camera") == (-1.0, 0.0)
    assert [heard.at(), heard.at()] == [sentence, (2.5, 0.0)]


def test_an_old_one_does_not_replace_a_newer_one(heard: Heard) -> None:
    heard.hear(transform("base", "link", 9.0, at=-0.6))
    assert heard.at() == (1.0, 0.5)
    heard.now_ns += SECOND
    assert heard.at() == "the last transform of 'link' is 1.00 s old"
    heard.hear(transform("base", "link", 9.0, at=0.2))
    assert heard.at() == "the last transform of 'link' is 0.80 s old"


def test_what_was_heard_before_the_clock_went_back_does_not_count(heard: Heard) -> None:
    heard.now_ns = 10 * SECOND
    assert heard.at() == "no transform of 'link' was received since the clock jumped back"
    heard.hear(transform("base", "link"))
    assert heard.at() == "the transform of 'link' is stamped 990.00 s in the future"
    heard.hear(transform("base", "link", 2.0, at=-990.0))
    assert heard.at() == (2.5, 0.0)


def test_every_link_of_the_way_is_judged(heard: Heard) -> None:
    heard.hear(transform("base", "link", at=0.0), transform("tip", "tool", at=-0.4))
    heard.now_ns += SECOND // 5
    assert heard.at("tool") == "the last transform of 'tool' is 0.60 s old"
    heard.hear(transform("tip", "tool", at=0.1), transform("base", "link", at=5.0))
    assert "of 'link' is stamped 4.80 s in the future" in str(heard.at("tool"))
    assert heard.at("tool", "tip") == (0.0, 0.0)


def test_a_loop_is_told(heard: Heard) -> None:
    heard.hear(transform("one", "two"), transform("two", "one"))
    assert isinstance(heard.at("two"), str)


def _changed(**changes: object) -> TransformStamped:
    message = transform("base", "link", 9.0)
    for path, value in changes.items():
        *way, last = path.split("__")
        part = message
        for name in way:
            part = getattr(part, name)
        setattr(part, last, value)
    return message


@pytest.mark.parametrize(
    "broken",
    [
        _changed(header__frame_id=""),
        _changed(header__frame_id="/"),
        _changed(child_frame_id=""),
        _changed(child_frame_id="base"),
        _changed(transform__rotation__w=0.0),
        _changed(transform__rotation__w=1.1),
        _changed(transform__rotation__x=math.nan),
        _changed(transform__rotation__x=1e308),
        _changed(transform__translation__y=math.inf),
        _changed(header__stamp__nanosec=SECOND),
        _changed(header__stamp__sec=-1),
    ],
)
def test_what_is_no_transform_is_dropped_counted_and_logged_once(
    heard: Heard, broken: TransformStamped, capfd: pytest.CaptureFixture[str]
) -> None:
    heard.hear(*[broken] * 5)
    assert heard.at() == (1.0, 0.5)
    assert heard.node.messages_dropped == 5
    assert capfd.readouterr().err.count("Dropped a message on /tf: ") == 1
