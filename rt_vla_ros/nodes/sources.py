"""Who publishes actions or states of a smoother, as the graph knows it."""

from __future__ import annotations

import time

from rclpy.node import Node

# So long a middleware may go on counting a publisher whose process died: twice Fast DDS's default lease [s].
LEASE = 40.0


class Sources:
    """The publishers of a topic, or of several together. topics: their full names."""

    def __init__(self, node: Node, *topics: str) -> None:
        self._node, self._topics = node, topics
        self._twins_since: float | None = None

    def names(self) -> list[str]:
        """Full names of the nodes that publish there, once for each of their publishers."""
        found = [info for topic in self._topics for info in self._node.get_publishers_info_by_topic(topic)]
        return sorted(f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in found)

    def several(self) -> list[str]:
        """Their names where there are more than one; else none.

        Of one name there are two for a while after the first one died and was started again: that is one.
        """
        names = self.names()
        if len(names) == len(set(names)):
            self._twins_since = None
        elif self._twins_since is None:
            self._twins_since = time.monotonic()
        lasting = self._twins_since is not None and time.monotonic() - self._twins_since > LEASE
        told = names if lasting else sorted(set(names))
        return told if len(told) > 1 else []
