"""Episodes on a private ROS graph with a scripted human at the stick: whole tasks, or supervision of a policy.

python -m rt_vla_ros.live.human_episodes --suite pick-any --episodes 100 --out shown
python -m rt_vla_ros.live.human_episodes --policy runs/first/checkpoint --suite pick-any --episodes 60 --out takeovers

Policy, smoother, simulated arm and human are separate processes that communicate only by topics, in lock step. With
--policy, episodes without a takeover are neither counted nor kept. Another process, recorder_node, records them into
OUT/dataset, unless --no-recording is given. OUT/episodes.jsonl lists the results; the same command resumes. --bags
also records the raw messages, for `rt-vla data from-bag OUT/bags/bag-* --episodes-by recorder_node/episode`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros import ros

ros.ensure()

from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from rt_vla_ros.json_lines import cut_unfinished, read_rows  # noqa: E402
from rt_vla_ros.live.graph_session import GraphSession, RunFailed, tail  # noqa: E402
from rt_vla_ros.live.human_at_stick import DONE, SAYS, TAKES_OVER, TASK  # noqa: E402
from rt_vla_ros.live.private_graph import PrivateGraph  # noqa: E402
from rt_vla_ros.live.recorder_client import RecorderClient, bag_beside, save_recorded_card  # noqa: E402
from rt_vla_ros.out_claim import claimed  # noqa: E402
from rt_vla_ros.policies.checkpoint.resolve import resolve  # noqa: E402
from rt_vla_ros.progress import Progress  # noqa: E402
from rt_vla_ros.sim.scenes import Scene, make_scene  # noqa: E402
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED  # noqa: E402
from zenoh_ros.commands.errors import CliError  # noqa: E402

NAMESPACE, EPISODES, DATASET = "/rt_vla_human", "episodes.jsonl", "dataset"
IDLE_POLICY = "rt1-mini"  # for whole tasks by the human: it gets no instruction
LONGEST = 30.0  # simulated time that an episode may take [s]


@dataclass(frozen=True)
class HumanEpisode:
    """Result of an episode. reason: why the human took over; empty if it did not. seconds: simulated."""

    suite: str
    seed: int
    success: bool
    outcome: str
    reason: str
    seconds: float


class HumanSession:
    """Episodes with the human on a running graph."""

    def __init__(self, session: GraphSession, *, watches: bool, recorder: RecorderClient | None = None) -> None:
        """recorder: records the human's commands from the start of those episodes on."""
        self._recorder = recorder
        self._session, self._watches = session, watches
        self._heard = list[str]()
        self._said = ""  # the instruction before
        self._tasks = session.node.create_publisher(String, TASK, 10)
        session.node.create_subscription(String, SAYS, lambda message: self._heard.append(message.data), 10)
        self._resume = session.node.create_client(Trigger, "smoother_node/resume")

    def play(self, scene: Scene) -> HumanEpisode:
        """From a reset scene to the result. Raises RunFailed."""
        session = self._session
        session.lay_scene(scene)
        self._heard.clear()
        if not session.wait(lambda: self._tasks.get_subscription_count() > 0):
            raise RunFailed("human_at_stick is not running.")
        if self._recorder is not None:
            self._recorder.start(scene.task.instruction)
        task = {"suite": scene.suite, "seed": scene.seed, "watches": self._watches}
        self._tasks.publish(String(data=json.dumps(task)))
        if self._watches:
            session.instruct(scene.task.instruction, again=scene.task.instruction == self._said)
            self._said = scene.task.instruction
        session.watch(LONGEST, 0.02, self._is_over)
        verdict = session.judge(terminated=True)
        taken = any(one.startswith(TAKES_OVER) for one in self._heard)
        if self._recorder is not None and (taken or not self._watches):
            session.progress.line(f"  {self._recorder.stop(success=verdict.success)}")
        elif self._recorder is not None:
            self._recorder.discard()
        self._tasks.publish(String(data=""))
        if self._watches:
            session.end_request()
        reason = next((one.removeprefix(TAKES_OVER) for one in self._heard if one.startswith(TAKES_OVER)), "")
        if reason or not self._watches:
            self._hand_back()
        return HumanEpisode(
            scene.suite, scene.seed, verdict.success, verdict.outcome, reason, round(verdict.seconds, 3)
        )

    def _is_over(self) -> bool:
        if DONE in self._heard:
            return True
        return self._watches and not self._heard and self._session.terminated and self._session.has_ended()

    def _hand_back(self) -> None:
        """Resumes the policy once the smoother has received the release of the stick."""
        for _ in range(20):
            answer = self._session.call(self._resume, Trigger.Request())
            if answer is not None and answer.success:
                return
            self._session.wait(lambda: False, 0.2)
        raise RunFailed("The smoother does not give the arm back to the policy.")


