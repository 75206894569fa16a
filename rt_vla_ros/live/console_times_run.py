"""Benchmark of the page in a real browser with the simulated arm in motion: STOP and lost connections."""

from __future__ import annotations

import os
import platform
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rt_vla_ros import ros
from rt_vla_ros.benchmarks.console_times import Trial, sentence, summary
from rt_vla_ros.live.browser_process import BrowserProcess
from rt_vla_ros.live.console_cost_run import start_console
from rt_vla_ros.live.private_graph import PrivateGraph
from zenoh_ros.commands.errors import CliError

INSTRUCTION = "pick up the red cube"
HOLDS = 10  # attempts at holding the stick
START_UP, PATIENCE = 120.0, 30.0  # of the processes; for anything else [s]
READY = ("Ready", "Holding", "Ended", "Done", "Human")
WORD = "document.getElementById('word').textContent"
LISTEN = """() => {
  addEventListener('pointerdown', () => { window.pressedAt = Date.now() / 1000; }, true);
  new MutationObserver(() => {
    if (document.body.classList.contains('lost')) window.lostAt ??= Date.now() / 1000;
  }).observe(document.body, { attributes: true, attributeFilter: ['class'] });
}"""


def measure(repeats: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Each loss so often. tell: gets a line for each. Raises CliError if nothing can be measured."""
    begin = time.time()
    with PrivateGraph() as graph, tempfile.TemporaryDirectory(prefix="rt-vla-bench-") as folder:
        try:
            ros.ensure()
        except ImportError as error:
            raise CliError(str(error)) from error
        from rt_vla_ros.live.velocity_watch import VelocityWatch

        log = Path(folder) / "log"
        watch = VelocityWatch("bench_watch")
        try:
            bench = _ConsoleBench(graph, watch, Path(folder), log)
            trials = bench.run(repeats, tell)
        except RuntimeError as error:
            raise CliError(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from error
        finally:
            watch.close()
    rows = summary(trials)
    about = {"repeats": repeats, "unix_time": round(begin), "cpus": os.cpu_count(), "machine": platform.machine()}
    return {**about, "load": round(os.getloadavg()[0], 1), "rows": rows}


class _ConsoleBench:
    """A simulated arm, a console and a browser, each of which can fail and recover."""

    def __init__(self, graph: PrivateGraph, watch: Any, folder: Path, log: Path) -> None:
        self._graph, self._watch, self._folder, self._log = graph, watch, folder, log
        arguments = ("arm:=sim", f"instruction:={INSTRUCTION}", "seed:=0")
        graph.start("rt_vla_ros.cli", "launch", "policy.launch.py", *arguments, log=log)
        self._console, self._port = start_console(graph, log)

    def run(self, repeats: int, tell: Callable[[str], None]) -> dict[str, list[Trial]]:
        """Each event, this many times, by its name."""
        kinds: dict[str, Callable[[BrowserProcess], Trial]] = {
            "STOP is pressed": self._stop,
            "the console is killed": self._console_killed,
            "the console is silent": self._console_silent,
            "the browser is killed": self._browser_killed,
            "the browser is silent": self._browser_silent,
        }
        trials: dict[str, list[Trial]] = {}
        for what, play in kinds.items():
            trials[what] = []
            for _ in range(repeats):
                with BrowserProcess(f"http://localhost:{self._port}/", self._folder) as browser:
                    self._prepare(browser.page)
                    trials[what].append(play(browser))
            tell(sentence(summary({what: trials[what]})[0]))
        return trials

    def _prepare(self, page: Any) -> None:
        """The page controls an arm at its home pose, and records its own events."""
        self._await_word(page, *READY, "Stopped", longest=START_UP)
        self._free(page)
        if not self._watch.lay_scene(INSTRUCTION, PATIENCE):
            raise RuntimeError("The simulated arm did not return to its home pose.")
        page.evaluate(LISTEN)

    def _free(self, page: Any) -> None:
        """Releases any stop and any takeover."""
        if page.locator("#take-control").is_visible():  # the browser before is not gone for the console yet
            page.click("#take-control")
        page.wait_for_selector("#arm-stick:enabled")
        if page.evaluate(WORD) == "Stopped":
            page.click("#release:enabled")
            self._await_word(page, *READY)

    def _await_word(self, page: Any, *words: str, longest: float = PATIENCE) -> None:
        page.wait_for_function(f"words => words.includes({WORD})", arg=list(words), timeout=1000 * longest)

    def _await(self, what: str, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} within {PATIENCE:g} s.")
            time.sleep(0.01)
        return value

    def _hold(self, page: Any) -> None:
        """Moves the arm by the keyboard."""
        page.click("#arm-stick")
        page.wait_for_selector("#sticks:visible")
        for _ in range(HOLDS):
            page.wait_for_timeout(200)  # in which the page says that it is let go
            page.keyboard.down("Shift")
            page.keyboard.down("w")
            page.wait_for_timeout(800)
            if self._watch.moves:
                return
            self._let_go(page)  # on a busy machine the stick was let go for it
            self._free(page)
        raise RuntimeError(f"The keys did not move the arm in {HOLDS} attempts.")

    def _let_go(self, page: Any) -> None:
        page.keyboard.up("w")
        page.keyboard.up("Shift")

    def _still(self, begun: float) -> float:
        """How long after this Unix time the velocity was zero [s]."""
        return float(self._await("The arm did not stop", lambda: self._watch.still_after(begun))) - begun

    def _stop(self, browser: BrowserProcess) -> Trial:
        page = browser.page
        if page.locator("#resume").is_visible():
            page.click("#resume")
        page.fill("#instruction", INSTRUCTION)
        page.click("#go")
        self._await_word(page, "Moving")
        self._await("The policy did not move the arm", lambda: self._watch.moves)
        page.click("#stop")
        return Trial(self._still(float(page.evaluate("window.pressedAt"))))

    def _console_killed(self, browser: BrowserProcess) -> Trial:
        trial = self._lose(browser, self._console.kill)
        self._console.wait()
        self._console, _ = start_console(self._graph, self._log, port=self._port)
        self._back(browser.page)
        return trial

    def _console_silent(self, browser: BrowserProcess) -> Trial:
        trial = self._lose(browser, lambda: self._console.send_signal(signal.SIGSTOP))
        self._console.send_signal(signal.SIGCONT)
        self._back(browser.page)
        return trial

    def _lose(self, browser: BrowserProcess, happen: Callable[[], None]) -> Trial:
        """A loss of the console, which the page must show."""
        self._hold(browser.page)
        begun = time.time()
        happen()
        still = self._still(begun)
        browser.page.wait_for_function("() => window.lostAt !== undefined")
        return Trial(still, float(browser.page.evaluate("window.lostAt")) - begun)

    def _back(self, page: Any) -> None:
        self._let_go(page)
        page.wait_for_selector("body:not(.lost)")

    def _browser_killed(self, browser: BrowserProcess) -> Trial:
        self._hold(browser.page)
        begun = time.time()
        browser.kill()
        return Trial(self._still(begun))

    def _browser_silent(self, browser: BrowserProcess) -> Trial:
        self._hold(browser.page)
        begun = time.time()
        browser.signal(signal.SIGSTOP)
        return Trial(self._still(begun))
