"""Bad clients, a bad network, and servers that go and come back: each gets a sentence, and the others go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
from support.fleet_policies import CARD, SharedCounting, counting, view
from support.policy_server import RunningServer
from support.stranger import Stranger
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rt_vla_ros.action_space.card import CameraSpec
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.console import web_thread
from rt_vla_ros.console.attempts import MOST_ATTEMPTS
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy, PolicyLostError
from rt_vla_ros.policies.remote.handshake import Hello
from rt_vla_ros.policies.remote.image_wire import encode_images
from rt_vla_ros.policies.remote.policy import RemoteLateError, RemotePolicy
from rt_vla_ros.policies.remote.settings import RemoteSettings
from rt_vla_ros.policies.remote.wire import HEADER, MAGIC, VERSION, MessageKind, RemoteMessage
from rt_vla_ros.serving import server as server_module
from rt_vla_ros.serving.access import RobotAccess
from rt_vla_ros.serving.server import RobotLimits

Serve = Callable[..., RunningServer]
TOKEN = "a-token-of-more-than-16"
PATIENCE = 30.0
ROBOT = RemoteSettings(budget=20.0)


def remote(server: RunningServer, settings: RemoteSettings = ROBOT, name: str = "") -> RemotePolicy:
    policy = load_policy(f"{server.address}/{name}" if name else server.address, remote=settings)
    assert isinstance(policy, RemotePolicy)
    return policy


def until(condition: Callable[[], bool]) -> None:
    last = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.01)


def drip(connection: socket.socket) -> None:
    """A request whose head never ends, a byte at a time."""
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        connection.sendall(b"G")
        time.sleep(0.05)


@pytest.fixture
def server(serve: Serve) -> RunningServer:
    return serve({"counting": counting()}, share=SharedCounting)


def test_a_wrong_token_is_refused_and_the_right_one_is_not(serve: Serve, tmp_path: Path) -> None:
    server = serve({"counting": counting()}, share=SharedCounting, token=TOKEN)
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{TOKEN}\n")
    wrong.write_text("another-token-of-more-than-16")
    for file in (right, wrong):
        file.chmod(0o600)
    with pytest.raises(PolicyLostError, match="requires another token than the one in remote_token_file"):
        remote(server, replace(ROBOT, token_file=str(wrong)))
    with pytest.raises(PolicyLostError, match="requires a token"):
        remote(server)
    policy = remote(server, replace(ROBOT, token_file=str(right)))
    policy.reset("go")
    assert policy.act(view()).tokens == (1, 100)
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {TOKEN}"}, 200)):
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as http:
            http.request("GET", "/metrics", headers=headers)
            assert http.getresponse().status == status


def test_an_address_that_guesses_tokens_is_blocked_and_no_other() -> None:
    now = 10.0
    access = RobotAccess(TOKEN, lambda: now)

    def status(token: str, address: str = "10.0.0.1") -> int:
        return access.status(f"Bearer {token}", None, address)

    assert [status("an old one") for _ in range(50)] == [401] * 50  # which a robot tries again and again
    assert status(TOKEN) == 200
    assert [status(f"guess {number}") for number in range(5)] == [401, 401, 401, 401, 429]
    assert (status(TOKEN), status(TOKEN, "10.0.0.2")) == (429, 200)
    assert access.status(None, None, "10.0.0.1") == 401  # which is no guess
    now = 13.0
    assert status(TOKEN) == 200


def test_a_robot_whose_address_has_to_wait_says_so(serve: Serve, tmp_path: Path) -> None:
    server, wrong = serve({"counting": counting()}, share=SharedCounting, token=TOKEN), tmp_path / "wrong"
    wrong.touch(mode=0o600)

    def refusal(number: int) -> str:
        wrong.write_text(f"a-wrong-token-with-the-number-{number}")
        with pytest.raises(PolicyLostError) as refused:
            remote(server, replace(ROBOT, token_file=str(wrong)))
        return str(refused.value)

    said = [refusal(number) for number in range(MOST_ATTEMPTS + 2)]
    assert "requires another token" in said[0]
    assert "received several wrong tokens from this machine's address" in said[-1]


def test_a_browser_page_is_not_answered(server: RunningServer) -> None:
    url = f"ws://127.0.0.1:{server.port}/robot"
    with pytest.raises(InvalidStatus) as refused, connect(url, origin="http://localhost"):  # type: ignore[arg-type]
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("change", ["control_rate", "cameras"])
def test_a_robot_that_was_started_with_another_card_is_refused_with_the_differences(
    change: str, server: RunningServer
) -> None:
    other = {"control_rate": 7.0, "cameras": (CameraSpec("front", 32, 12, "none", 0.0),)}[change]
    card = replace(CARD, **{change: other})  # type: ignore[arg-type]
    stranger = Stranger(server, hello=False)
    answer = stranger.ask(RemoteMessage(MessageKind.HELLO, 1, Hello("", "old", "", card.to_dict()).meta()))
    assert answer.kind is MessageKind.REFUSED
    assert "a different action card" in answer.meta["sentence"]
    assert change in answer.meta["sentence"]
    assert stranger.gone()


def test_an_image_of_another_size_is_refused_before_it_is_decoded(server: RunningServer) -> None:
    policy = remote(server)
    policy.reset("go")
    with pytest.raises(ValueError, match="is 8x8, the policy expects 16x12"):
        policy.act(Observation({"front": np.zeros((8, 8, 3), np.uint8)}, 0.0))
    stranger = Stranger(server)
    stranger.ask(RemoteMessage(MessageKind.RESET, 3, {"instruction": "go"}))
    huge = [{"camera": "front", "format": "jpeg", "width": 20000, "height": 20000, "bytes": 576}]
    answer = stranger.act(images=huge)
    assert answer.kind is MessageKind.REFUSED
    assert "is 20000x20000, the policy expects 16x12" in answer.meta["sentence"]
    short = [{"camera": "front", "format": "raw", "width": 16, "height": 12, "bytes": 12}]
    assert "the message has 576" in stranger.act(images=short).meta["sentence"]
    assert stranger.act().kind is MessageKind.CHUNK


def test_a_header_that_announces_a_gigabyte_is_refused_before_allocation(server: RunningServer) -> None:
    stranger = Stranger(server)
    header = HEADER.pack(MAGIC, VERSION, MessageKind.ACT, 0, 2, 2, 1_000_000_000)
    stranger.socket.send(header + b"{}")
    assert "1000000000 bytes of images, at most" in stranger.hear().meta["sentence"]
    assert stranger.gone()
    frame = Stranger(server)
    frame.socket.socket.sendall(bytes([0x82, 0xFF]) + struct.pack(">Q", 1 << 30) + b"mask")
    assert frame.gone()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": [float("nan")]}, "NaN is not a finite number"),
        ({"budget": -1}, "budget is -1 s"),
        ({"budget": 1e400}, "Infinity is not a finite number"),
        ({"trip": "soon"}, "trip is 'soon', expected a finite number"),
        ({"stamp": None}, "stamp is missing"),
        ({"images": []}, "expected: front"),
        ({"images": "none"}, "images is 'none', expected a list"),
    ],
)
def test_invalid_numbers_and_fields_of_another_type_are_refused(
    changes: dict[str, object], said: str, server: RunningServer
) -> None:
    stranger = Stranger(server)
    described, body = encode_images(view().images, CARD)
    meta = {"stamp": 0.0, "state": None, "images": described, "budget": 9.0, "trip": 0.0, **changes}
    text = json.dumps(meta).encode()
    stranger.socket.send(HEADER.pack(MAGIC, VERSION, MessageKind.ACT, 0, 2, len(text), len(body)) + text + body)
    answer = stranger.hear()
    assert answer.kind is MessageKind.REFUSED
    assert said in answer.meta["sentence"]


def test_a_state_with_nan_does_not_leave_the_robot(serve: Serve) -> None:
    card = replace(CARD, state=(StateDimension("q", "rad", -1, 1, "joint:q"),))
    policy = remote(serve({"counting": counting(card)}, share=SharedCounting))
    policy.reset("go")
    with pytest.raises(ValueError, match="The robot's state must be finite, got q nan"):
        policy.act(replace(view(), state=np.array([np.nan])))
    assert policy.sent == 0
    assert policy.act(replace(view(), state=np.array([0.5]))).tokens == (1, 100)


def test_an_instruction_of_a_megabyte_is_refused_and_the_robot_goes_on(server: RunningServer) -> None:
    policy = remote(server)
    for length, said in ((1_000_000, "is too large to send"), (2000, "has 2000 characters, expected at most 1000")):
        with pytest.raises(InstructionError, match=said):
            policy.reset("x" * length)
    with pytest.raises(InstructionError, match="nonsense"):
        policy.reset("nonsense")
    policy.reset("go")
    assert policy.act(view()).tokens == (1, 100)


def test_a_robot_that_sends_garbage_is_disconnected_and_the_others_go_on(server: RunningServer) -> None:
    policy, other = remote(server), Stranger(server)
    policy.reset("go")
    other.socket.send(os.urandom(4096))
    assert "does not start with this" in other.hear().meta["sentence"]
    assert other.gone()
    text = Stranger(server)
    text.socket.send("hello")
    assert "Received text" in text.hear().meta["sentence"]
    for step in range(3):
        assert policy.act(view(stamp=float(step))).tokens == (step + 1, 100)


def test_an_error_of_the_model_for_one_robot_does_not_affect_others(server: RunningServer) -> None:
    one, other = remote(server), remote(server)
    for policy in (one, other):
        policy.reset("go")
    with pytest.raises(RuntimeError, match="This image breaks the model"):
        one.act(view(13))
    assert other.act(view()).tokens == (1, 100)
    assert one.act(view()).tokens == (1, 100)


def test_a_silent_or_slow_client_is_disconnected(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE", 0.2)
    monkeypatch.setattr(web_thread, "SLOWEST_REQUEST", 0.3)
    server = serve({"counting": counting()}, share=SharedCounting)
    policy = remote(server)
    policy.reset("go")
    assert Stranger(server, hello=False).gone()
    slow = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    with closing(slow), pytest.raises(OSError, match=r"reset|roken pipe|aborted"):
        drip(slow)
    assert policy.act(view()).tokens == (1, 100)


def test_clocks_that_are_seconds_off_change_nothing(server: RunningServer) -> None:
    """Stamps are the robot's alone, and deadlines are spans of time."""
    early, late = remote(server), remote(server)
    for policy in (early, late):
        policy.reset("go")
    for step in range(3):
        expected = (step + 1, 100)
        assert early.act(view(stamp=1000.0 + step)).tokens == late.act(view(stamp=1010.0 + step)).tokens == expected


