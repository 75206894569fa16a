"""Progress in a log and on a terminal."""

from __future__ import annotations

import io

from rt_vla_ros.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_whole_lines_and_not_too_many() -> None:
    log = io.StringIO()
    progress = Progress(log)
    progress.line("starting")
    for number in range(100):
        progress.update(f"step {number}")
    progress.line("done")
    assert log.getvalue() == "starting\nstep 0\ndone\n"


def test_a_line_that_changes_is_ended_once_before_others_write() -> None:
    terminal = Terminal()
    progress = Progress(terminal)
    progress.update("Ready.")
    progress.end_line()
    progress.end_line()
    assert terminal.getvalue() == "\r\033[KReady.\n"


def test_a_terminal_gets_one_line_that_changes() -> None:
    terminal = Terminal()
    progress = Progress(terminal)
    for number in range(3):
        progress.update(f"step {number}")
    progress.line("done")
    assert terminal.getvalue() == "\r\033[Kstep 0\r\033[Kstep 1\r\033[Kstep 2\ndone\n"
