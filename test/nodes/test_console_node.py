"""The console node on a graph: what it shows of others, and what a page's requests do."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Quaternion, TransformStamped, TwistStamped, Vector3
from rclpy.qos import DurabilityPolicy, QoSProfile
from rt_vla_ros.msg import ActionChunk, ControllerStatus, EndEffectorStep
from rt_vla_ros.srv import Ask, StartEpisode
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Empty, Float64, Header, String
from std_srvs.srv import SetBool, Trigger
from support.node_bench import NEWEST, NodeBench
from tf2_ros import StaticTransformBroadcaster
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rt_vla_ros.console.access import COOKIE
from rt_vla_ros.control.status import State
from rt_vla_ros.nodes.console_link import ConsoleLink
from rt_vla_ros.nodes.console_node import ConsoleNode
from rt_vla_ros.nodes.start_error import StartError

PERIOD = 0.05  # between two words of a page [s]


class OpenPage:
    """A page that says its heartbeats in a thread, as a browser's does. state: what it shows."""

    def __init__(self, url: str) -> None:
        port = int(url.rstrip("/").rpartition(":")[2])
        self.address = ("localhost", port)
        origin, where = f"http://localhost:{port}", f"ws://localhost:{port}/say"
        self._socket = connect(where, sock=socket.create_connection(self.address), origin=origin)
        self.state: dict[str, Any] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.stick: dict[str, Any] | None = None
        self._number, self.said, self._over = 0, 0, threading.Event()
        self._threads = [threading.Thread(target=part, daemon=True) for part in (self._hear, self._say)]

    def begin(self, running: ExitStack) -> None:
        running.enter_context(self._socket)
        for thread in self._threads:
            thread.start()
        running.callback(self.close)

    def close(self) -> None:
        self._over.set()
        self._socket.close()

    def fall_silent(self) -> None:
        """It is there, and says nothing any more."""
        self._over.set()

    def ask(self, **fields: Any) -> int:
        """The number of the answer."""
        self._number += 1
        self._socket.send(json.dumps({"number": self._number, "echo": 1000 * time.monotonic(), **fields}))
        return self._number

    def _hear(self) -> None:
        for message in self._socket:
            told = json.loads(message)
            if told["kind"] == "state":
                self.state = told["state"]
            elif told["kind"] == "answer":
                self.answers[told["number"]] = told

    def _say(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while not self._over.wait(PERIOD):
                sent = {"echo": 1000 * time.monotonic()}
                self._socket.send(json.dumps({"kind": "heartbeat", **sent}))
                if self.stick is not None:
                    self._socket.send(json.dumps({"kind": "stick", **self.stick, **sent}))
                    self.said += 1


@pytest.fixture
def make(make_bench: Callable[..., NodeBench]) -> Iterator[Callable[..., tuple[NodeBench, OpenPage]]]:
    """A bench with a console on a free port, and a page of it. arguments: ROS arguments."""
    with ExitStack() as running:

        def start(*arguments: str) -> tuple[NodeBench, OpenPage]:
            bench = make_bench("-p", "console_node:port:=0", *arguments)
            page = OpenPage(bench.add(ConsoleNode()).url)
            page.begin(running)
            bench.until(lambda: page.state)
            return bench, page

        yield start


def answer(bench: NodeBench, page: OpenPage, **fields: Any) -> tuple[bool, str]:
    number = page.ask(**fields)
    told = bench.until(lambda: page.answers.get(number), f"{fields} was not answered")
    return told["ok"], told["sentence"]


def publish_status(bench: NodeBench, publisher: Any, **fields: Any) -> None:
    publisher.publish(ControllerStatus(header=Header(), speed_scale=1.0, **fields))


def test_it_shows_what_the_smoother_says(make: Any) -> None:
    bench, page = make()
    assert page.state["word"] == "Offline"
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    statuses = bench.publisher(ControllerStatus, "controller_status", lasting)
    for state, word in ((State.MOVING, "Moving"), (State.STOPPED, "Stopped")):

        def shown(state: State = state, word: str = word) -> bool:
            publish_status(bench, statuses, state=state, reason="why")
            return (page.state["word"], page.state["reason"]) == (word, "why")

        bench.until(shown, f"never {word}")
    assert page.state["stopped"] is True


def test_it_shows_diagnostics_and_what_the_policy_is(make: Any) -> None:
    bench, page = make()
    diagnostics = bench.publisher(DiagnosticArray, "/diagnostics")
    values = {"policy": "rt1-mini", "running": "True", "rate_front": "9.9", "horizon": "4"}
    policy = DiagnosticStatus(level=b"\x01", name="/policy_node", message="It is slow.")
    policy.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    recorder = DiagnosticStatus(level=b"\x00", name="/recorder_node", message="Recording.")
    recorder.values = [KeyValue(key="frames", value="12")]
    diagnostics.publish(DiagnosticArray(status=[policy, recorder]))
    bench.until(lambda: page.state["policy"] and page.state["recorder"])
    assert page.state["policy"]["name"] == "rt1-mini"
    assert page.state["policy"]["values"] == {"horizon": "4"}
    assert page.state["recorder"] == {"recording": True, "frames": 12, "message": "Recording."}
    assert {"/policy_node", "/recorder_node"} <= {one["name"] for one in page.state["nodes"]}


def test_stop_goes_out_at_once_and_the_service_says_whether_it_was_taken(make: Any) -> None:
    bench, page = make()
    stops = bench.listen(Empty, "stop")
    bench.until(lambda: bench.world.count_publishers("/stop"))
    ok, sentence = answer(bench, page, kind="stop")
    assert not ok
    assert sentence == "The service /smoother_node/stop is not available: is its node running?"
    bench.until(lambda: stops)
    bench.world.create_service(Trigger, "smoother_node/stop", respond(Trigger, message="it stands"))
    bench.until(lambda: page.state["offers"].get("stop"))
    assert answer(bench, page, kind="stop") == (True, "it stands")


def test_a_request_that_fails_takes_no_stop_with_it(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, page = make()
    asked: list[str] = []

    def fails(_link: ConsoleLink, request: Any, _answer: Any) -> None:
        asked.append(request.kind)
        raise RuntimeError("the graph is gone")

    monkeypatch.setattr(ConsoleLink, "_call", fails)
    stops = bench.listen(Empty, "stop")
    bench.until(lambda: bench.world.count_publishers("/stop"))
    waiting = next(node for node in bench._nodes if isinstance(node, ConsoleNode))._link._waiting
    page.ask(kind="release")
    page.ask(kind="stop")
    deadline = time.monotonic() + 10  # the node does not spin
    while waiting.qsize() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    bench.until(lambda: stops)
    assert asked == ["release", "stop"]


def respond(kind: Any, **fields: Any) -> Callable[[Any, Any], Any]:
    def callback(request: Any, response: Any) -> Any:
        response.success = True
        for name, value in fields.items():
            setattr(response, name, value(request) if callable(value) else value)
        return response

    return callback


def test_questions_and_recordings_go_to_their_services(make: Any) -> None:
    bench, page = make()
    world = bench.world
    world.create_service(Ask, "policy_node/ask", respond(Ask, answer=lambda it: f"no {it.question}", seconds=0.5))
    world.create_service(StartEpisode, "recorder_node/start", respond(StartEpisode, message=lambda it: it.instruction))
    world.create_service(SetBool, "recorder_node/stop", respond(SetBool, message=lambda it: str(it.data)))
    bench.until(lambda: page.state["offers"].get("record_stop") and page.state["offers"]["ask"])
    assert answer(bench, page, kind="ask", text="cube?")[0]
    bench.until(lambda: page.state["answers"] and page.state["answers"][0]["answer"])
    assert page.state["answers"] == [{"question": "cube?", "answer": "no cube?", "problem": "", "took": 0.5}]
    assert answer(bench, page, kind="record_start", text="lift it") == (True, "lift it")
    assert answer(bench, page, kind="record_stop", success=True) == (True, "True")


def test_without_a_policy_an_instruction_moves_nothing_and_says_why(make: Any) -> None:
    bench, page = make()
    ok, sentence = answer(bench, page, kind="instruct", text="lift it")
    assert not ok
    assert sentence == "The action /policy_node/execute is not available: is the policy node running?"


def test_an_instruction_from_elsewhere_is_shown_and_a_request_can_be_ended(make: Any) -> None:
    bench, page = make()
    bench.publisher(String, "instruction").publish(String(data="wave\n twice"))
    bench.until(lambda: page.state["runs"])
    assert page.state["runs"][0]["text"] == "wave twice"
    heard = bench.listen(String, "instruction")
    bench.until(lambda: bench.world.count_publishers("/instruction") > 1)
    assert answer(bench, page, kind="cancel")[0]
    bench.until(lambda: heard)
    assert heard[-1].data == ""


def let_go(bench: NodeBench, page: OpenPage) -> None:
    """The page says so at least once."""
    page.stick, page.said = {"held": False, "axes": [0] * 6}, 0
    bench.until(lambda: page.said > 1)


def test_a_stick_that_nobody_took_up_has_no_publisher(make: Any) -> None:
    bench, page = make()
    page.stick = {"held": True, "axes": [1, 0, 0, 0, 0, 0]}
    bench.spin_for(0.5)
    assert bench.world.count_publishers("/teleop_deadman") == 0
    assert bench.world.count_publishers("/teleop_twist") == 0


def test_the_stick_says_what_the_page_says_and_leaves_when_put_away(make: Any) -> None:
    bench, page = make("-p", "console_node:linear_speed:=0.2", "-p", "console_node:angular_speed:=1.0")
    deadman, twists = bench.listen(Bool, "teleop_deadman"), bench.listen(TwistStamped, "teleop_twist")
    gripper = bench.listen(Float64, "teleop_gripper")
    assert answer(bench, page, kind="arm_stick", armed=True)[0]
    let_go(bench, page)
    bench.until(lambda: deadman)
    assert not deadman[-1].data
    page.stick = {"held": True, "axes": [0.5, 0, 0, 0, 0, -1], "gripper": 1}
    bench.until(lambda: deadman[-1].data and twists[-1].twist.linear.x == 0.1 and gripper)
    assert twists[-1].twist.angular.z == -1.0
    assert gripper[-1].data == 1.0
    bench.until(lambda: page.state["stick"]["held"])
    page.stick = {"held": False, "axes": [0] * 6}
    bench.until(lambda: not deadman[-1].data and twists[-1].twist.linear.x == 0.0)
    page.stick = None
    assert answer(bench, page, kind="arm_stick", armed=False)[0]
    bench.until(lambda: bench.world.count_publishers("/teleop_deadman") == 0)


def test_a_page_that_falls_silent_lets_the_stick_go(make: Any) -> None:
    bench, page = make()
    deadman, twists = bench.listen(Bool, "teleop_deadman"), bench.listen(TwistStamped, "teleop_twist")
    assert answer(bench, page, kind="arm_stick", armed=True)[0]
    let_go(bench, page)
    bench.until(lambda: deadman)
    page.stick = {"held": True, "axes": [1, 0, 0, 0, 0, 0]}
    bench.until(lambda: deadman[-1].data)
    page.fall_silent()
    bench.until(lambda: not deadman[-1].data and twists[-1].twist.linear.x == 0.0)
    bench.until(lambda: "was released" in page.state["stick"]["problem"])


def test_a_smoother_that_was_started_anew_lets_the_stick_go(make: Any) -> None:
    bench, page = make()
    deadman = bench.listen(Bool, "teleop_deadman")
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    statuses = bench.publisher(ControllerStatus, "controller_status", lasting)
    assert answer(bench, page, kind="arm_stick", armed=True)[0]
    let_go(bench, page)
    page.stick = {"held": True, "axes": [1, 0, 0, 0, 0, 0]}

    def told(session: int, what: Callable[[], object]) -> object:
        publish_status(bench, statuses, state=State.HUMAN, reason="why", session=session)
        return what()

    bench.until(lambda: told(5, lambda: page.state["word"] == "Human" and deadman and deadman[-1].data))
    bench.until(lambda: told(6, lambda: "The smoother was restarted" in page.state["stick"]["problem"]))
    bench.until(lambda: not deadman[-1].data)
    let_go(bench, page)
    page.stick = {"held": True, "axes": [1, 0, 0, 0, 0, 0]}
    bench.until(lambda: told(6, lambda: deadman[-1].data))


def test_cameras_are_heard_only_while_somebody_looks(make: Any) -> None:
    bench, page = make()
    assert bench.world.count_subscribers("/image") == 0
    origin, where = f"http://localhost:{page.address[1]}", f"ws://localhost:{page.address[1]}/look"
    images = bench.world.create_publisher(Image, "image", NEWEST)
    pixels = bytes(range(192))
    pictures: list[bytes] = []
    with connect(where, sock=socket.create_connection(page.address), origin=origin) as looking:

        def look() -> None:
            pictures.append(looking.recv(30))

        threading.Thread(target=look, daemon=True).start()
        bench.until(lambda: images.get_subscription_count())
        bench.until(lambda: "No images received on /image." in page.state["cameras"]["front"]["problem"])
        image = Image(height=8, width=8, step=24, encoding="rgb8", data=pixels)

        def shown() -> bool:
            images.publish(image)
            return bool(pictures)

        bench.until(shown)
    assert pictures[0].endswith(b"\xff\xd9")
    bench.until(lambda: page.state["cameras"]["front"]["problem"] == "")
    bench.until(lambda: not images.get_subscription_count())


@contextlib.contextmanager
def looking(page: OpenPage) -> Iterator[None]:
    """Somebody looks at the cameras, and takes no picture."""
    origin, where = f"http://localhost:{page.address[1]}", f"ws://localhost:{page.address[1]}/look"
    with connect(where, sock=socket.create_connection(page.address), origin=origin):
        yield


def placed(child: str, parent: str, position: tuple[float, ...], turn: tuple[float, ...]) -> TransformStamped:
    """A transform. turn: quaternion x, y, z, w."""
    message = TransformStamped(header=Header(frame_id=parent), child_frame_id=child)
    message.transform.translation = Vector3(**dict(zip("xyz", position, strict=True)))
    message.transform.rotation = Quaternion(**dict(zip("xyzw", turn, strict=True)))
    return message


def test_the_way_of_a_chunk_is_drawn_into_the_picture_of_a_camera(make: Any) -> None:
    """The camera looks straight down from 1 m above the tool, the top of its picture to the robot's front."""
    bench, page = make()
    diagnostics = bench.publisher(DiagnosticArray, "/diagnostics")
    policy = DiagnosticStatus(level=b"\x00", name="/policy_node", message="It waits.")
    step = EndEffectorStep(translation=Vector3(x=0.1, y=0.2), gripper=1.0)
    chunk = ActionChunk(header=Header(frame_id="base"), steps=[step], latency=Duration(nanosec=1))
    matrix = [50.0, 0.0, 50.0, 0.0, 50.0, 25.0, 0.0, 0.0, 1.0]
    info = CameraInfo(header=Header(frame_id="camera"), width=100, height=50, k=matrix)
    with looking(page):
        actions, infos = bench.publisher(ActionChunk, "action"), bench.publisher(CameraInfo, "camera_info", NEWEST)
        fixed = StaticTransformBroadcaster(bench.world)
        camera: dict[str, Any] = {}

        def told(sentence: str) -> bool:
            diagnostics.publish(DiagnosticArray(status=[policy]))
            actions.publish(chunk)
            camera.update(page.state["cameras"]["front"])
            return sentence in camera.get("undrawn", "")

        bench.until(lambda: told("set the parameter tip_frame"))
        policy.values = [KeyValue(key="tip_frame", value="tool")]
        bench.until(lambda: told("The tool path is unknown from TF"))
        fixed.sendTransform(placed("tool", "base", (0.4, 0.0, 0.2), (0.0, 0.0, 0.0, 1.0)))
        bench.until(lambda: told("No camera_info received on /camera_info"))
        infos.publish(info)
        bench.until(lambda: told("The camera pose is unknown from TF"))
        half = 0.5**0.5
        fixed.sendTransform(placed("camera", "base", (0.4, 0.0, 1.2), (half, -half, 0.0, 0.0)))
        bench.until(lambda: told("") and camera["path"] is not None)
    assert camera["path"] == [[0.5, 0.5], [0.4, 0.4]]  # to the left, and ahead
    bench.until(lambda: bench.world.count_subscribers("/camera_info") == 0)
    bench.until(lambda: page.state["cameras"]["front"]["path"] is None)  # it is not that of the next chunk


def test_instructions_that_nodes_know_are_offered(make: Any) -> None:
    bench, page = make("-p", "console_node:suggestions:=[wave]")
    diagnostics = bench.publisher(DiagnosticArray, "/diagnostics")
    for texts in ('["lift it", 7, ""]', "no JSON", '{"a": 1}'):
        sim = DiagnosticStatus(level=b"\x00", name="/sim_arm_node", message=texts)
        sim.values = [KeyValue(key="instructions", value=texts)]
        diagnostics.publish(DiagnosticArray(status=[sim]))
        expected = ["wave", "lift it"] if "lift" in texts else ["wave"]
        bench.until(lambda texts=texts: any(one["message"] == texts for one in page.state["nodes"]))
        assert page.state["suggestions"] == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("host:=0.0.0.0",), "Outside localhost the page requires a token"),
        (("host:=0.0.0.0", "token_file:=/none/there"), "The token cannot be read: /none/there"),
        (("key:=key.pem",), "'key' is given without 'certificate'"),
        (("certificate:=/none/there.pem",), "The certificate '/none/there.pem'"),
        (("cameras:=[front, front]",), "unique names"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    make_bench: Callable[..., NodeBench], arguments: tuple[str, ...], sentence: str
) -> None:
    make_bench("-p", "console_node:port:=0", *(word for one in arguments for word in ("-p", f"console_node:{one}")))
    with pytest.raises(StartError, match=sentence):
        ConsoleNode()


def test_outside_localhost_it_serves_with_a_token(make_bench: Callable[..., NodeBench], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("a token of more than 16")
    arguments = ("port:=0", "host:=0.0.0.0", f"token_file:={file}")
    bench = make_bench(*(word for one in arguments for word in ("-p", f"console_node:{one}")))
    node = bench.add(ConsoleNode())
    bench.until_diagnostics("console_node", 0, node.url)
    secret = node._rules.log_in("a token of more than 16", "", time.monotonic())
    file.write_text("another one of more than 16")
    bench.until(lambda: node._rules.token == "another one of more than 16")
    assert not node._rules.is_known({COOKIE: secret}, time.monotonic())
    file.write_text("short")
    bench.until_diagnostics("console_node", 1, f"Login is impossible. The token in {file} has 5 characters")
    assert node._rules.log_in("short", "", time.monotonic()) is None
    file.write_text("a third one of more than 16")
    bench.until_diagnostics("console_node", 0, node.url)


def test_secrets_that_others_may_read_are_refused_at_the_start(
    make_bench: Callable[..., NodeBench], tmp_path: Path
) -> None:
    token, key = tmp_path / "token", tmp_path / "key.pem"
    for file, mode in ((token, 0o644), (key, 0o600)):
        file.write_text("a token of more than 16")
        file.chmod(mode)
    arguments = ("port:=0", f"token_file:={token}", f"certificate:={key}", f"key:={key}")
    make_bench(*(word for one in arguments for word in ("-p", f"console_node:{one}")))
    with pytest.raises(StartError, match=f"Others may read or write {token}"):
        ConsoleNode()
    token.chmod(0o600)
    key.chmod(0o640)
    with pytest.raises(StartError, match=f"Others may read or write {key}"):
        ConsoleNode()


def test_a_port_that_is_taken_is_refused_at_the_start(make_bench: Callable[..., NodeBench]) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        make_bench("-p", f"console_node:port:={taken.getsockname()[1]}", "-p", "console_node:host:=127.0.0.1")
        with pytest.raises(StartError, match="is the port in use"):
            ConsoleNode()
