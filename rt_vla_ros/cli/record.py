"""Record episodes from a running robot into a dataset (LeRobot format v3.0).

    rt-vla record --topics topics.yaml --card action_card.json --out data/mine --instruction "pick up the red cube"

It runs recorder_node on the ROS graph of this shell. In a terminal, keys start and end episodes:

    s  start      y  stop (success)      n  stop (failure)      d  discard      q  quit
    Y  relabel the last episode as success             N  as failure

Other programs use the node's services ~/start, ~/stop, ~/discard, ~/label and its action ~/record. Run the same
command again to add episodes to the dataset.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from rt_vla_ros.cli.interrupts import INTERRUPTED
from rt_vla_ros.cli.main import refused
from rt_vla_ros.cli.terminal_keys import END, Keys, raw_keys
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.new_place import check_apart
from rt_vla_ros.data.video import CODECS
from rt_vla_ros.live.raw_bag import BESIDE, raw_bag
from rt_vla_ros.nodes.recorder_node import RecorderNode
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.progress import Progress
from rt_vla_ros.recording.episode_builder import RecordingError
from rt_vla_ros.recording.topic_map import TopicMap, TopicMapError
from zenoh_ros.commands.interrupts import noted_interrupts
from zenoh_ros.commands.numbers import positive_int

KEYS = "s: start, y: stop (success), n: stop (failure), d: discard, Y/N: relabel the last episode, q: quit"
LINE = 1.0  # between two lines [s]
FAREWELL = 0.5  # for the answer to who ended the last episode [s]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--topics", type=Path, required=True, metavar="YAML", help="topic map: file or directory")
    add("--card", type=Path, required=True, metavar="CARD", help="action card: file or directory")
    add("--out", type=Path, required=True, metavar="DIR", help="dataset directory; resumes if it exists")
    add(
        "--episodes",
        type=positive_int,
        metavar="N",
        help="stop at this many episodes in the dataset (default: no limit)",
    )
    add("--instruction", default="", help="instruction of the episodes (default: from the topic `instruction`)")
    add("--codec", choices=tuple(CODECS), default="lossless", help="video codec (default lossless)")
    add("--bag", type=Path, metavar="BAG", help="also record the raw messages to a new bag (rosbag2, MCAP)")
    add("--use-sim-time", action="store_true", help="use simulation time from /clock")


@refused(StartError, TopicMapError, DatasetError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset has its episodes, or q was pressed."""
    topics = TopicMap.load(args.topics)
    settings = topics.to_dict()
    settings |= {"card": str(args.card), "out": str(args.out), "codec": args.codec, "instruction": args.instruction}
    settings |= {"use_sim_time": True} if args.use_sim_time else {}
    overrides = [Parameter(name, value=value) for name, value in settings.items()]
    with ExitStack() as stack:
        if args.bag is not None:
            check_apart(args.out, [args.bag])
            stack.enter_context(raw_bag(args.bag, [*topics.all_topics(), *BESIDE]))
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        node = RecorderNode(parameter_overrides=overrides)
        stack.callback(node.destroy_node)
        interrupts = stack.enter_context(noted_interrupts(most=1))
        keys = None
        if sys.stdin.isatty():
            keys = stack.enter_context(raw_keys("rt-vla record"))
            print(f"Keys: {KEYS}.", flush=True)
        return RecordingSession(node, args.episodes, keys=keys).run(interrupts)


class RecordingSession:
    """Spins a recorder node, shows its state and handles the keys."""

    def __init__(self, node: RecorderNode, episodes: int | None, *, keys: Keys | None) -> None:
        """episodes: stop at this many in the dataset; None: no limit. keys: None without a terminal."""
        self._node, self._episodes, self._keys = node, episodes, keys
        self._progress = Progress()
        self._told, self._next = 0, 0.0

    def run(self, interrupts: list[int]) -> int:
        """Returns the exit code. interrupts: the signals received so far."""
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        try:
            while not interrupts and not self._is_done():
                executor.spin_once(timeout_sec=0.05)
                if self._keys and not all(map(self._press, self._keys.within(0.0))):
                    break
                self._show()
            self._node.close()
            self._show()
            end = time.monotonic() + FAREWELL
            while not interrupts and time.monotonic() < end:
                executor.spin_once(timeout_sec=0.05)
            return INTERRUPTED if interrupts else 0
        finally:
            self._progress.end_line()
            executor.shutdown()

    def _is_done(self) -> bool:
        recorder = self._node.recorder
        return self._episodes is not None and not recorder.busy and recorder.writer.episodes >= self._episodes

    def _press(self, key: str) -> bool:
        """Whether to continue."""
        self._progress.end_line()  # the node logs what follows
        try:
            if key in ("s", "\n", "\r"):
                self._node.begin("")
            elif key in ("y", "n"):
                self._node.stop(success=key == "y")
            elif key in ("Y", "N"):
                self._progress.line(self._node.label(success=key == "Y"))
            elif key == "d":
                self._node.discard()
                self._progress.line("Discarding the episode.")
            elif key in ("q", END):
                return False
        except RecordingError as error:
            self._progress.line(str(error))
        return True

    def _show(self) -> None:
        """The node logs the result of each episode."""
        if self._node.ended != self._told:
            self._told = self._node.ended
            writer = self._node.recorder.writer
            self._progress.line(f"{writer.directory}: {writer.episodes} episodes, {writer.frames:,} frames.")
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LINE
        recorder = self._node.recorder
        if not recorder.busy:
            self._progress.update(f"Ready. {KEYS}." if self._keys else "Ready for ~/start.")
            return
        streams, problems = recorder.streams, self._node.problems()
        rates = [f"{name} {one.audit.rate:.0f} Hz" for name, one in streams.pictures.items()]
        state = [one.audit.rate for one in streams.readings.values()] + [one.audit.rate for one in streams.moving()]
        rates += [f"state {min(state):.0f} Hz"] if state else []
        what = f"Recording: {self._node.elapsed:.1f} s, {recorder.frames} frames; {', '.join(rates)}"
        self._progress.update(f"{what}. {problems[0]}" if problems else what)