@contextmanager
def human_session(
    policy: str, dataset: Path | None, progress: Progress, bags: Path | None = None
) -> Iterator[HumanSession]:
    """policy: the supervised checkpoint; empty: the human does whole tasks. dataset: directory of the recording. bags:
    of raw messages.

    Raises RunFailed, and ValueErrors with a sentence for a policy that cannot be loaded.
    """
    card = resolve(policy or IDLE_POLICY, progress.line).read_card()
    with PrivateGraph() as graph, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if bags is not None:
            stack.enter_context(bag_beside(NAMESPACE, bags))
        log, human = Path(folder) / "graph.log", Path(folder) / "human.log"
        arguments = (f"policy:={policy or IDLE_POLICY}", f"namespace:={NAMESPACE}", "lock_step:=true")
        launched = graph.start("rt_vla_ros.cli", "launch", "policy.launch.py", *arguments, log=log)
        remaps = ("--ros-args", "-r", f"__ns:={NAMESPACE}", "-p", "use_sim_time:=true")
        with GraphSession(NAMESPACE, launched, progress) as session:
            graph.start("rt_vla_ros.live.human_at_stick", *remaps, log=human)
            recorder = None
            if dataset is not None:
                save_recorded_card(card, Path(folder))
                recorder = RecorderClient(graph, session, NAMESPACE, Path(folder), dataset)
            try:
                session.wait_for_nodes()
                yield HumanSession(session, watches=bool(policy), recorder=recorder)
            except RunFailed as failure:
                logs = [log, human, *([recorder.log] if recorder is not None else [])]
                said = "\n".join(map(tail, logs))
                raise RunFailed(f"{failure} Last output of the processes:\n{said}") from failure


def played(out: Path) -> list[HumanEpisode]:
    """Episodes of earlier runs. A truncated last line is ignored. Raises ValueError for other damage."""
    rows = read_rows(out / EPISODES, ValueError)
    try:
        return [HumanEpisode(**row) for row in rows]
    except TypeError as error:
        raise ValueError(f"{out / EPISODES} is not a valid journal of human episodes ({error}); remove it.") from error


def play_episodes(
    out: Path,
    policy: str,
    suite: str,
    wanted: int,
    first_seed: int,
    progress: Progress,
    *,
    record: bool = True,
    bags: bool = False,
) -> list[HumanEpisode]:
    """Runs until this many episodes count: with a policy, those with a takeover. Raises RunFailed."""
    out.mkdir(parents=True, exist_ok=True)
    found = played(out)
    cut_unfinished(out / EPISODES)

    def left() -> int:
        return wanted - sum(bool(one.reason) or not policy for one in found)

    if left() <= 0:
        return found
    dataset = out / DATASET if record else None
    session = human_session(policy, dataset, progress, out / "bags" if bags else None)
    with session as human, (out / EPISODES).open("a", encoding="utf-8") as journal:
        while left() > 0:
            seed = max((one.seed + 1 for one in found), default=first_seed)
            found.append(human.play(make_scene(suite, seed)))
            journal.write(json.dumps(asdict(found[-1])) + "\n")
            journal.flush()
            progress.line(_sentence(found[-1], left()))
    return found


def _sentence(one: HumanEpisode, left: int) -> str:
    took = f"; the human took over: {one.reason}" if one.reason else ""
    return f"{one.suite} {one.seed}: {one.outcome} after {one.seconds:.1f} s{took} ({max(0, left)} left)"


def main(argv: list[str] | None = None) -> int:
    """The program; 0 when all episodes were played."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Any = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="output directory")
    add("--suite", default="pick-any", help="suite of the scenes (default pick-any)")
    add("--episodes", type=int, default=100, help="number of episodes that count (default 100)")
    add("--policy", default="", help="checkpoint that the human supervises; without one the human acts alone")
    add("--first-seed", type=int, default=FIRST_TRAINING_SEED, help="seed of the first scene, then consecutive")
    add("--no-recording", action="store_true", help="do not start recorder_node")
    add("--bags", action="store_true", help="also record the raw messages to OUT/bags")
    args = parser.parse_args(argv)
    if args.bags and args.no_recording:
        parser.error("--bags needs recorder_node, which marks where episodes begin and end: leave out --no-recording.")
    options = {"record": not args.no_recording, "bags": args.bags}
    try:
        with claimed(args.out):
            play_episodes(args.out, args.policy, args.suite, args.episodes, args.first_seed, Progress(), **options)
    except (RunFailed, CliError, ValueError, OSError) as error:
        print(f"human_episodes: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
