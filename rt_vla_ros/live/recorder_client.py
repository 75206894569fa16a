"""Starts recorder_node on a private graph and controls it, like `rt-vla record`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from std_srvs.srv import SetBool, Trigger

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.live.graph_session import GraphSession, RunFailed
from rt_vla_ros.live.private_graph import PrivateGraph
from rt_vla_ros.live.raw_bag import BESIDE, raw_bag
from rt_vla_ros.recording.topic_map import TOPICS_FILE, TopicMap
from rt_vla_ros.sim.arm import ArmDescription

_opened, _closed = ArmDescription.gripper_range
TOPICS = TopicMap(
    tip_frame=ArmDescription.tool_frame,
    gripper_joint=ArmDescription.gripper_joint_name,
    gripper_joint_open=_opened,
    gripper_joint_closed=_closed,
)
"""Of the simulated arm, with its front camera."""


class RecorderClient:
    """A client of a recorder_node that writes into one dataset."""

    def __init__(self, graph: PrivateGraph, session: GraphSession, namespace: str, folder: Path, out: Path) -> None:
        """out: dataset directory, resumed if it exists. folder: of logs and of the action card, which is the
        policy's.
        """
        from rt_vla_ros.srv import StartEpisode

        self._session, self._request, self.log = session, StartEpisode.Request, folder / "recorder.log"
        arguments = ("--ros-args", "-r", f"__ns:={namespace}", "-p", "use_sim_time:=true")
        settings = {"card": folder, "out": out.resolve()}
        usual = TopicMap().to_dict()
        settings |= {name: value for name, value in TOPICS.to_dict().items() if value != usual[name]}
        words = [word for name, value in settings.items() for word in ("-p", f"{name}:={value}")]
        graph.start("rt_vla_ros.nodes.recorder_node", *arguments, *words, log=self.log)
        client = session.node.create_client
        self._start = client(StartEpisode, "recorder_node/start")
        self._stop = client(SetBool, "recorder_node/stop")
        self._discard = client(Trigger, "recorder_node/discard")

    def start(self, instruction: str) -> None:
        """Raises RunFailed."""
        self._said(self._session.call(self._start, self._request(instruction=instruction)), "begin")

    def stop(self, *, success: bool) -> str:
        """Result of the episode, as a sentence. Raises RunFailed if it was not kept."""
        return self._said(self._session.call(self._stop, SetBool.Request(data=success)), "keep")

    def discard(self) -> None:
        """Raises RunFailed."""
        self._said(self._session.call(self._discard, Trigger.Request()), "discard")

    def _said(self, answer: Any, what: str) -> str:
        if answer is None or not answer.success:
            why = "it did not answer" if answer is None else answer.message
            raise RunFailed(f"recorder_node could not {what} an episode: {why}")
        return str(answer.message)


@contextmanager
def bag_beside(namespace: str, bags: Path) -> Iterator[None]:
    """Context in which what the recorder hears is recorded to a new bag.

    bags: directory of such bags, and of the topic map for `rt-vla data from-bag`. Raises CliError.
    """
    bags.mkdir(parents=True, exist_ok=True)
    (bags / TOPICS_FILE).write_text(json.dumps(TOPICS.to_dict(), indent=1) + "\n", encoding="utf-8")  # which is YAML
    bag = next(path for number in count() if not (path := bags / f"bag-{number:03d}").exists())
    with raw_bag(
        bag, [one if one.startswith("/") else f"{namespace}/{one}" for one in (*TOPICS.all_topics(), *BESIDE)]
    ):
        yield


def save_recorded_card(card: ActionCard, folder: Path) -> None:
    """Where recorder_node finds it. A dataset's actions are of single steps."""
    card.with_horizon(1).save(folder)
