"""A bad network and engines that fail: each gets a sentence, and nothing that is late is acted on."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from support.played_engine import EngineRequest, PlayedEngine, completion, engine_folder
from support.vlms import random_image, rt2_card

from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.engine import client as client_module
from rt_vla_ros.policies.engine.client import LARGEST_ANSWER, EngineLateError
from rt_vla_ros.policies.engine.policy import SILENCE, EnginePolicy
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import PolicyLostError
from rt_vla_ros.policies.remote.settings import RemoteSettings
from zenoh_ros.security.key_folder import HostName, KeyFolder

Play = Callable[..., PlayedEngine]
GOOD = completion("0 128 91 241 5 101 127 255")
SEEN = Observation({"front": random_image(0)}, 0.0)
PATIENCE, BUDGET = 30.0, 0.3
TOKEN = "a-token-of-more-than-16"


class Flaky:
    """An engine that answers well until `next` holds another reply, which it gives once."""

    def __init__(self) -> None:
        self.next: list[Any] = []
        self.release = threading.Event()

    def __call__(self, asked: EngineRequest, handler: Any) -> Any:
        reply = self.next.pop(0) if self.next else GOOD
        return reply(handler) if callable(reply) else reply

    def hang(self, _: object) -> Any:
        """Says nothing until it is released, then answers."""
        assert self.release.wait(PATIENCE)
        return GOOD

    def drip(self, handler: Any) -> None:
        """An answer that never ends, a byte at a time."""
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        try:
            while not self.release.wait(0.02):
                handler.wfile.write(b" ")
        except OSError:
            self.release.set()

    @staticmethod
    def flood(handler: Any) -> None:
        """An answer without an end, as fast as it is read."""
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * (1 << 20))
        except OSError:
            pass

    @staticmethod
    def cut(handler: Any) -> None:
        """The connection ends amid an answer."""
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices"')
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def gibberish(handler: Any) -> None:
        """What listens there speaks something else."""
        handler.wfile.write(b"220 mail.example.com ESMTP\r\n")
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)


def opened(folder: Path, **settings: Any) -> EnginePolicy:
    policy = load_policy(str(folder), remote=RemoteSettings(**{"budget": PATIENCE, **settings}))
    assert isinstance(policy, EnginePolicy)
    policy.reset("pick up the red cube")
    return policy


@pytest.fixture
def flaky() -> Flaky:
    return Flaky()


@pytest.fixture
def engine(play: Play, flaky: Flaky) -> PlayedEngine:
    return play(flaky)


@pytest.fixture
def folder(tmp_path: Path, engine: PlayedEngine) -> Path:
    return engine_folder(tmp_path / "far", rt2_card(), engine)


def test_the_connection_is_kept_and_opened_again_if_the_server_closes_it(folder: Path, engine: PlayedEngine) -> None:
    policy = opened(folder)
    for _ in range(3):
        policy.act(SEEN)
    assert (engine.connections, len(engine.asked)) == (1, 5)
    engine.drop()
    policy.act(SEEN)
    assert (engine.connections, len(engine.asked)) == (2, 6)


def test_a_connection_that_is_lost_amid_an_answer_is_tried_once_more(folder: Path, flaky: Flaky) -> None:
    policy = opened(folder)
    flaky.next = [Flaky.cut]
    assert policy.act(SEEN).steps


def test_what_comes_without_a_request_is_never_its_answer(folder: Path, engine: PlayedEngine) -> None:
    policy = opened(folder)
    stale = json.dumps(completion("1 0 0 0 0 0 0 0")).encode()
    engine.sockets[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(stale), stale))
    assert policy._acting._line is not None
    assert policy._acting._line._connection.sock.recv(1, socket.MSG_PEEK)  # it is there
    for _ in range(2):
        assert policy.act(SEEN).tokens == (0, 128, 91, 241, 5, 101, 127, 255)
    assert engine.connections == 2


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            (401, {"error": "Unauthorized"}, {}),
            r"requires a token: give the path .* \(HTTP status 401",
        ),
        ((403, b"", {}), r"requires a token"),
        (
            (404, {"error": {"message": "The model `small-vlm` does not exist."}}, {}),
            r"does not have the model 'small-vlm', .* \(HTTP status 404\): The model `small-vlm` does not exist\.",
        ),
        (
            (429, {"error": {"message": "Rate limit"}}, {}),
            r"overloaded or limits .* \(HTTP status 429\): Rate",
        ),
        ((400, {"error": {"message": "too \x1b[31m long\n"}}, {}), r"refuses the request .*: too \?\[31m long$"),
        ((422, {"detail": "Unexpected fields"}, {}), r"refuses the request \(HTTP status 422\): Unexpected fields"),
        ((500, b"Internal Server Error", {}), r"has failed \(HTTP status 500\)\.$"),
        ((503, {"detail": [{"msg": "x"}]}, {}), r"has failed \(HTTP status 503\)\.$"),
        (Flaky.cut, r"cannot be reached \(it ended during an answer\)"),
        (Flaky.gibberish, r"does not answer in HTTP as expected"),
        (Flaky.flood, rf"sent an answer of more than {LARGEST_ANSWER:,} bytes"),
    ],
)
def test_an_engine_that_fails_is_lost_until_it_answers_again(
    folder: Path, flaky: Flaky, reply: object, said: str
) -> None:
    policy = opened(folder)
    flaky.next = [reply, reply]  # a lost connection is tried once more
    with pytest.raises(PolicyLostError, match=said) as refusal:
        policy.act(SEEN)
    assert "127.0.0.1:" in str(refusal.value)
    flaky.next = []
    assert policy.act(SEEN).steps


def test_a_redirect_is_not_followed(folder: Path, engine: PlayedEngine, flaky: Flaky, play: Play) -> None:
    elsewhere = play(lambda *_: GOOD)
    policy = opened(folder)
    flaky.next = [(307, b"", {"Location": f"{elsewhere.url}/chat/completions"})]
    with pytest.raises(PolicyLostError, match=r"redirects .* \(HTTP status 307\), which is not followed"):
        policy.act(SEEN)
    assert elsewhere.asked == []


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_late_answer_is_never_acted_on(folder: Path, flaky: Flaky, engine: PlayedEngine, kind: str) -> None:
    policy = opened(folder, budget=BUDGET)
    flaky.next = [getattr(flaky, kind)]
    began = time.monotonic()
    with pytest.raises(EngineLateError, match=r"has not answered within 0\.\d+ s; a later answer is ignored"):
        policy.act(SEEN)
    assert time.monotonic() - began < BUDGET + 1.0
    flaky.release.set()
    other = completion("1 0 0 0 0 0 0 0")
    flaky.next = [other]
    assert policy.act(SEEN).tokens == (1, 0, 0, 0, 0, 0, 0, 0)
    assert engine.connections == 2


def test_an_engine_that_is_late_again_and_again_is_lost(folder: Path, flaky: Flaky) -> None:
    policy = opened(folder, budget=BUDGET)
    flaky.next = [flaky.hang] * 100
    until, said = time.monotonic() + PATIENCE, list[Exception]()
    while not any(isinstance(error, PolicyLostError) for error in said) and time.monotonic() < until:
        with pytest.raises((EngineLateError, PolicyLostError)) as error:
            policy.act(SEEN)
        said.append(error.value)
    assert len(said) > 2
    lost = re.search(r"has been silent for (\d\.\d) s", str(said[-1]))
    assert lost is not None
    assert float(lost[1]) > BUDGET + SILENCE
    flaky.next.clear()
    flaky.release.set()
    assert policy.act(SEEN).steps


def test_the_silence_between_two_instructions_is_not_the_engines(folder: Path, flaky: Flaky) -> None:
    policy = opened(folder, budget=BUDGET)
    flaky.next = [flaky.hang] * 2
    with pytest.raises(EngineLateError):
        policy.act(SEEN)
    time.sleep(BUDGET + SILENCE)
    policy.reset("pick up the blue cube")
    with pytest.raises(EngineLateError):
        policy.act(SEEN)
    flaky.release.set()


def test_a_question_does_not_hold_up_actions(folder: Path, flaky: Flaky) -> None:
    policy = opened(folder)
    flaky.next = [flaky.hang]
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(policy.ask(SEEN.images, "what is there?")))
    asking.start()
    until = time.monotonic() + PATIENCE
    while flaky.next and time.monotonic() < until:
        time.sleep(0.01)
    assert policy.act(SEEN).steps
    assert answers == []
    flaky.release.set()
    asking.join(PATIENCE)
    assert answers == ["0 128 91 241 5 101 127 255"]


def test_an_engine_that_is_not_there_is_told_when_the_policy_is_opened(tmp_path: Path, play: Play) -> None:
    gone = play(lambda *_: GOOD)
    gone.close()
    folder = engine_folder(tmp_path / "far", rt2_card(), gone)
    with pytest.raises(PolicyLostError, match=r"cannot be reached \(Connection refused\): does it run there"):
        opened(folder)


def test_an_engine_that_goes_and_comes_back_is_used_again(folder: Path, engine: PlayedEngine, play: Play) -> None:
    policy = opened(folder)
    engine.close()
    with pytest.raises(PolicyLostError, match="cannot be reached"):
        policy.act(SEEN)
    play(lambda *_: GOOD, port=engine.port)
    assert policy.act(SEEN).steps


def test_a_name_that_takes_long_to_resolve_does_not_take_longer_than_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: PlayedEngine
) -> None:
    policy = opened(engine_folder(tmp_path / "named", rt2_card(), f"http://localhost:{engine.port}/v1"), budget=BUDGET)
    policy._acting.close()
    answered, resolve = threading.Event(), socket.getaddrinfo

    def slow(*args: Any, **options: Any) -> Any:
        assert answered.wait(PATIENCE)
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(EngineLateError):
            policy.act(SEEN)
    assert threading.active_count() <= before + 1
    asked = len(engine.asked)
    answered.set()
    monkeypatch.setattr(client_module, "ENDING", PATIENCE)
    assert policy.act(SEEN).steps
    assert len(engine.asked) == asked + 1


def test_a_token_is_sent_from_its_file(folder: Path, engine: PlayedEngine, tmp_path: Path, flaky: Flaky) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    policy = opened(folder, token_file=str(token))
    policy.act(SEEN)
    assert {asked.headers["Authorization"] for asked in engine.asked} == {f"Bearer {TOKEN}"}
    flaky.next = [(401, b"", {})]
    with pytest.raises(PolicyLostError, match="requires another token than the one in remote_token_file") as refusal:
        policy.act(SEEN)
    assert TOKEN not in str(refusal.value)


def test_a_token_is_not_sent_without_tls_to_another_machine(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    settings = RemoteSettings(token_file=str(token))
    far = engine_folder(tmp_path / "far", rt2_card(), "http://192.0.2.1:9/v1")
    with pytest.raises(ValueError, match=r"token would be sent to 192\.0\.2\.1:9 without TLS.*plain_http: true"):
        load_policy(str(far), remote=settings)
    description = far / "engine.json"
    allowed = {**json.loads(description.read_text()), "plain_http": True, "url": "http://127.0.0.1:9/v1"}
    description.write_text(json.dumps(allowed))
    with pytest.raises(PolicyLostError, match="cannot be reached"):
        load_policy(str(far), remote=settings)


def test_certificates_are_verified(tmp_path: Path, play: Play) -> None:
    now = datetime.now(timezone.utc)
    keys = KeyFolder.create(tmp_path / "keys", now)
    keys.add(HostName("server"), router=None, days=30, at=None, now=now)
    engine = play(lambda *_: GOOD, certificate=(keys.path / "server/cert.pem", keys.path / "server/key.pem"))
    folder = engine_folder(tmp_path / "far", rt2_card(), engine.url.replace("http:", "https:"))
    with pytest.raises(PolicyLostError, match=r"No trusted engine at 127\.0\.0\.1:\d+: .* See remote_ca\."):
        opened(folder)
    policy = opened(folder, ca=str(keys.path / "authority/ca.pem"))
    assert policy.act(SEEN).steps
    engine.drop()
    assert policy.act(SEEN).steps
    with pytest.raises(ValueError, match="remote_ca is for TLS"):
        opened(engine_folder(tmp_path / "plain", rt2_card(), engine), ca="system")
    with pytest.raises(ValueError, match="certificates for the server cannot be used"):
        opened(folder, ca=str(tmp_path / "nothing.pem"))


def test_a_connection_that_is_given_up_stays_encrypted_until_it_is_shut(
    tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may be amid sending: without its encryption, it would go on in plain text."""
    now = datetime.now(timezone.utc)
    keys = KeyFolder.create(tmp_path / "keys", now)
    keys.add(HostName("server"), router=None, days=30, at=None, now=now)
    engine = play(lambda *_: GOOD, certificate=(keys.path / "server/cert.pem", keys.path / "server/key.pem"))
    folder = engine_folder(tmp_path / "far", rt2_card(), engine.url.replace("http:", "https:"))
    policy = opened(folder, ca=str(keys.path / "authority/ca.pem"))
    assert policy._acting._line is not None
    connection, shut, shutdown = policy._acting._line._connection, list[bool](), socket.socket.shutdown

    def watched(sock: Any, how: int) -> None:
        if sock is connection.sock:
            shut.append(isinstance(sock, ssl.SSLSocket) and sock.version() is not None)
        shutdown(sock, how)

    monkeypatch.setattr(socket.socket, "shutdown", watched)
    policy.close()
    assert shut == [True]


def test_the_budget_is_the_time_to_the_next_decision_but_not_less_than_half_a_second(
    tmp_path: Path, engine: PlayedEngine
) -> None:
    for rate, budget in ((10.0, 0.5), (0.5, 2.0)):
        card = replace(rt2_card(), control_rate=rate)
        assert opened(engine_folder(tmp_path / str(rate), card, engine), budget=0.0).budget == budget
