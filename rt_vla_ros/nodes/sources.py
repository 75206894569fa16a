"""The publishers of actions or smoother states, by the ROS graph."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

# How long a middleware may count the publisher of a dead process: twice Fast DDS's default lease [s].
LEASE = 40.0
# How long a DDS middleware may know a publisher but not its node [s]; one outside of ROS 2 never gets a name.
DISCOVERY = 3.0
NAMELESS = "a node of unknown name"
_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # rmw's name for it


class Sources:
    """The publishers of a topic, or of several together. topics: their full names."""

    def __init__(self, node: Node, *topics: str) -> None:
        self._node, self._topics = node, topics
        self._twins_since: float | None = None
        self._nameless_since: float | None = None

    def names(self) -> list[str]:
        """Full names of the publishing nodes, or NAMELESS, once for each publisher."""
        found = [info for topic in self._topics for info in self._node.get_publishers_info_by_topic(topic)]
        return sorted(map(_full_name, found))

    def several(self) -> list[str]:
        """Their names if there are more than one; else none.

        Of one name there are two for a while after the first one died and was started again: that is one, also while
        the second one's name is not known yet.
        """
        names = self.names()
        self._nameless_since = _since(self._nameless_since, holds=NAMELESS in names)
        if not _lasts(self._nameless_since, DISCOVERY):
            names = [name for name in names if name != NAMELESS]
        self._twins_since = _since(self._twins_since, holds=len(names) > len(set(names)))
        told = names if _lasts(self._twins_since, LEASE) else sorted(set(names))
        return told if len(told) > 1 else []


def _full_name(info: TopicEndpointInfo) -> str:
    return NAMELESS if info.node_name == _UNKNOWN else f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _since(before: float | None, *, holds: bool) -> float | None:
    """Since when it holds; None if it does not."""
    return None if not holds else time.monotonic() if before is None else before


def _lasts(since: float | None, duration: float) -> bool:
    return since is not None and time.monotonic() - since > duration
