"""Records episodes from a running graph into a dataset: cameras, state, actions and the commander."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from rclpy.action import CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from rt_vla_ros.action import RecordEpisode
from rt_vla_ros.data.lerobot_writer import LeRobotWriter
from rt_vla_ros.malloc_threshold import fix_malloc_threshold
from rt_vla_ros.nodes.conversions import seconds
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.instruction_action import RESULTS_KEPT, DeferredServer
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.pictures import rgb_from_picture
from rt_vla_ros.nodes.recorder_parameters import RECORDER_PARAMETERS
from rt_vla_ros.nodes.recorder_topics import RecorderTopics
from rt_vla_ros.nodes.running import ProgramNode, end_process, run
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.os_error import in_words
from rt_vla_ros.out_claim import claimed
from rt_vla_ros.recording.card_file import CONFIRM, read_card
from rt_vla_ros.recording.episode_builder import RecordingError, SavedEpisode
from rt_vla_ros.recording.episode_recorder import EpisodeRecorder
from rt_vla_ros.recording.robot_streams import RobotStreams
from rt_vla_ros.recording.topic_map import TopicMap
from rt_vla_ros.srv import StartEpisode

PERIOD = 0.05  # [s]
FEEDBACK = 1.0  # [s]
NO_TERMINATE = " None of its actions terminates, unlike the last action of an episode stopped as a success."


class RecorderNode(ProgramNode):
    """One episode at a time, started by `~/record` or `~/start`, ended by `~/stop` or by itself.

    It publishes all of these, and labels given by `~/label`, on `~/episode`, so that a bag recorded meanwhile can be
    split into the same episodes (`rt-vla data from-bag --episodes-by recorder_node/episode`).

    last: result of the last episode, as a sentence. ended: number of episodes that ended, saved or not.
    """

    def __init__(self, **options: Any) -> None:
        """options: see rclpy.node.Node. Raises StartError."""
        self._claim = ExitStack()
        super().__init__("recorder_node", **options)
        settings = declare(self, RECORDER_PARAMETERS, **tables_of_others("recorder_node"))
        self._instruction = settings["instruction"]
        self.recorder = _make_recorder(settings, self._claim)
        self.last, self.ended = "", 0
        simulated = bool(self.get_parameter("use_sim_time").value)
        self._topics = RecorderTopics(self, self.recorder.streams, self._now_ns, simulated=simulated)
        self._begun_ns = 0
        self._marks, self._open = self.create_publisher(String, "~/episode", 10), False
        self._goal: ServerGoalHandle | None = None
        self._ending: list[Future[str]] = []  # to be told the result of the episode
        self._looks = 0
        self._server = DeferredServer(
            self,
            RecordEpisode,
            "~/record",
            lambda _handle: RecordEpisode.Result(),
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            result_timeout=RESULTS_KEPT,
        )
        self.create_service(StartEpisode, "~/start", self._on_start)
        waiting = ReentrantCallbackGroup()  # other callbacks run while they wait for the end of the episode
        self.create_service(SetBool, "~/stop", self._on_stop, callback_group=waiting)
        self.create_service(Trigger, "~/discard", self._on_discard, callback_group=waiting)
        self.create_service(SetBool, "~/label", self._on_label)
        self._diagnostics = Diagnostics(self, self._report)
        self.create_timer(PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))
        writer = self.recorder.writer
        self.get_logger().info(f"Ready to record into {writer.directory}, which has {writer.episodes} episodes.")
        if guesses := sum(note.startswith(CONFIRM) for note in writer.card.notes):
            says = "says" if guesses == 1 else "say"
            self.get_logger().warning(
                f"{guesses} of the action card's notes {says} {CONFIRM.rstrip(': ')}. These values are unconfirmed "
                "and apply to every recorded frame: rt-vla card check lists what to verify."
            )

    @property
    def elapsed(self) -> float:
        """Since the episode under way began, by the node's clock [s]."""
        return seconds(self._now_ns() - self._begun_ns) if self.recorder.busy else 0.0

    def problems(self) -> list[str]:
        """What is wrong with the episode under way."""
        return self.recorder.problems(self._now_ns())

    def begin(self, instruction: str) -> None:
        """Begins an episode. Raises RecordingError with a sentence."""
        try:
            now_ns, given = self._now_ns(), instruction or self._instruction
            self.recorder.start(given, now_ns)
            self._begun_ns = now_ns
            self._mark(f"start: {given}" if given else "start")
        except OSError as error:
            raise RecordingError(in_words(error)) from error
        self.get_logger().info("Recording started.")

    def stop(self, *, success: bool) -> Future[str]:
        """Ends the episode; its result, once it is written. Raises RecordingError if there is none."""
        self.recorder.stop(success=success, now_ns=self._now_ns())
        self._mark("success" if success else "failure")
        return self._until_over()

    def discard(self) -> Future[str]:
        """Discards the episode; a sentence once it is removed. Raises RecordingError if there is none."""
        self.recorder.discard()
        self._mark("discard")
        return self._until_over()

    def label(self, *, success: bool) -> str:
        """Of the episode that ended last; a sentence. Raises RecordingError if it cannot be changed."""
        writer = self.recorder.writer
        if self.recorder.busy:
            raise RecordingError("An episode is being recorded: stop it with its label.")
        try:
            terminates = writer.relabel(success=success)
        except ValueError as error:
            raise RecordingError(str(error)) from error
        except OSError as error:
            raise RecordingError(in_words(error)) from error
        self._mark(f"label: {'success' if success else 'failure'}")
        said = f"Episode {writer.episodes - 1} of {writer.directory} is {'a success' if success else 'no success'}."
        if terminates not in (None, success):
            said += " Its last action still terminates." if terminates else NO_TERMINATE
        return said

    def close(self) -> None:
        """See ProgramNode: an unfinished episode is kept."""
        outcome = self.recorder.finish(self._now_ns())
        if outcome is not None:
            self._over(outcome)

    def _mark(self, text: str) -> None:
        """text: see EpisodeCuts."""
        self._open = text.startswith("start")  # a label is only given while no episode is open
        self._marks.publish(String(data=text))

    def destroy_node(self) -> None:
        """See rclpy.node.Node; another recorder may have the dataset then."""
        super().destroy_node()
        self._claim.close()

    def _until_over(self) -> Future[str]:
        self._ending.append(Future())
        return self._ending[-1]

    def _look(self) -> None:
        outcome = self.recorder.advance(self._now_ns())
        if self._open and not self.recorder.recording:
            self._mark("failure")  # it ended early
        if outcome is not None:
            self._over(outcome)
        self._looks += 1
        if self._goal is not None and self._looks % round(FEEDBACK / PERIOD) == 0:
            feedback = RecordEpisode.Feedback(frames=self.recorder.frames, seconds=self.elapsed)
            feedback.problems = self.problems()
            self._goal.publish_feedback(feedback)

    def _over(self, outcome: SavedEpisode | RecordingError) -> None:
        path = str(self.recorder.writer.directory)
        result = RecordEpisode.Result(saved=isinstance(outcome, SavedEpisode), path=path)
        if isinstance(outcome, SavedEpisode):
            result.episode, result.frames, result.success = outcome.index, outcome.frames, outcome.success
            result.problems = list(outcome.problems)
            label = "success" if outcome.success else "no success"
            result.sentence = f"Episode {outcome.index} of {path}: {outcome.frames} frames, {label}."
        else:
            result.sentence = str(outcome)
        self.last, self.ended = " ".join([result.sentence, *result.problems]), self.ended + 1
        log = self.get_logger()
        (log.warning if result.problems or not result.saved else log.info)(self.last)
        while self._ending:
            self._ending.pop().set_result(self.last)
        goal, self._goal = self._goal, None
        if goal is not None:
            ending = goal.succeed if result.saved else goal.canceled if goal.is_cancel_requested else goal.abort
            self._server.finish(goal, ending, result)

    def _on_goal(self, _goal: RecordEpisode.Goal) -> GoalResponse:
        return GoalResponse.REJECT if self.recorder.busy else GoalResponse.ACCEPT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        handle.execute()
        try:
            self.begin(handle.request.instruction)
        except RecordingError as error:
            result = RecordEpisode.Result(sentence=str(error), path=str(self.recorder.writer.directory))
            self._server.finish(handle, handle.abort, result)
            return
        self._goal = handle

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        """The next poll discards the episode: the handle is canceling by then. An episode that is being written
        stays.
        """
        if self._goal is None or self._goal != handle or not self.recorder.recording:
            return CancelResponse.REJECT
        self._cancel = self.create_timer(0.0, self._on_canceling, clock=Clock(clock_type=ClockType.STEADY_TIME))
        return CancelResponse.ACCEPT

    def _on_canceling(self) -> None:
        self.destroy_timer(self._cancel)
        if self.recorder.recording:
            self.discard()

    def _on_start(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        try:
            self.begin(request.instruction)
            response.success, response.message = True, "Recording started."
        except RecordingError as error:
            response.message = str(error)
        return response

    async def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """data: whether the task succeeded."""
        before = self.recorder.writer.episodes
        try:
            response.message = await self.stop(success=request.data)
            response.success = self.recorder.writer.episodes > before
        except RecordingError as error:
            response.message = str(error)
        return response

    async def _on_discard(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            response.message = await self.discard()
            response.success = True
        except RecordingError as error:
            response.message = str(error)
        return response

    def _on_label(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Labels the last episode. data: whether the task succeeded."""
        try:
            response.message = self.label(success=request.data)
            response.success = True
        except RecordingError as error:
            response.message = str(error)
        return response

    def _report(self) -> Report:
        writer = self.recorder.writer
        values = {"episodes": writer.episodes, "frames": self.recorder.frames}
        if not self.recorder.busy:
            return Report(Level.OK, f"Ready; {writer.directory} has {writer.episodes} episodes.", values)
        problems = self.problems()
        return Report(Level.WARN if problems else Level.OK, problems[0] if problems else "Recording.", values)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _make_recorder(settings: dict[str, Any], claim: ExitStack) -> EpisodeRecorder:
    """claim: closed when the dataset is not written any more. Raises StartError."""
    for name in ("card", "out"):
        if not settings[name]:
            raise StartError(f"The parameter {name!r} is missing: recorder_node needs an action card and a dataset.")
    try:
        card = read_card(Path(settings["card"]))
        topics = TopicMap.from_dict({one.name: settings[one.name] for one in fields(TopicMap)})
        streams = RobotStreams(card, topics)
        claim.enter_context(claimed(Path(settings["out"])))
        writer = LeRobotWriter(
            Path(settings["out"]),
            card,
            with_scene=False,
            with_commanders=True,
            codec=settings["codec"],
            robot=card.name,
        )
    except ValueError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(in_words(error)) from error
    return EpisodeRecorder(
        writer,
        streams,
        decode=lambda camera, picture: rgb_from_picture(picture, camera),
        size=lambda picture: len(picture.data),
    )


def main() -> NoReturn:
    """The program `recorder_node`."""
    fix_malloc_threshold()
    end_process(run(RecorderNode))


if __name__ == "__main__":
    main()
