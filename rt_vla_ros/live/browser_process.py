"""A Chromium in processes of its own, which can be killed and stopped, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from rt_vla_ros.live.console_cost_run import await_said
from rt_vla_ros.parent_process import ends_with_this_process
from zenoh_ros.commands.errors import CliError

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"),
    "--disable-renderer-backgrounding",  # these would give the page less CPU time
)
PATIENCE = 60_000.0  # [ms]


class BrowserProcess:
    """A context manager. Raises CliError if Playwright or Chromium is missing.

    RuntimeError: it does not start, or the page does not behave as expected.

    page: one that is open, with the methods of Playwright.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """url: that is opened. folder: for what it writes."""
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError as error:
            raise CliError("Playwright is missing, which drives the browser: pip install playwright") from error
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise CliError(f"No browser was found, expected {', '.join(NAMES)}: sudo apt install chromium")
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._log = self._folder / "log"
        self._ended, self._failure = False, Error
        flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # which root has to
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [program, *flags, "--remote-debugging-port=0", f"--user-data-dir={self._folder}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ends_with_this_process(signal.SIGKILL),
            )
        try:
            where = await_said(self._process, self._log, r"DevTools listening on (ws://\S+)")
            self._player = sync_playwright().start()
        except BaseException:
            self.kill()
            raise
        try:
            self.page: Any = self._player.chromium.connect_over_cdp(where).contexts[0].new_page()
            self.page.set_default_timeout(PATIENCE)
            self.page.goto(url)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> BrowserProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        with contextlib.suppress(Exception):  # the browser is gone
            self._player.stop()
        if isinstance(error, self._failure):
            raise RuntimeError(f"The page did not behave as expected: {error}") from error

    def kill(self) -> None:
        """All of it, at once."""
        if not self._ended:
            self._ended = True
            self.signal(signal.SIGKILL)
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes, which are one group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