def test_a_request_that_cannot_be_in_time_is_answered_late_and_the_next_one_is_decided(serve: Serve) -> None:
    shared: list[SharedCounting] = []

    def share(policy: Policy) -> SharedCounting:
        shared.append(SharedCounting(policy))
        return shared[0]

    server = serve({"counting": counting()}, share=share)
    policy = remote(server, replace(ROBOT, budget=0.5))
    policy.reset("go")
    policy.act(view())
    shared[0].gate.clear()
    began = time.monotonic()
    with pytest.raises(RemoteLateError):
        policy.act(view(stamp=1.0))
    assert time.monotonic() - began < 1.5
    with pytest.raises(RemoteLateError):
        policy.act(view(stamp=2.0))
    shared[0].gate.set()
    until(lambda: len(shared[0].batches) >= 2)
    chunk = policy.act(view(77, stamp=3.0))
    assert chunk.tokens[1] == 77
    rows = server.metrics.policies["counting"].outcomes
    assert rows["late"] >= 1


def test_robots_that_wait_together_are_decided_together(serve: Serve) -> None:
    shared: list[SharedCounting] = []

    def share(policy: Policy) -> SharedCounting:
        shared.append(SharedCounting(policy))
        return shared[0]

    server = serve({"counting": counting()}, share=share)
    robots = [remote(server) for _ in range(4)]
    for robot in robots:
        robot.reset("go")
    shared[0].gate.clear()
    found: dict[int, tuple[int, ...]] = {}

    def act(number: int) -> None:
        found[number] = robots[number].act(view(10 * number + 20)).tokens

    threads = [threading.Thread(target=act, args=(number,)) for number in range(4)]
    threads[0].start()
    until(lambda: server.metrics.policies["counting"].received > 0)
    for thread in threads[1:]:
        thread.start()
    until(lambda: server.metrics.policies["counting"].received == 4 * 576)
    time.sleep(0.1)  # the last of them is on its way to the batch
    shared[0].gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {number: (1, 10 * number + 20) for number in range(4)}
    assert sum(shared[0].batches) == 4
    assert max(shared[0].batches) >= 2


