"""The page in a real browser, with a simulated arm behind it: Chromium, driven by Playwright."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import mujoco  # noqa: F401  # of the simulated arm, a process of its own
import pytest
from support.browser import PHONE, chromium, shot

from rt_vla_ros import ros

ros.ensure()

from std_msgs.msg import String  # noqa: E402

from rt_vla_ros.data.lerobot import LeRobotDataset  # noqa: E402
from rt_vla_ros.live.private_graph import PrivateGraph  # noqa: E402
from rt_vla_ros.live.velocity_watch import VelocityWatch  # noqa: E402

pytestmark = pytest.mark.slow
WORD = "document.getElementById('word').textContent"
INSTRUCTION = "pick up the red cube"
ROOT = Path(__file__).resolve().parents[2]
START_UP = 120.0  # of five processes on a busy machine [s]
PATIENCE = 60.0  # [s]
STOP_TIME = 1.0  # from the press to a velocity of zero, on a busy machine [s]; docs/console.md has what was measured
STOPS = 3  # presses of STOP that are timed; `rt-vla bench console --in-browser` times more
HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
GAMEPAD = """() => {
  const pad = { connected: true, mapping: "standard", id: "Played gamepad", index: 0, axes: [0, 0, 0, 0],
    buttons: Array.from({ length: 17 }, () => ({ pressed: false, value: 0 })) };
  window.playedPad = pad;
  navigator.getGamepads = () => [pad];
}"""


class Watcher(VelocityWatch):
    """Hears on the graph what the arm is told, and gives instructions to the policy itself."""

    def __init__(self) -> None:
        super().__init__("watcher")
        self.instructions = self.node.create_publisher(String, "instruction", 10)

    def reset(self) -> None:
        """The arm is where it begins."""
        assert self.lay_scene(INSTRUCTION, PATIENCE)


class Room:
    """A simulated arm with its page, and browsers. errors: what their consoles complain about."""

    def __init__(self, graph: PrivateGraph, folder: Path, browser: Any, watcher: Watcher) -> None:
        self.graph, self.folder, self.browser, self.watcher = graph, folder, browser, watcher
        self.errors: list[str] = []
        self.console: Any = None
        self.url = ""

    def serve(self, port: int = 0) -> None:
        log = self.folder / f"console_{time.monotonic_ns()}.log"
        arguments = ("-p", f"port:={port}")
        self.console = self.graph.start("rt_vla_ros.nodes.console_node", "--ros-args", *arguments, log=log)
        found = until(lambda: re.search(r"The page is at (\S+)", log.read_text()), log.read_text, START_UP)
        self.url = found[1]

    def open(self, script: str = "", **options: Any) -> Any:
        page = self.browser.new_page(**options)
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        if script:
            page.add_init_script(f"({script})()")
        page.goto(self.url)
        page.wait_for_selector("body:not(.lost)")
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)


def until(
    condition: Callable[[], Any], what: Callable[[], Any] | str = "it did not come", longest: float = PATIENCE
) -> Any:
    deadline = time.monotonic() + longest
    while not (value := condition()):
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(0.02)
    return value


def word(page: Any, *words: str) -> None:
    page.wait_for_function(f"words => words.includes({WORD})", arg=list(words))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("console")
    with PrivateGraph() as graph, chromium() as browser:
        arguments = ("arm:=sim", f"instruction:={INSTRUCTION}", "seed:=0")
        graph.start("rt_vla_ros.cli", "launch", "policy.launch.py", *arguments, log=folder / "launch.log")
        recorder = ("--params-file", str(ROOT / "config/recorder_sim.yaml"), "-p", "cameras:=[front=image]")
        card = ("-p", f"card:={ROOT / 'rt_vla_ros/checkpoints/rt1-mini'}", "-p", f"out:={folder / 'set'}")
        log = folder / "recorder.log"
        graph.start("rt_vla_ros.nodes.recorder_node", "--ros-args", *recorder, *card, log=log)
        watcher = Watcher()
        try:
            room = Room(graph, folder, browser, watcher)
            room.serve()
            first = room.open()
            first.wait_for_function(f"() => {WORD} === 'Ready'", timeout=START_UP * 1000)
            first.close()
            yield room
        finally:
            watcher.close()


@pytest.fixture
def page(room: Room) -> Iterator[Any]:
    """A page that controls an arm that is released and given back."""
    page = room.open()
    word(page, "Ready", "Done", "Ended", "Holding", "Fault", "Stopped", "Human")
    yield page
    for button in ("#release", "#resume"):
        if page.locator(button).is_enabled() and page.locator(button).is_visible():
            page.click(button)
    page.close()


def instruct(page: Any, text: str = INSTRUCTION) -> None:
    page.fill("#instruction", text)
    page.click("#go")


def take_up(page: Any) -> None:
    """The stick, which says once that it is let go."""
    page.click("#arm-stick")
    page.wait_for_selector("#sticks:visible")
    page.wait_for_timeout(200)


def test_an_instruction_is_carried_out_and_the_page_says_done(room: Room, page: Any) -> None:
    word(page, "Ready")
    shot(page, "ready")
    page.wait_for_function(
        f"() => [...document.querySelectorAll('#known option')].some((one) => one.value === '{INSTRUCTION}')"
    )
    page.wait_for_function("() => Number(document.querySelector('.camera')?.dataset.number) > 2")
    instruct(page)
    word(page, "Moving")
    page.wait_for_selector(".camera[data-drawn=true]")  # what it is told, in the picture
    until(lambda: room.watcher.moves, "the arm is told nothing")
    page.wait_for_function("() => /[0-9]/.test(document.querySelector('#plots b').textContent)")
    shot(page, "moving")
    word(page, "Done")
    page.wait_for_selector("#runs .outcome.good")
    shot(page, "done")
    assert page.inner_text("#runs .again") == INSTRUCTION
    page.click("#runs .play")
    page.wait_for_function("() => Number(document.getElementById('player').dataset.played) > 3")
    assert INSTRUCTION in page.inner_text("#clip-caption")
    shot(page, "clip")
    page.click("#clip-close")


def test_stop_stands_still_at_once_and_stays_until_release(room: Room, page: Any) -> None:
    page.evaluate("addEventListener('pointerdown', () => (window.pressedAt = Date.now() / 1000), true)")
    page.evaluate("addEventListener('keydown', () => (window.pressedAt = Date.now() / 1000), true)")
    took = []
    for number in range(STOPS):
        room.watcher.reset()
        instruct(page)
        word(page, "Moving")
        until(lambda: room.watcher.moves, "the arm is told nothing")
        page.locator("body").click(position={"x": 2, "y": 300})  # out of the box
        if number % 2:
            page.keyboard.press("Space")
        else:
            page.click("#stop")
        word(page, "Stopped")
        pressed = page.evaluate("window.pressedAt")
        took.append(until(partial(room.watcher.still_after, pressed)) - pressed)
        assert not room.watcher.moves
        shot(page, "stopped")
        instruct(page)
        page.wait_for_function("() => /rejected.*stopped/.test(document.getElementById('answer').textContent)")
        page.click("#release")
        word(page, "Ready", "Holding", "Ended", "Done", "Human")
    assert max(took) < STOP_TIME
    assert page.locator("#release").is_disabled()


def test_in_the_instruction_box_the_space_bar_writes_a_space(page: Any) -> None:
    page.focus("#instruction")
    page.keyboard.type("a b")
    assert page.input_value("#instruction") == "a b"
    assert page.inner_text("#word") != "Stopped"


def test_an_episode_is_recorded_and_labelled(room: Room, page: Any) -> None:
    room.watcher.reset()
    page.wait_for_selector("#record:visible")
    instruct(page)
    word(page, "Moving")
    page.click("#record-start")
    page.wait_for_selector("#record.recording")
    page.wait_for_function("() => /[1-9][0-9]* frames/.test(document.getElementById('recorder').textContent)")
    shot(page, "recording")
    page.click("#record-success")
    page.wait_for_function("() => document.getElementById('answer').textContent.startsWith('Episode 0 of')")
    page.wait_for_selector("#record:not(.recording)")
    page.click("#label-failure")
    page.wait_for_function("() => document.getElementById('answer').textContent.includes('is no success')")
    assert LeRobotDataset(room.folder / "set")[0].instruction == INSTRUCTION
    page.click("#cancel")


def test_keys_move_the_arm_while_they_are_held(room: Room, page: Any) -> None:
    take_up(page)
    page.keyboard.down("w")
    page.keyboard.up("w")
    page.keyboard.down("Shift")
    page.keyboard.down("w")
    word(page, "Human")
    until(lambda: room.watcher.moves, "the keys move nothing")
    page.wait_for_selector("#held.on")
    shot(page, "human")
    page.keyboard.up("Shift")
    until(lambda: not room.watcher.moves, "it goes on")
    page.keyboard.up("w")
    page.click("#resume")
    page.wait_for_selector("#resume", state="hidden")


@pytest.mark.parametrize("how", ["blur", "pointerup", "hidden"])
def test_the_stick_is_let_go_at_once(room: Room, page: Any, how: str) -> None:
    take_up(page)
    box = page.locator("#pad-xy").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0], middle[1] - box["height"] / 3)
    until(lambda: room.watcher.moves, "the stick is off")
    if how == "pointerup":
        page.mouse.up()
    elif how == "blur":
        page.evaluate("window.dispatchEvent(new Event('blur'))")
    else:
        page.evaluate(
            "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
    until(lambda: not room.watcher.moves, "it goes on")
    page.wait_for_selector("#held:not(.on)")


def test_a_gamepad_moves_the_arm_while_lb_is_held(room: Room) -> None:
    page = room.open(GAMEPAD)
    page.click("#arm-stick")
    page.wait_for_function("() => document.getElementById('gamepad').textContent.includes('Played gamepad')")
    page.evaluate("playedPad.axes[1] = -1")
    page.wait_for_timeout(300)
    assert not room.watcher.moves
    page.evaluate("playedPad.buttons[4] = { pressed: true, value: 1 }")
    until(lambda: room.watcher.moves, "the gamepad moves nothing")
    page.evaluate("playedPad.buttons[4] = { pressed: false, value: 0 }")
    until(lambda: not room.watcher.moves, "it goes on")
    page.click("#resume")
    page.close()


def test_a_second_browser_only_watches_until_it_takes_control(room: Room, page: Any) -> None:
    second = room.open()
    second.wait_for_selector("body.watching")
    assert second.locator("#go").is_disabled()
    assert second.locator("#arm-stick").is_disabled()
    assert second.locator("#stop").is_enabled()
    shot(second, "watching")
    second.click("#take-control")
    page.wait_for_selector("body.watching")
    second.close()
    page.click("#take-control")
    page.wait_for_selector("body:not(.watching)")


def test_text_of_others_is_never_markup(room: Room, page: Any) -> None:
    until(lambda: room.watcher.instructions.get_subscription_count() > 0)
    page.evaluate("document.title = ''")
    room.watcher.instructions.publish(String(data=f"{HOSTILE} pick"))
    page.wait_for_function("text => document.getElementById('runs').textContent.includes(text)", arg=HOSTILE)
    assert page.locator("#runs img, #runs script, #known img").count() == 0
    assert page.title() not in ("1", "2")
    page.click("#cancel")


def test_an_answer_or_why_there_is_none_is_shown(page: Any) -> None:
    page.fill("#question", "what does the gripper hold?")
    page.click("#ask")
    page.wait_for_selector("#answers .outcome.good, #answers .outcome.bad")
    assert "what does the gripper hold?" in page.inner_text("#answers")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(room: Room, scheme: str) -> None:
    page = room.open(viewport=PHONE, has_touch=True, color_scheme=scheme)
    page.wait_for_function("() => document.querySelectorAll('#nodes li').length > 2")
    if page.locator("#take-control").is_visible():
        page.click("#take-control")
    take_up(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    box = page.locator("#stop").bounding_box()
    assert box["height"] >= 60
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.locator("#stop").bounding_box()["y"] < PHONE["height"] / 2
    shot(page, f"phone_{scheme}")
    page.close()


def test_everything_has_a_name_and_can_be_reached_by_keys(page: Any) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, canvas')].filter((one) => !one.textContent.trim()"
        " && !one.getAttribute('aria-label') && !one.classList.contains('overlay')).map((one) => one.outerHTML)"
    )
    assert nameless == []
    page.locator("body").click(position={"x": 2, "y": 300})
    missing = {"stop", "instruction", "go", "cancel", "arm-stick", "speed", "question"}

    def step() -> bool:
        page.keyboard.press("Tab")
        missing.discard(page.evaluate("document.activeElement.id"))
        return not missing

    until(step, lambda: f"Tab does not reach {sorted(missing)}")


def test_when_the_server_dies_the_page_says_so_and_comes_back(room: Room, page: Any) -> None:
    take_up(page)
    page.keyboard.down("Shift")
    page.keyboard.down("w")
    until(lambda: room.watcher.moves, "the keys move nothing")
    errors = list(room.errors)
    port = int(room.url.rstrip("/").rpartition(":")[2])
    room.console.kill()
    page.wait_for_selector("body.lost")
    word(page, "Unknown")
    assert "No connection" in page.inner_text("#alarm")
    until(lambda: not room.watcher.moves, "it goes on")
    shot(page, "lost")
    page.keyboard.up("w")
    page.keyboard.up("Shift")
    room.serve(port)
    page.wait_for_selector("body:not(.lost)")
    room.errors = errors  # without those of the connection
    word(page, "Stopped")
    assert page.inner_text("#reason").startswith("The operator's command is lost")


def test_what_is_pressed_while_nothing_is_heard_moves_nothing_but_stop_is_done(room: Room, page: Any) -> None:
    """The server hangs for so long that the page gives the connection up."""
    errors = list(room.errors)
    room.watcher.reset()
    page.fill("#instruction", INSTRUCTION)
    room.console.send_signal(signal.SIGSTOP)
    try:
        page.wait_for_timeout(200)  # not lost yet
        page.click("#go")
        page.wait_for_selector("body.lost")
        page.click("#cancel")
        page.wait_for_function("() => document.getElementById('answer').textContent === 'There is no connection.'")
        page.locator("body").click(position={"x": 2, "y": 300})
        page.keyboard.press("Space")
        page.wait_for_function("() => document.getElementById('alarm').textContent.includes('emergency stop')")
        page.wait_for_function("() => document.getElementById('answer').textContent === 'The connection was lost.'")
    finally:
        room.console.send_signal(signal.SIGCONT)
    word(page, "Stopped")
    page.wait_for_selector("body:not(.lost)")
    assert not room.watcher.moves
    room.errors = errors  # without those of the connection
    if page.locator("#take-control").is_visible():
        page.click("#take-control")
    page.wait_for_selector("body:not(.watching)")


def test_no_browser_complained(room: Room) -> None:
    assert room.errors == []
