"""The server as pages and strangers meet it: over real HTTP and WebSockets, with a node that is played."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from rt_vla_ros.console import web_thread
from rt_vla_ros.console.access import PageAccess
from rt_vla_ros.console.board import Board, SmootherHeard
from rt_vla_ros.console.frames import FrameHub
from rt_vla_ros.console.requests import LONGEST_MESSAGE, PageRequest, Reply
from rt_vla_ros.console.seat import WATCHES
from rt_vla_ros.console.server import LATEST, MOST_PAGES, TOO_LATE, PageServer
from rt_vla_ros.console.stick import SILENCE, PageStick
from rt_vla_ros.console.web_thread import WebThread
from rt_vla_ros.control.status import State

TOKEN = "a token of more than 16"
PATIENCE = 10.0  # [s]
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\ud800\x00"


class PlayedLink:
    """Notes what is asked, and says yes."""

    def __init__(self) -> None:
        self.asked: list[PageRequest] = []

    async def carry_out(self, request: PageRequest) -> Reply:
        self.asked.append(request)
        return Reply(True, f"{request.kind} is done.")


class Served:
    """A console that is served on a free port."""

    def __init__(self, rules: PageAccess, certificate: str = "", key: str = "") -> None:
        self.rules, self.board, self.stick, self.link = rules, Board(), PageStick(), PlayedLink()
        self.watched: list[bool] = []
        self.failed: list[tuple[str, str]] = []
        self.frames = FrameHub(encode, self.watched.append, lambda *why: self.failed.append(why), 50.0)
        self.server = PageServer(rules, self.board, self.frames, self.stick, self.link, time.monotonic)
        self.web = WebThread(self.server.app, "localhost", 0, certificate, key)
        self.web.start()
        self.host = f"localhost:{self.web.port}"
        self._pages = ExitStack()

    def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Any:
        connection = HTTPConnection(self.host, timeout=PATIENCE)
        given = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def open(self, path: str = "/say", origin: str | None = "", host: str = "", **headers: str) -> ClientConnection:
        """host: by which name."""
        origin, where = f"http://{self.host}" if origin == "" else origin, host or self.host
        with socket.create_connection(("localhost", self.web.port)) as reached:
            # max_queue: a page that is not read would take 10 s to close
            named: dict[str, Any] = {"origin": origin, "additional_headers": headers, "max_queue": None}
            page = connect(f"ws://{where}{path}", sock=reached.dup(), **named)
        return self._pages.enter_context(page)

    def close(self) -> None:
        self._pages.close()
        self.web.close()


def encode(camera: str, picture: Any) -> bytes:
    if picture == "worse":
        raise RuntimeError("the decoder broke")
    if picture == "bad":
        raise ValueError("It is no picture.")
    return f"{camera} {picture}".encode()


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def hear(page: ClientConnection, fits: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The first message that fits, with heartbeats meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page.send(json.dumps({"kind": "heartbeat", "echo": 1000 * time.monotonic()}))
        message: dict[str, Any] = json.loads(page.recv(PATIENCE))
        if fits(message):
            return message
    raise AssertionError("it did not come")


def state(page: ClientConnection, fits: Callable[[dict[str, Any]], Any] = lambda _: True) -> dict[str, Any]:
    return hear(page, lambda message: message["kind"] == "state" and fits(message))


def ask(page: ClientConnection, **fields: Any) -> Reply:
    page.send(json.dumps({"number": 7, "echo": 1000 * time.monotonic(), **fields}))
    answer = hear(page, lambda message: message["kind"] == "answer" and message["number"] == 7)
    return Reply(answer["ok"], answer["sentence"])


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def make(**rules: Any) -> Served:
        made.append(Served(PageAccess(**rules)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()


def test_the_page_and_its_files_are_served_and_nothing_else(served: Served) -> None:
    page = served.get("/")
    assert (page.status, "Instruction" in page.text) == (200, True)
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert served.get("/main.js").headers["content-type"].startswith("text/javascript")
    for path in (
        "/server.py",
        "/..%2fserver.py",
        "/../server.py",
        "/page/main.js",
        "/.",
        "//etc/passwd",
        "/favicon.ico",
    ):
        assert served.get(path).status == 404, path


def test_nothing_is_done_by_get(served: Served) -> None:
    for path in ("/say", "/look", "/stop", "/login"):
        assert served.get(path).status in (404, 405), path
    assert served.get("/", "POST").status == 405
    assert served.link.asked == []


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example"])
def test_a_name_that_leads_here_from_elsewhere_gets_nothing(served: Served, host: str) -> None:
    for path in ("/", "/main.js"):
        assert served.get(path, Host=host).status == 421
    with pytest.raises(InvalidStatus, match="403"):
        served.open(origin=f"http://{host}", host=host)


@pytest.mark.parametrize("path", ["/say", "/look"])
@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://localhost:1"])
def test_another_page_may_not_talk(served: Served, path: str, origin: str | None) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        served.open(path, origin=origin)


def test_without_the_token_there_is_only_the_login(serve: Callable[..., Served]) -> None:
    served = serve(token=TOKEN)
    origin = f"http://{served.host}"
    assert 'id="token"' in served.get("/").text
    assert served.get("/login.js").status == 200
    assert served.get("/main.js").status == 403
    for path in ("/say", "/look"):
        with pytest.raises(InvalidStatus, match="403"):
            served.open(path)
    assert served.get("/login", "POST", TOKEN).status == 403
    assert served.get("/login", "POST", TOKEN, Origin="http://evil.example").status == 403
    assert served.get("/login", "POST", "wrong", Origin=origin).status == 403
    assert served.get("/login", "POST", "a" * 100_000, Origin=origin).status == 413
    answer = served.get("/login", "POST", TOKEN, Origin=origin)
    cookie = answer.headers["set-cookie"]
    assert answer.status == 200
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    secret = cookie.partition(";")[0]
    assert 'id="stop"' in served.get("/", Cookie=secret).text
    assert state(served.open(Cookie=secret))["you"]["controls"]


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Of localhost, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "console")])
    begin = datetime.now(timezone.utc) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_a_page_is_closed_when_its_login_ends(serve: Callable[..., Served]) -> None:
    served = serve(token=TOKEN)
    answer = served.get("/login", "POST", TOKEN, Origin=f"http://{served.host}")
    secret = answer.headers["set-cookie"].partition(";")[0]
    page, looking = served.open(Cookie=secret), served.open("/look", Cookie=secret)
    state(page)
    served.rules.change_token("another one of more than 16")
    for one in (page, looking):
        with pytest.raises(ConnectionClosed, match="The login has expired"):
            list(one)
    assert served.get("/main.js", Cookie=secret).status == 403


def test_wrong_tokens_make_no_other_address_wait(serve: Callable[..., Served]) -> None:
    served = serve(token=TOKEN)

    def log_in(given: str, address: str, **headers: str) -> int:
        connection = HTTPConnection(served.host, timeout=PATIENCE, source_address=(address, 0))
        connection.request("POST", "/login", given, {"Origin": f"http://{served.host}", **headers})
        status = connection.getresponse().status
        connection.close()
        return status

    for number in range(6):
        assert log_in(f"wrong {number}", "127.0.0.3", **{"X-Forwarded-For": f"10.0.0.{number}"}) == 403
    assert log_in(TOKEN, "127.0.0.3", **{"X-Forwarded-For": "10.0.0.9"}) == 403
    assert log_in(TOKEN, "127.0.0.4") == 200


def test_with_a_certificate_all_is_encrypted(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    served = Served(PageAccess(token=TOKEN, encrypted=True), str(certificate), str(key))
    trusted = ssl.create_default_context(cafile=str(certificate))
    origin = f"https://{served.host}"
    try:
        with pytest.raises((HTTPException, OSError)):
            served.get("/")  # in the clear
        connection = HTTPSConnection(served.host, timeout=PATIENCE, context=trusted)
        connection.request("POST", "/login", TOKEN, {"Origin": origin})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        cookie = answer.headers["set-cookie"]
        assert "Secure" in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        where = f"wss://{served.host}/say"
        with connect(where, ssl=trusted, origin=origin, additional_headers=headers) as page:
            assert state(page)["you"]["controls"]
        with pytest.raises(InvalidStatus, match="403"), connect(where, ssl=trusted, origin=f"http://{served.host}"):
            pass
    finally:
        served.close()


def test_the_state_is_told_again_and_again_and_text_stays_text(served: Served) -> None:
    served.board.instructed(HOSTILE)
    page = served.open()
    told = state(page, lambda message: message["state"]["runs"])
    assert told["state"]["runs"][0]["text"] == HOSTILE.replace("\ud800", "?")
    served.board.smoother(SmootherHeard(State.STOPPED, HOSTILE), time.monotonic())
    assert state(page, lambda message: message["state"]["stopped"])["state"]["word"] == "Stopped"


def test_heartbeats_tell_how_long_the_way_is(served: Served) -> None:
    page = served.open()
    told = json.loads(page.recv(PATIENCE))
    assert told["you"]["trip"] is None
    page.send(json.dumps({"kind": "heartbeat", "echo": told["you"]["told"] - 5000, "kept": 2000}))
    while told["you"]["trip"] is None:
        told = json.loads(page.recv(PATIENCE))
    assert 3000 < told["you"]["trip"] < 1000 * PATIENCE


@pytest.mark.parametrize("number", ["1.7e308", "-1.7e308", "1e400", "NaN", "Infinity", "9007199254740993", "-1", "0"])
@pytest.mark.parametrize("name", ["echo", "kept"])
def test_no_number_of_a_page_makes_what_it_is_told_unreadable(served: Served, name: str, number: str) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    page = served.open()
    fields = {"echo": repr(1000 * time.monotonic()), "kept": "0", name: number}
    page.send(f'{{"kind": "heartbeat", "echo": {fields["echo"]}, "kept": {fields["kept"]}}}')
    for _ in range(3):
        json.loads(page.recv(PATIENCE), parse_constant=refuse)


def test_one_page_controls_and_the_others_watch_but_may_stop(served: Served) -> None:
    first, second = served.open(), served.open()
    assert state(first)["you"]["controls"]
    assert not state(second)["you"]["controls"]
    assert ask(second, kind="instruct", text="lift it") == Reply(False, WATCHES)
    assert ask(second, kind="arm_stick", armed=True) == Reply(False, WATCHES)
    assert served.link.asked == []
    assert ask(second, kind="stop").ok
    assert ask(first, kind="instruct", text="lift it") == Reply(True, "instruct is done.")
    assert [one.kind for one in served.link.asked] == ["stop", "instruct"]


@pytest.mark.parametrize("echo", [0, 1])
def test_what_hung_in_the_connection_moves_nothing_but_a_stop_is_done(served: Served, echo: float) -> None:
    page = served.open()
    for asked in ({"kind": "instruct", "text": "lift it"}, {"kind": "release"}, {"kind": "arm_stick", "armed": True}):
        assert ask(page, echo=echo, **asked) == Reply(False, TOO_LATE)
    assert ask(page, echo=echo, kind="stop").ok
    assert ask(page, echo=1000 * (time.monotonic() - LATEST / 2), kind="release").ok
    assert [one.kind for one in served.link.asked] == ["stop", "release"]
    assert not served.stick.armed


def test_a_stop_is_done_though_its_page_is_closed_at_once(served: Served) -> None:
    for number in range(5):
        page = served.open()
        page.send(json.dumps({"kind": "stop"}))
        page.close()
        until(lambda number=number: len(served.link.asked) > number)


def test_control_is_handed_over_but_not_while_the_arm_is_moved(served: Served) -> None:
    first, second = served.open(), served.open()
    assert ask(first, kind="arm_stick", armed=True).ok
    hold(first, held=False)
    hold(first)
    until(lambda: served.stick.held)
    assert not ask(second, kind="take_control").ok
    hold(first, held=False)
    until(lambda: not served.stick.held)
    assert ask(second, kind="take_control").ok
    assert not served.stick.armed
    state(first, lambda message: not message["you"]["controls"])
    second.close()
    state(first, lambda message: not message["you"]["taken"])
    assert ask(first, kind="take_control").ok


def hold(page: ClientConnection, held: bool = True) -> None:
    fields = {"kind": "stick", "held": held, "axes": [1, 0, 0, 0, 0, 0], "echo": 1000 * time.monotonic()}
    page.send(json.dumps(fields))


def take_up(served: Served) -> ClientConnection:
    page = served.open()
    assert ask(page, kind="arm_stick", armed=True).ok
    hold(page, held=False)
    hold(page)
    until(lambda: served.stick.held)
    return page


def test_the_stick_is_let_go_when_nothing_comes(served: Served) -> None:
    take_up(served)
    begun = time.monotonic()
    until(lambda: not served.stick.read(time.monotonic()).held)
    assert time.monotonic() - begun < SILENCE + 1.0
    assert "was released" in served.stick.problem


def test_a_page_that_is_far_away_moves_no_stick(served: Served) -> None:
    page = served.open()
    assert ask(page, kind="arm_stick", armed=True).ok
    hold(page, held=False)
    hold(page)
    until(lambda: served.stick.held)
    fields = {"kind": "stick", "held": True, "axes": [1, 0, 0, 0, 0, 0], "echo": 1000 * (time.monotonic() - 0.5)}
    page.send(json.dumps(fields))
    until(lambda: not served.stick.held)
    assert "slow" in served.stick.problem


def test_the_stick_is_let_go_when_the_page_is_closed(served: Served) -> None:
    page = take_up(served)
    page.close()
    until(lambda: not served.stick.held)
    assert not served.stick.armed


def test_a_watching_page_moves_no_stick(served: Served) -> None:
    first, second = served.open(), served.open()
    assert ask(first, kind="arm_stick", armed=True).ok
    hold(second, held=False)
    hold(second)
    assert ask(second, kind="stop").ok  # so what came before it has been heard
    assert not served.stick.held


@pytest.mark.parametrize(
    "message", ["", "{", '{"kind": "fly"}', '{"kind": "stick"}', '{"kind": "instruct", "text": 1}']
)
def test_a_message_that_makes_no_sense_is_refused_and_the_next_one_taken(served: Served, message: str) -> None:
    page = served.open()
    page.send(message)
    assert hear(page, lambda told: told["kind"] == "refused")["sentence"].endswith(".")
    assert ask(page, kind="release").ok


def test_a_message_that_is_too_long_ends_the_connection_alone(served: Served) -> None:
    page, other = served.open(), served.open()
    page.send(" " * (LONGEST_MESSAGE + 1))
    with pytest.raises(ConnectionClosed):
        hear(page, lambda _: False)
    assert state(other)["state"]["pages"] == 1


def test_there_are_not_too_many_pages(served: Served) -> None:
    for _ in range(MOST_PAGES):
        state(served.open())
    with pytest.raises(ConnectionClosed, match="the maximum of this server"):
        state(served.open())


def test_connections_that_ask_nothing_keep_no_page_out(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_thread, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(web_thread, "IDLE", 2)
    served = serve()
    page = served.open()
    with ExitStack() as strangers:
        idle = [strangers.enter_context(socket.create_connection(("localhost", served.web.port))) for _ in range(40)]
        for one in idle:
            one.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):
            assert idle[-1].recv(1) == b""  # too many
        assert ask(page, kind="stop").ok
        for one in idle:
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1) == b""  # too long
        assert state(served.open())["state"]["pages"] == 2


def next_frame(page: ClientConnection) -> tuple[dict[str, Any], bytes]:
    data = page.recv(PATIENCE)
    assert isinstance(data, bytes)
    (size,) = struct.unpack(">H", data[:2])
    return json.loads(data[2 : 2 + size]), data[2 + size :]


def test_pictures_are_encoded_once_for_all_and_only_while_somebody_looks(served: Served) -> None:
    served.frames.offer("front", 0)
    time.sleep(0.1)
    assert served.frames.encoded == 0
    pages = [served.open("/look") for _ in range(3)]
    until(lambda: served.watched == [True])
    time.sleep(0.1)  # all three are waiting
    served.frames.offer("front", 1)
    for page in pages:
        assert next_frame(page) == ({"camera": "front", "number": 1}, b"front 1")
    assert served.frames.encoded == 1
    for page in pages:
        page.close()
    until(lambda: served.watched == [True, False])


def test_who_is_slow_gets_the_newest_picture_and_none_before_it_drew_the_last(served: Served) -> None:
    page = served.open("/look")
    until(lambda: served.watched)
    for picture in range(1, 6):
        served.frames.offer("front", picture)
        until(lambda picture=picture: served.frames.encoded == picture)
    assert next_frame(page)[0]["number"] >= 1
    with pytest.raises(TimeoutError):
        page.recv(0.3)
    page.send("{}")
    assert next_frame(page) == ({"camera": "front", "number": 5}, b"front 5")


def test_all_cameras_get_their_turn_and_a_bad_picture_is_told(served: Served) -> None:
    page = served.open("/look")
    until(lambda: served.watched)
    served.frames.offer("front", 1)
    served.frames.offer("wrist", 1)
    seen = set()
    for _ in range(2):
        seen.add(next_frame(page)[0]["camera"])
        page.send("{}")
    assert seen == {"front", "wrist"}
    served.frames.offer("wrist", "bad")
    until(lambda: served.failed == [("wrist", "It is no picture.")])
    served.frames.offer("wrist", "worse")
    until(lambda: served.failed[1:] == [("wrist", "RuntimeError: the decoder broke")])
    served.frames.offer("wrist", 2)
    assert next_frame(page)[1] == b"wrist 2"


def test_a_server_that_can_tell_nothing_any_more_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    state(served.open())
    assert served.server.failure is None
    monkeypatch.setattr(served.board, "snapshot", lambda _at: {"a number": float("nan")})
    assert "ValueError" in until(lambda: served.server.failure)


def test_a_server_that_is_closed_closes_its_pages(served: Served) -> None:
    page, looking = served.open(), served.open("/look")
    state(page)
    served.web.close()
    for one in (page, looking):
        with pytest.raises(ConnectionClosed):
            list(one)
    assert not served.web.alive


def test_a_clip_is_read_by_who_has_logged_in(serve: Any) -> None:
    served = serve(token=TOKEN)
    served.board.instructed("lift it")
    served.board.runs.picture(b"JPEG")
    number = served.board.snapshot(0.0)["runs"][0]["number"]
    assert served.get(f"/clips/{number}").status == 403
    assert served.get(f"/clips/{number}", Host="evil.example").status == 421
    origin = f"http://{served.host}"
    cookie = served.get("/login", "POST", TOKEN, Origin=origin).getheader("Set-Cookie").partition(";")[0]
    clip = served.get(f"/clips/{number}", Cookie=cookie)
    assert (clip.status, clip.text[2:]) == (200, '{"times": [0.0], "sizes": [4]}JPEG')
    assert clip.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    assert served.get("/clips/77", Cookie=cookie).status == 404
    assert served.get(f"/clips/{number}", "POST", Cookie=cookie).status == 405