def test_no_more_robots_are_taken_than_allowed_and_a_place_becomes_free(serve: Serve) -> None:
    server = serve({"counting": counting()}, share=SharedCounting, limits=RobotLimits(robots=1))
    first = remote(server)
    with pytest.raises(PolicyLostError, match="maximum number of robots"):
        remote(server)
    first.close()
    until(lambda: not server.metrics.rows())
    until(lambda: server.server._addresses.total() == 0)
    assert remote(server).name == "counting"


def test_too_many_messages_a_second_are_refused(serve: Serve) -> None:
    server = serve({"counting": counting()}, share=SharedCounting, limits=RobotLimits(rate=5.0))
    stranger = Stranger(server)
    stranger.ask(RemoteMessage(MessageKind.RESET, 3, {"instruction": "go"}))
    answers = [stranger.act() for _ in range(8)]
    assert any("sent more than 5 messages per second" in one.meta.get("sentence", "") for one in answers)


def test_images_as_jpeg_are_smaller_and_the_saving_is_told(server: RunningServer) -> None:
    policy = remote(server, replace(ROBOT, jpeg=90))
    policy.reset("go")
    assert policy.act(view(100)).tokens[1] in (99, 100, 101)
    assert policy.unencoded == 576
    assert server.metrics.policies["counting"].received == policy.sent != 576
    policy.close()
    until(lambda: any("disconnected" in one for one in server.told))
    assert "MB of images received instead of" in server.told[-1]


