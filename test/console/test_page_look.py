"""What the page shows, in a real Chromium: the real server with a board that the test fills; no graph behind it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.browser import CONTRAST, DESKTOP, PHONE, chromium, faults, shot

from rt_vla_ros.console.access import PageAccess
from rt_vla_ros.console.board import ActionHeard, Board, Exchange, NodeHeard, RecorderHeard, SmootherHeard
from rt_vla_ros.console.frames import FrameHub
from rt_vla_ros.console.requests import PageRequest, Reply
from rt_vla_ros.console.server import PageServer
from rt_vla_ros.console.state_word import PolicyHeard
from rt_vla_ros.console.stick import PageStick
from rt_vla_ros.console.web_thread import WebThread
from rt_vla_ros.control.status import State

pytestmark = pytest.mark.slow
PATIENCE = 30_000.0  # [ms]
TOKEN = "a token of more than 16"
HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
PATH = [[0.3, 0.3], [0.45, 0.5], [0.6, 0.55], [0.7, 0.7]]
WAY = ((0.0, 0.0, 0.0), (0.02, 0.01, -0.01), (0.04, 0.01, -0.02), (0.05, 0.02, -0.04))
COMMAND = np.array([255, 122, 26])  # --command of base.css


def jpeg(brightness: int = 60) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), (brightness,) * 3).save(file, "JPEG")
    return file.getvalue()


PICTURE = jpeg()


class PlayedLink:
    """Says yes."""

    async def carry_out(self, request: PageRequest) -> Reply:
        return Reply(True, f"{request.kind} is done.")


class Shown:
    """A console whose board is filled over and over. errors: what browsers complain about.

    text: in place of what others wrote; empty: sentences. state: of the smoother.
    """

    def __init__(self, browser: Any, token: str | None = None) -> None:
        self.browser, self.board, self.errors = browser, Board(["pick up the red cube"]), list[str]()
        self.frames = FrameHub(
            lambda _camera, picture: picture,
            lambda _watched: None,
            lambda _camera, _why: None,
            50.0,
            lambda _camera, jpeg: self.board.runs.picture(jpeg),
        )
        self.server = PageServer(
            PageAccess(token=token), self.board, self.frames, PageStick(), PlayedLink(), time.monotonic
        )
        self.web = WebThread(self.server.app, "localhost", 0)
        self.web.start()
        self.text, self.state, self._over = "", State.MOVING, threading.Event()
        self._filling = threading.Thread(target=self._fill_on, daemon=True)

    def begin(self, text: str = "") -> None:
        """From now on it is heard of everything that can be on a page."""
        self.text = text
        self._filling.start()

    def _fill_on(self) -> None:
        while not self._over.wait(0.1):
            self._fill(self.text, self.state)
            self.frames.offer("front", PICTURE)

    def open(self, **options: Any) -> Any:
        page = self.browser.new_page(**{"viewport": DESKTOP, **options})
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"http://localhost:{self.web.port}/")
        return page

    def _fill(self, text: str, state: State) -> None:
        board, at = self.board, time.monotonic()
        board.smoother(SmootherHeard(state, text or "It follows the policy's actions.", text or "policy", True), at)
        said = {"instruction": text or "pick up the blue ball"}
        board.policy(PolicyHeard(0, text or "Executing the instruction.", text or "rt2-mini", True), said, at)
        plan = text or "reach the red cube"
        board.action(ActionHeard(0.8, 1.0, 0.05, plan, text or "base", (0.0, 0.0, 1.0), False, False, WAY), at)
        for level in range(4):
            board.node(text or f"/node_{level}", NodeHeard(level, text or "It says something.", at))
        board.known(text or "/node_0", [text or "pick up the green bar"])
        board.recorder(RecorderHeard(True, 12, text or "Recording an episode."), at)
        board.offers(dict.fromkeys(("record_start", "new_scene"), True))
        board.camera("front", topic="/image", problem="", rate=9.9, age=0.05, path=PATH, undrawn="")
        board.camera("wrist", topic="/wrist_image", problem=text, path=None, undrawn=text or "Why")
        board.camera("side", topic="/side_image", problem=text or "No image comes.", path=PATH, undrawn="")

    def fill_lists(self, text: str = "") -> None:
        """Runs and answers, which pile up."""
        board = self.board
        board.refused(text or "dance", text or "It was refused.")
        board.instructed(text or "lift the cube")
        board.concluded(text or "lift the cube", text or "Carried out.", good=True)
        board.instructed(text or "pick up the blue ball", here=False)
        for question in ("what?", "why?", "who?"):
            board.asked(text or question)
        board.answered(Exchange(text or "what?", text or "a cube", "", 1.0))
        board.answered(Exchange(text or "why?", "", text or "Nobody knows."))

    def close(self) -> None:
        self._over.set()
        self.web.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def show(browser: Any) -> Iterator[Callable[..., Shown]]:
    made: list[Shown] = []

    def make(token: str | None = None) -> Shown:
        made.append(Shown(browser, token))
        return made[-1]

    yield make
    for one in made:
        one.close()


TONES = {State.HUMAN: "human", State.TERMINATED: "calm", State.MOVING: "busy", State.STOPPED: "bad"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(show: Any, scheme: str) -> None:
    shown = show()
    shown.fill_lists()
    shown.begin()
    page = shown.open(color_scheme=scheme)
    page.wait_for_selector("#nodes .level2")
    page.click("#arm-stick")
    page.wait_for_selector("#sticks:visible")
    found = faults(page)
    for shown.state, tone in TONES.items():
        page.wait_for_function("tone => document.getElementById('state').dataset.tone === tone", arg=tone)
        found += faults(page, CONTRAST)
    shot(page, f"look_{scheme}")
    page.set_viewport_size(PHONE)
    found += faults(page)
    shot(page, f"look_{scheme}_phone")
    shown.close()
    page.wait_for_selector("body.lost")
    found += faults(page, CONTRAST)
    shot(page, f"look_{scheme}_lost")
    page.close()
    assert not found, "\n".join(sorted(set(found)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_before_the_login(show: Any, scheme: str) -> None:
    page = show(TOKEN).open(color_scheme=scheme)
    page.wait_for_selector("#token")
    found = faults(page)
    page.fill("#token", "wrong")
    page.click("button")
    page.wait_for_function("() => document.getElementById('answer').textContent.includes('Wrong token')")
    shot(page, f"look_login_{scheme}")
    found += faults(page)
    page.fill("#token", TOKEN)
    page.click("button")
    page.wait_for_selector("#stop")
    page.close()
    assert not found, "\n".join(sorted(set(found)))


def test_the_page_says_what_to_do_next_and_offers_nothing_that_cannot_be_done(show: Any) -> None:
    shown = show()
    shown.begin()
    shown.board.camera("late", topic="/late_image", problem="", path=None, undrawn="")
    page = shown.open()
    page.wait_for_function("() => document.querySelectorAll('.camera').length === 4")
    page.wait_for_selector(".camera[data-number]")
    said = page.locator(".waiting:visible").all_inner_texts()
    assert said == ["No picture yet on /late_image.", "No picture yet on /wrist_image."]
    page.click("#arm-stick")
    page.wait_for_selector("#sticks:visible")
    page.wait_for_function("() => document.getElementById('held').textContent === 'released'")
    page.keyboard.down("Shift")
    page.wait_for_function("() => document.getElementById('held').textContent.startsWith('held, but the arm does not')")
    page.keyboard.up("Shift")
    shown.state = State.STOPPED
    page.wait_for_function("() => document.getElementById('reason').textContent.endsWith('Press Release to continue.')")
    page.wait_for_selector("#release:enabled")
    shot(page, "look_stopped")
    shown.close()
    page.wait_for_selector("body.lost")
    assert page.locator("#release").is_disabled()
    assert page.locator("#stop").is_enabled()
    page.close()


def drawn_at(page: Any, camera: int, points: list[list[float]]) -> np.ndarray:
    """The 5 x 5 pixels around points of a camera's picture that are drawn over it, RGBA, shape (points, 25, 4)."""
    pixels = page.evaluate(
        """([index, points]) => { const canvas = document.querySelectorAll('.overlay')[index];
        const pen = canvas.getContext('2d');
        return points.map(([x, y]) => [...pen.getImageData(
          Math.round(x * canvas.width) - 2, Math.round(y * canvas.height) - 2, 5, 5).data]); }""",
        [camera, points],
    )
    return np.array(pixels, np.uint8).reshape(len(points), 25, 4)


