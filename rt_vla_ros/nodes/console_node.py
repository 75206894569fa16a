"""A browser page to watch, instruct, stop and take over the arm, and to ask the policy questions."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, NoReturn

from rclpy.clock import Clock, ClockType

from rt_vla_ros.console.access import PageAccess, own_names
from rt_vla_ros.console.board import Board
from rt_vla_ros.console.private_file import FileWatch, read_token
from rt_vla_ros.console.stick import RESTARTED, PageStick
from rt_vla_ros.nodes.console_cameras import ConsoleCameras
from rt_vla_ros.nodes.console_link import ConsoleLink, full_name
from rt_vla_ros.nodes.console_listener import ConsoleListener
from rt_vla_ros.nodes.console_parameters import CONSOLE_PARAMETERS
from rt_vla_ros.nodes.console_stick import StickPublisher
from rt_vla_ros.nodes.diagnostics import Diagnostics, Level, Report
from rt_vla_ros.nodes.parameter_tables import tables_of_others
from rt_vla_ros.nodes.parameters import declare
from rt_vla_ros.nodes.running import ProgramNode, end_process, run
from rt_vla_ros.nodes.start_error import StartError
from rt_vla_ros.token_file import refuse_shared

CHECK_PERIOD = 0.5  # of pending requests, and of the server [s]
WITHOUT_SERVER = (
    "The page needs Starlette, uvicorn and websockets ({}): pip install 'rt_vla_ros[console]', or with ROS 2 "
    "sudo apt install python3-starlette python3-uvicorn python3-websockets"
)


class ConsoleNode(ProgramNode):
    """Serves the page. url: where it is."""

    def __init__(self) -> None:
        """Raises StartError."""
        super().__init__("console_node")
        settings: dict[str, Any] = declare(self, CONSOLE_PARAMETERS, **tables_of_others("console_node"))
        names = {name: full_name(self, settings[name]) for name in ("smoother", "policy", "recorder")}
        self._settings, self._token_problem = settings, ""
        self._token_file = FileWatch(settings["token_file"])  # before it is read
        rules = self._rules = _access_rules(settings)
        self._board = Board([text for text in settings["suggestions"] if text])
        self._cameras = ConsoleCameras(self, self._board, settings)
        stick = PageStick()
        self._listener = ConsoleListener(self, self._board, self._cameras.path, names, lambda: stick.let_go(RESTARTED))
        self._link = ConsoleLink(self, self._board, names)
        self._stick = StickPublisher(self, stick, settings["linear_speed"], settings["angular_speed"])
        self._web = self._serve(rules, stick, settings)
        self.url = f"{'https' if rules.encrypted else 'http'}://{_reached_by(settings['host'])}:{self._web.port}/"
        self._diagnostics = Diagnostics(self, self._report)
        self.create_timer(CHECK_PERIOD, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._web.start()
        self.get_logger().info(f"The page is at {self.url}")
        if rules.token is not None and not rules.encrypted:
            self.get_logger().warning("Without a certificate anybody on the network can read the token.")

    def close(self) -> None:
        """See ProgramNode."""
        self._stick.close()
        self._web.close()

    def _serve(self, rules: PageAccess, stick: PageStick, settings: dict[str, Any]) -> Any:
        try:
            from rt_vla_ros.console.server import PageServer
            from rt_vla_ros.console.web_thread import WebThread
        except ImportError as error:
            raise StartError(WITHOUT_SERVER.format(error)) from error
        self._page = PageServer(rules, self._board, self._cameras.frames, stick, self._link, time.monotonic)
        try:
            return WebThread(
                self._page.app, settings["host"], settings["port"], settings["certificate"], settings["key"]
            )
        except ValueError as error:
            raise StartError(str(error)) from error

    def _check(self) -> None:
        self._board.offers(self._link.offers())
        self.failure = self._page.failure if self._web.alive else "The web server exited unexpectedly."
        if self._settings["token_file"] and self._token_file.changed():
            self._read_token_again()

    def _read_token_again(self) -> None:
        """Whoever knew the old one has to log in again."""
        try:
            token, self._token_problem = read_token(self._settings["host"], self._settings["token_file"]) or "", ""
        except ValueError as error:
            token, self._token_problem = "", f"Login is impossible. {error}"
        if token != self._rules.token:
            self._rules.change_token(token)
            self.get_logger().info("The token has changed: all users are logged out.")

    def _report(self) -> Report:
        values = {"pictures_encoded": self._cameras.frames.encoded}
        if self._token_problem:
            return Report(Level.WARN, self._token_problem, values)
        return Report(Level.OK, f"The page is at {self.url}", values)


def _access_rules(settings: dict[str, Any]) -> PageAccess:
    """Raises StartError."""
    if settings["key"] and not settings["certificate"]:
        raise StartError("The parameter 'key' is given without 'certificate': HTTPS needs both.")
    try:
        token = read_token(settings["host"], settings["token_file"])
    except ValueError as error:
        raise StartError(str(error)) from error
    with contextlib.suppress(OSError):  # the server says that it cannot be read
        key = settings["key"] or settings["certificate"]
        if key and (refusal := refuse_shared(key)) is not None:
            raise StartError(refusal)
    names = own_names() | {name.lower() for name in settings["host_names"] if name}
    return PageAccess(names, token, bool(settings["certificate"]))


def _reached_by(host: str) -> str:
    """The name or address in the page's URL."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def main() -> NoReturn:
    """The program `console_node`."""
    end_process(run(ConsoleNode))


if __name__ == "__main__":
    main()
