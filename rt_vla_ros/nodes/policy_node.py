"""Camera images and an instruction in, actions out."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import QoSProfile
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.control.controller import LONGEST_REASON
from rt_vla_ros.msg import ActionChunk as ChunkMsg
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.camera_topics import missing_camera
from rt_vla_ros.nodes.diagnostics import Diagnostics, Report
from rt_vla_ros.nodes.instruction_action import InstructionAction, Requests, Result
from rt_vla_ros.nodes.managed import ManagedNode
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.pictures import Picture, check_picture
from rt_vla_ros.nodes.policy_cameras import PolicyCameras
from rt_vla_ros.nodes.policy_health import PolicyHealth
from rt_vla_ros.nodes.policy_loading import Loading, give_back_memory
from rt_vla_ros.nodes.policy_parameters import POLICY_PARAMETERS
from rt_vla_ros.nodes.robot_state import RobotState
from rt_vla_ros.nodes.running import end_process, run
from rt_vla_ros.nodes.smoother_watch import SmootherWatch
from rt_vla_ros.policies.checkpoint.resolve import check_name
from rt_vla_ros.policies.policy import Policy, TimedPolicy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.threads import wait_passively
from rt_vla_ros.runtime.confidence_gate import THRESHOLDS
from rt_vla_ros.runtime.frame_buffer import Frame
from rt_vla_ros.runtime.instruction_gate import InstructionGate, InstructionKind
from rt_vla_ros.runtime.policy_runner import PolicyRunner, PolicyStep
from rt_vla_ros.runtime.policy_stepper import PolicyStepper, refuse_stream
from rt_vla_ros.runtime.question_queue import Answer, QuestionQueue
from rt_vla_ros.runtime.warm_up import Warm
from rt_vla_ros.srv import Ask

STOP = (EndEffectorStep.still(terminate=True),)
# How long the cleanup waits for an inference to end [s].
PATIENCE = 10.0
CARRIED_OUT = "The policy reports that the instruction is done."


def load_policy(name: str, **options: Any) -> Policy:
    """See policies.load; imported here, in the policy's thread, because torch takes seconds to load.

    An unknown name is rejected before that.
    """
    check_name(name)
    wait_passively()
    from rt_vla_ros.policies import load as registry

    return registry.load_policy(name, **options)


class PolicyNode(ManagedNode):
    """Acts on the newest image whenever one is due by its stamp; inference runs in its own thread."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self._settings: dict[str, Any] = declare(self, POLICY_PARAMETERS, **tables_of_others("policy_node"))
        self._cameras = PolicyCameras(self, self._settings)
        self._instruction_gate = InstructionGate(
            self._settings["max_instruction_length"],
            self._settings["instruction_pause"],
            restart=self.resolve_service_name("~/restart"),
        )
        self._health = PolicyHealth(self._settings["max_image_age"], self._cameras.topics)
        self._questions = QuestionQueue(self._settings["max_instruction_length"])
        self._policy: Policy | None = None
        self._lost = False  # whether the policy is lost for now, see PolicyLostError
        self._state: RobotState | None = None  # if the policy takes none
        self._loaded = Loading()
        self._runner = self._new_runner()
        reliable = QoSProfile(depth=10)
        self._actions = self.create_publisher(ChunkMsg, "action", reliable)
        self._publisher, self._request = f"{self.get_fully_qualified_name()}#{secrets.token_hex(4)}", 0
        self._smoother = SmootherWatch(
            self,
            self._actions,
            stopped=self._on_smoother_stopped,
            lost=self._on_smoother_lost,
            taken_over=self._on_taken_over,
            heard=self._on_smoother_status,
        )
        self._diagnostics = Diagnostics(self, self._report)
        self._goals = InstructionAction(self, self._smoother, self._requests())
        self.create_subscription(String, "instruction", self._on_instruction, reliable)
        self._cameras.subscribe(self._on_image)
        self.create_service(Trigger, "~/restart", self._on_restart)
        # In a group of their own: one that waits for an answer would keep the images out.
        waiting = ReentrantCallbackGroup()
        self.create_service(Trigger, "~/stop", self._on_stop, callback_group=waiting)
        self.create_service(Ask, "~/ask", self._on_ask, callback_group=waiting)
        self._health.enable(self._settings["autostart"])
        if not self._settings["autostart"]:
            self._health.unload(None, self.get_fully_qualified_name())
        self.start(POLICY_PARAMETERS, self._settings)

    def _new_runner(self) -> PolicyRunner[Picture]:
        return PolicyRunner(self._load, self._now_ns, self, self._settings["threads"])

    # See ManagedNode -------------------------------------------------------------------------------------------------

    title = "The policy"

    def refuse_change(self, name: str) -> str | None:
        """Setting parameters must not allow choosing which code runs or who receives a token."""
        setting = next((one for one in ("trust_remote_code", "remote_token_file") if self._settings[one]), None)
        if name != "policy" or setting is None:
            return None
        return f"With {setting} the policy cannot be changed at run time; restart the node for another one."

    def configure(self) -> None:
        """Loads and warms up the policy. Requests may begin before, if the node is about to become active."""
        self.get_logger().info(f"Loading the policy {self._settings['policy']!r}.")
        self._health.load()
        self._loaded.begin()
        self._runner.threads = self._settings["threads"]
        self._runner.start()
        self._loaded.wait()

    def activate(self) -> None:
        """Requests may begin."""
        self._health.enable(True)

    def deactivate(self, sentence: str) -> None:
        """Ends the running request with a terminate; no other begins."""
        self._end(sentence)
        self._health.enable(False)

    def cleanup(self) -> None:
        """Releases the policy's memory."""
        if self.problem is not None:
            self._goals.over(Result.FAULT, self.problem)
        if not self._runner.close(PATIENCE):
            self.get_logger().warning("An inference is still running; the policy's memory is released when it ends.")
        if self._state is not None:
            self._state.destroy()
        self._policy = self._state = None
        self._cameras.forget()
        self._runner = self._new_runner()
        if self._smoother.waits_for is not None:
            self._runner.suspend()
        self._health.unload(self.problem, self.get_fully_qualified_name())
        give_back_memory()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    # What the policy thread tells ------------------------------------------------------------------------------------

    def on_ready(self, policy: Policy, warm: Warm) -> None:
        """See policy_runner.RunnerListener."""
        self._policy = policy
        self._health.ready(policy, warm.took_ns)
        card = policy.card
        steps = f"{card.horizon} step{'s' if card.horizon > 1 else ''} of {card.period:g} s"
        self.get_logger().info(
            f"Ready: {policy.name}, {steps} decided every {card.decision_period:g} s in {warm.took_ns / 1e6:.0f} ms, "
            f"threads: {warm.threads}."
        )
        unstreamed = refuse_stream(policy) if self._settings["stream"] else None
        for sentence in filter(None, (warm.doubt, unstreamed)):
            self.get_logger().warning(sentence)
        self._loaded.end()

    def on_step(self, step: PolicyStep) -> None:
        """See policy_runner.RunnerListener."""
        decision = step.decision
        if self._lost:
            self._lost = False
            self.get_logger().info("The policy is available again.")
        self._publish(decision.chunk, step.stamp_ns, time.monotonic_ns() - step.arrival_ns)
        if decision.whole:
            self._health.acted(decision.inference_ns, step.took_ns, decision.chunk.legal_probability)
            if isinstance(self._policy, TimedPolicy):
                self._health.parts_of_latency = self._policy.parts_of_latency
        if decision.unsure is not None:
            self._health.problem(decision.unsure)
        self._goals.step(step)
        if decision.chunk.terminate:
            self._carried_out()

    def on_frames_rejected(self, sentence: str) -> None:
        """See policy_runner.RunnerListener."""
        self._health.problem(sentence)

    def on_policy_lost(self, sentence: str) -> None:
        """See policy_runner.RunnerListener. The arm is commanded once, not with every image."""
        if not self._lost:
            self._lost = True
            self._say((), sentence)
            self.get_logger().warning(sentence)
        self._health.problem(sentence)

    def on_request_failed(self, sentence: str) -> None:
        """See policy_runner.RunnerListener."""
        told = f"The request failed: {sentence}"
        self._goals.over(Result.FAULT, told)
        self._instruction_gate.close()
        self._say(STOP, told)
        self._smoother.await_standstill()
        self._health.end()  # an earlier problem would hide why it failed
        self._health.problem(told, lasting=True)

    def on_load_failed(self, sentence: str) -> None:
        """See policy_runner.RunnerListener."""
        self._loaded.end(f"The policy {self._settings['policy']!r} cannot be loaded: {sentence}")

    # Instructions and services ---------------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """The request is over when its last step has been executed, not when it was decided."""
        if self._runner.conclude():
            self._carried_out()

    def _carried_out(self) -> None:
        self.get_logger().info(CARRIED_OUT)
        self._goals.over(Result.SUCCEEDED, CARRIED_OUT)
        self._smoother.await_standstill()

    def _on_instruction(self, message: String) -> None:
        self._conclude()
        decision = self._instruction_gate.decide(message.data, running=self._runner.running, now=time.monotonic())
        if decision.sentence:
            self.get_logger().info(decision.sentence)
        if decision.kind in (InstructionKind.STOP, InstructionKind.REFUSED):
            self._end(decision.sentence)
            if decision.kind is InstructionKind.REFUSED:
                self._health.problem(decision.sentence, lasting=True)
        elif (refusal := self._refuse_request()) is not None:
            self._instruction_gate.close()
            if decision.kind is InstructionKind.NEW:
                self.get_logger().warning(f"The instruction is rejected. {refusal}")
            if not self.is_open:
                self._health.problem(refusal)
        elif decision.kind is InstructionKind.NEW:
            self._goals.over(Result.REPLACED, f"Preempted by another instruction: {decision.text!r}.")
            self._begin(decision.text)

    def _requests(self) -> Requests:
        """The interface for goals of the action."""

        def begin(text: str) -> None:
            self._begin(self._instruction_gate.take(text, time.monotonic()))

        def refuse(text: str) -> str | None:
            return self._instruction_gate.refuse(text) or self._refuse_request()

        def running() -> bool:
            with self._runner.lock:  # a step that ends the request is told before anybody looks
                return self._runner.running

        return Requests(refuse, begin, self._end, self._break_off, running, self._report, lambda: self._health.awaited)

    def _refuse_request(self) -> str | None:
        """Why no request can begin, as a sentence; None if one can."""
        return self.refusal or self._smoother.refusal

    def _begin(self, instruction: str) -> None:
        self._cameras.restart()
        with self._runner.lock:
            self._health.begin()
            self._request = (self._request + 1) % 2**32
            if self._runner.running:
                self._say((), "Another request has started.")
            self._runner.request(instruction)

    def _end(self, sentence: str, *, stop: bool = False) -> None:
        """Ends the request: commands standstill and sends no further actions of it.

        stop: the smoother latches it.
        """
        self._goals.over(Result.STOPPED, sentence)
        with self._runner.lock:
            self._runner.cancel()
            self._say(STOP, sentence, latched=stop)
        self._smoother.await_standstill()
        self._instruction_gate.close()
        self._health.end()

    def _break_off(self, sentence: str) -> None:
        """Ends the request where one runs, and says so until the next one begins."""
        if self._runner.running:
            self._goals.over(Result.FAULT, sentence)
            self._end(sentence)
            self._health.problem(sentence, lasting=True)

    def _on_smoother_stopped(self, reason: str) -> None:
        self._instruction_gate.close()
        if self._runner.running:
            self._end(f"The smoother was stopped: {reason}")

    def _on_smoother_lost(self) -> None:
        self._instruction_gate.close()
        self._break_off("The request was aborted: the smoother that followed its actions is gone.")

    def _on_smoother_status(self, status: ControllerStatus) -> None:
        """Ends a request that the smoother does not follow, without commanding the arm: another request may move it."""
        own = (self._publisher, self._request)
        why = next((one.reason for one in status.refused if (one.publisher, one.request) == own), None)
        if why is None:
            return
        why = why[:LONGEST_REASON]
        rival = status.followed_publisher not in ("", self._publisher)
        self._goals.refused(Result.REFUSED if rival else Result.FAULT, why)
        with self._runner.lock:
            was_running = self._runner.running
            self._runner.cancel()
        if was_running:
            self._smoother.await_standstill()
            self._instruction_gate.close()
            self._health.end()
            self._health.problem(why, lasting=True)

    def _on_taken_over(self, taken_over: bool) -> None:
        """The request is kept and continues from the images after the takeover."""
        self._conclude()
        if taken_over:
            self._runner.suspend()
        else:
            self._cameras.restart()
            self._runner.go_on()

    async def _on_stop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The smoother has the latch: an answer to this says whether it is set."""
        self._end("The stop service of the policy was called.", stop=True)
        response.success = await self._smoother.stop_taken()
        response.message = (
            f"the request has ended, and the smoother is stopped until {self._smoother.release} is called; after that, "
            f"give another instruction or call {self.resolve_service_name('~/restart')}"
            if response.success
            else "the request has ended, but no smoother confirmed the stop: another action can still move the arm"
        )
        return response

    def _on_restart(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._conclude()
        text, refusal = self._instruction_gate.text, self._refuse_request()
        response.success = refusal is None and text is not None
        if refusal is not None:
            response.message = refusal
        elif text is None:
            topic = self.resolve_topic_name("instruction")
            response.message = f"no instruction received yet; publish one on the topic {topic}"
        else:
            self._instruction_gate.reopen()
            self._goals.over(Result.REPLACED, "The request was restarted by the restart service.")
            self._begin(text)
            response.message = f"restarting {text!r}"
        return response

    async def _on_ask(self, request: Ask.Request, response: Ask.Response) -> Ask.Response:
        """The answer takes seconds, so it is awaited while other callbacks run."""
        answered: Future[Answer] = Future()
        self._questions.ask(self._policy, self._newest_images, request.question, answered.set_result)
        answer = await answered
        response.success, response.message = not answer.problem, answer.problem
        response.answer, response.seconds = answer.text, answer.seconds
        return response

    def _newest_images(self, policy: Policy) -> dict[str, NDArray[np.uint8]]:
        return self._cameras.newest(policy, self._now_ns())

    # Images ----------------------------------------------------------------------------------------------------------

    def _on_image(self, camera: str, message: Picture) -> None:
        arrival_ns = time.monotonic_ns()
        problem = check_picture(message)
        self._health.image(camera, arrival_ns, problem)
        if problem is None:
            self._cameras.keep(camera, message)
            stamp_ns = convert.nanoseconds(message.header.stamp)
            self._runner.offer(camera, Frame(message, stamp_ns, arrival_ns))
            self._watch_for_frozen(camera, message, stamp_ns, arrival_ns)

    def _watch_for_frozen(self, camera: str, message: Picture, stamp_ns: int, arrival_ns: int) -> None:
        """A policy with a frozen camera would move the arm blindly."""
        buffer = self._runner.buffer
        if buffer is None or camera not in buffer.rates or not self._runner.running:
            return
        times_ns = (self._now_ns(), arrival_ns)
        sentence = self._cameras.frozen(camera, message, stamp_ns, times_ns, self._smoother.way(stamp_ns))
        if sentence is not None:
            self._break_off(sentence)

    # The policy ------------------------------------------------------------------------------------------------------

    def _load(self) -> PolicyStepper[Picture]:
        policy, self._lost = self._load_policy(), False
        self._smoother.wait_until_known()
        self._loading("warming up")
        rules = {name: self._settings[name] for name in ("max_image_age", "stream", *THRESHOLDS)}
        states = None if self._state is None else self._state.samples
        return PolicyStepper(policy, self._cameras.decode, states=states, **rules)

    def _load_policy(self) -> Policy:
        names = ("device", "weights", "trust_remote_code", "cuda_graphs", "device_images", "plan")
        options = {name: self._settings[name] for name in names}
        options["language"] = self._settings["language"] or None
        remote = RemoteSettings.of({**self._settings, "remote_robot": self.get_fully_qualified_name()})
        policy = load_policy(self._settings["policy"], tell=self._loading, remote=remote, **options)
        missing = missing_camera(policy.card, self._cameras.topics)
        if missing is not None:
            raise ValueError(missing)
        if policy.card.state:
            self._state = RobotState(self, policy.card, self._settings, self._now_ns, self._runner.lock)
        return policy

    def _loading(self, sentence: str) -> None:
        self._health.loading(sentence)
        self.get_logger().info(f"Loading the policy: {sentence}.")

    # Out -------------------------------------------------------------------------------------------------------------

    def _publish(self, chunk: ActionChunk, stamp_ns: int, latency_ns: int, *, latched: bool = False) -> None:
        frame_id = self._settings["frame_id"] or chunk.frame_id
        message = convert.chunk_message(chunk, stamp_ns, frame_id, latency_ns)
        message.stop, message.publisher, message.request = latched, self._publisher, self._request
        message.smoother_session = self._smoother.session
        self._actions.publish(message)

    def _say(self, steps: tuple[EndEffectorStep, ...], sentence: str, *, latched: bool = False) -> None:
        """Publishes a chunk that is not from the policy: STOP, or no steps. `plan` says why. latched: by the
        smoother.
        """
        policy = self._policy  # which a cleanup may remove at any time
        chunk = ActionChunk(
            steps,
            period=0.1 if policy is None else policy.card.period,
            frame_id=BASE_LINK if policy is None else policy.card.frame_id,
            plan=sentence,
        )
        self._publish(chunk, self._now_ns(), 0, latched=latched)

    def _report(self) -> Report:
        self._conclude()
        runner, state = self._runner, self._state
        self._health.failure = self.failure
        report = self._health.report(
            runner.buffer,
            running=runner.running,
            text=self._instruction_gate.text or "",
            busy_ns=runner.busy_ns,
            smoother=self._smoother.trouble(),
            state=None if state is None else state.samples.trouble(),
        )
        own = {"state": self.state, "tip_frame": self._settings["tip_frame"]}
        return replace(report, values={**own, **report.values})

    def close(self) -> None:
        """Commands standstill if the arm was moving."""
        super().close()
        if self._runner.running:
            self._end("The policy node was shut down.")
        self._goals.close()
        self._loaded.end("The policy node was shut down.")
        self._runner.close()


def main() -> NoReturn:
    """The program `policy_node`."""
    end_process(run(PolicyNode))


if __name__ == "__main__":
    main()
