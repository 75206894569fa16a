"""Velocities in frames that somebody else publishes: followed as long as the transform says where the frame is now."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from support.node_bench import NodeBench
from tf2_msgs.msg import TFMessage

from rt_vla_ros.control.twist import Twist
from rt_vla_ros.nodes.conversions import time_message
from rt_vla_ros.nodes.guarding import GuardedNode
from rt_vla_ros.nodes.sim_frames import SimFrames
from rt_vla_ros.sim import TabletopSim

NOW_NS = 500_000_000_000


@pytest.fixture(scope="module")
def sim() -> Iterator[TabletopSim]:
    made = TabletopSim(size=(16, 16))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [
        (0.0, None),
        (0.4, None),
        (60.0, "the transform of 'mount' is stamped 60.00 s in the future"),
        (-60.0, "the last transform of 'mount' is 60.00 s old"),
    ],
)
def test_a_frame_counts_as_long_as_its_transform_is_fresh(
    bench: NodeBench, sim: TabletopSim, ahead: float, refused: str | None
) -> None:
    node = bench.add(GuardedNode("arm"))
    frames = SimFrames(node, sim, lambda: NOW_NS)
    twist = Twist(np.array([0.1, 0.0, 0.0]), np.array([0.0, 0.0, 0.2]), "mount")
    assert "TF does not know the frame 'mount'" in str(frames.resolve(twist))
    transforms = bench.publisher(TFMessage, "/tf", 100)
    turned = TransformStamped(child_frame_id="mount")
    turned.header.frame_id, turned.header.stamp = "base_link", time_message(NOW_NS + round(ahead * 1e9))
    turned.transform.rotation.z = turned.transform.rotation.w = math.sqrt(0.5)
    transforms.publish(TFMessage(transforms=[turned]))
    bench.until(lambda: "TF does not know" not in str(frames.resolve(twist)))
    resolved = frames.resolve(twist)
    if refused is not None:
        assert resolved == f"A velocity in the frame 'mount' was rejected: {refused}"
        return
    assert isinstance(resolved, Twist)
    np.testing.assert_allclose(resolved.linear, (0.0, 0.1, 0.0), atol=1e-9)
    np.testing.assert_allclose(resolved.angular, (0.0, 0.0, 0.2), atol=1e-9)