# Servers that go and come back ---------------------------------------------------------------------------------------


def lost(policy: RemotePolicy, step: float) -> str:
    with pytest.raises(PolicyLostError) as error:
        policy.act(view(stamp=step))
    return str(error.value)


def test_the_same_model_resumes_with_a_new_history_from_the_next_image(serve: Serve) -> None:
    first = serve({"counting": counting()}, share=SharedCounting, models={"counting": "a" * 64})
    policy = remote(first)
    policy.reset("go")
    policy.act(view())
    assert policy.act(view(stamp=1.0)).tokens == (2, 100)
    first.close()
    until(lambda: "No policy server answers" in lost(policy, 2.0))
    serve({"counting": counting()}, share=SharedCounting, models={"counting": "a" * 64}, port=first.port)
    assert "is reconnected" in lost(policy, 3.0)
    assert policy.act(view(stamp=4.0)).tokens == (1, 100)


@pytest.mark.parametrize("what", ["model", "card"])
def test_another_model_under_a_running_robot_moves_nothing(what: str, serve: Serve) -> None:
    first = serve({"counting": counting()}, share=SharedCounting, models={"counting": "a" * 64})
    policy = remote(first)
    policy.reset("go")
    policy.act(view())
    first.close()
    card = CARD if what == "model" else replace(CARD, control_rate=9.0)
    model = {"counting": ("b" if what == "model" else "a") * 64}
    second = serve({"counting": counting(card)}, share=SharedCounting, models=model, port=first.port)
    until(lambda: f"{'another model' if what == 'model' else 'a different action card'} than" in lost(policy, 1.0))
    second.close()
    serve({"counting": counting()}, share=SharedCounting, models={"counting": "a" * 64}, port=first.port)
    until(lambda: "is reconnected" in lost(policy, 2.0))
    assert policy.act(view(stamp=3.0)).tokens == (1, 100)


SERVER = """
import sys, time
sys.path[:0] = sys.argv[1:]
from support.fleet_policies import SharedCounting, counting
from support.policy_server import RunningServer
from support.stranger import Stranger
kept = []
def share(policy):
    kept.append(SharedCounting(policy))
    return kept[0]
server = RunningServer({"counting": counting()}, share=share)
kept[0].gate.clear()
print(server.port, flush=True)
time.sleep(60)
"""


def test_a_server_that_is_killed_amid_a_request_is_lost_at_once() -> None:
    root = Path(__file__).resolve().parents[2]
    words = [sys.executable, "-c", SERVER, str(root), str(root / "test")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        policy = load_policy(f"remote:127.0.0.1:{port}", remote=ROBOT)
        policy.reset("go")
        killed: list[float] = []

        def kill() -> None:
            killed.append(time.monotonic())
            process.send_signal(signal.SIGKILL)

        threading.Timer(0.5, kill).start()
        with pytest.raises(PolicyLostError, match="was lost"):
            policy.act(view())
        assert time.monotonic() - killed[0] < 2.0
        with pytest.raises(PolicyLostError, match="No policy server answers"):
            policy.act(view(stamp=1.0))


def test_a_server_that_falls_silent_is_lost_before_another_connection_is_tried(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across a cut network each try takes seconds, in which the arm would still move."""
    policy = remote(server, replace(ROBOT, budget=0.1))
    policy.reset("go")
    tried: list[object] = []
    monkeypatch.setattr(policy, "_open", lambda: tried.append(None))
    monkeypatch.setattr(policy._begun, "_send", lambda _data: None)
    began, sentences = time.monotonic(), list[str]()
    while not sentences or "been silent" not in sentences[-1]:
        assert time.monotonic() < began + PATIENCE
        with pytest.raises((PolicyLostError, RemoteLateError)) as error:
            policy.act(view())
        sentences.append(str(error.value))
    assert tried == []