def is_command(pixels: np.ndarray) -> np.ndarray:
    """Whether pixels have the colour of the way, shape (points, 25)."""
    return (np.abs(pixels[..., :3].astype(int) - COMMAND) < 40).all(axis=2) & (pixels[..., 3] > 200)


def test_the_way_is_drawn_into_the_picture_where_it_is_known(show: Any) -> None:
    shown = show()
    shown.begin()
    page = shown.open()
    page.wait_for_selector(".camera[data-drawn=true]")
    page.wait_for_function("() => Number(document.querySelector('.camera').dataset.number) > 1")
    middles = [[(x + left) / 2, (y + top) / 2] for (x, y), (left, top) in zip(PATH[1:], PATH, strict=False)]
    assert is_command(drawn_at(page, 0, middles)).any(axis=1).all()
    steps = drawn_at(page, 0, PATH[2:])
    assert (steps[0, 12, :3] > 230).all()  # the gripper is open after that step
    assert is_command(steps)[1, 12]  # and closed after the last one
    assert drawn_at(page, 0, [[0.9, 0.1], [0.1, 0.5]])[..., 3].max() == 0
    assert page.locator(".frame").nth(1).get_attribute("title") == "Why"
    assert drawn_at(page, 1, [[0.1, 0.9]])[..., 3].min() > 0  # the inset
    assert drawn_at(page, 2, PATH)[..., 3].max() == 0  # where there is no picture there is no way
    shot(page, "look_way")
    assert shown.errors == []
    page.close()


def test_a_clip_of_a_run_is_played_and_one_that_nobody_watched_says_so(show: Any) -> None:
    shown = show()
    shown.board.instructed("unseen")
    time.sleep(0.06)  # which the list shows as 0.1 s
    shown.board.concluded("unseen", "Carried out.", good=True)
    shown.board.instructed("lift the cube")
    for brightness in (40, 120, 200):
        shown.board.runs.picture(jpeg(brightness))
        time.sleep(0.26)
    shown.board.concluded("lift the cube", "Carried out.", good=True)
    page = shown.open()
    page.wait_for_selector("#runs .play")
    assert page.locator("#runs li").nth(1).inner_text().endswith("no clip: no page was open")
    assert "from a page" in page.locator("#runs li").nth(0).inner_text()
    page.click("#runs .play")
    page.wait_for_selector("#player[data-played='3']")
    middle = "document.getElementById('clip').getContext('2d').getImageData(160, 120, 1, 1).data[0]"
    assert abs(page.evaluate(middle) - 200) < 8
    assert page.inner_text("#clip-caption").startswith("lift the cube: 0.5 s")
    shot(page, "look_clip")
    page.click("#clip-close")
    page.wait_for_selector("#player", state="hidden")
    assert shown.errors == []
    page.close()


def test_text_of_others_is_text_wherever_it_is_shown(show: Any) -> None:
    shown = show()
    shown.fill_lists(HOSTILE)
    page = shown.open()
    page.evaluate("document.title = ''")
    shown.begin(HOSTILE)
    page.wait_for_selector("#answers .outcome.bad")
    page.wait_for_function("() => document.querySelectorAll('#nodes li').length > 0")
    for place in ("#reason", "#commander", "#plan", "#runs", "#answers", "#nodes", "#recorder", "#cameras"):
        assert HOSTILE in page.inner_text(place), place
    assert HOSTILE in page.locator("#known option").evaluate_all("all => all.map((one) => one.value)")
    assert page.locator("img, main script").count() == 0
    assert page.title() not in ("1", "2")
    assert page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"]
    assert shown.errors == []
    page.close()


def test_every_figure_of_the_last_minute_is_plotted(show: Any) -> None:
    shown = show()
    shown.begin()
    page = shown.open()
    names = page.locator(".plot figcaption").evaluate_all("all => all.map((one) => one.firstChild.textContent)")
    assert names == ["confidence", "latency", "image age", "images", "actions"]
    page.wait_for_function(
        "() => [...document.querySelectorAll('.plot b')].every((one) => /[0-9]/.test(one.textContent))"
    )
    page.wait_for_function(  # a line needs two samples
        """() => { const ink = document.createElement('canvas').getContext('2d');
        ink.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--c0');
        const [r, g, b] = [1, 3, 5].map((at) => parseInt(ink.fillStyle.slice(at, at + 2), 16));
        return [...document.querySelectorAll('.plot canvas')].every((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let at = 0; at < data.length; at += 4)
            found += [r, g, b].every((one, index) => Math.abs(data[at + index] - one) < 40) && data[at + 3] > 90;
          return found > 0; }); }"""
    )
    page.close()
