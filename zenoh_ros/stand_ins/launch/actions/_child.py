"""A process in its own process group, whose output is read line by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_GUARD = Path(__file__).with_name("_die_with_parent.py")
_CHUNK = 65536


class Child:
    """A started process.

    It is killed when this process ends, even by SIGKILL (Linux). Signals are sent to its whole group, so its own child
    processes get them, too.
    """

    def __init__(self, process: asyncio.subprocess.Process, streams: list[_Stream]) -> None:
        self._process = process
        self._streams = streams
        self.pid = process.pid

    @classmethod
    async def start(
        cls,
        cmd: list[str],
        *,
        cwd: str | None,
        env: dict[str, str],
        terminal: bool,
        on_output: Callable[[int, bytes], None],
    ) -> Child:
        """Starts `cmd`; `on_output(1 or 2, data)` is called with its output.

        Raises:
            OSError: it cannot be started.
        """
        open_pair = pty.openpty if terminal else os.pipe
        pairs = [open_pair(), open_pair()]
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid())]
        try:
            process = await asyncio.create_subprocess_exec(
                *guard,
                *cmd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pairs[0][1],
                stderr=pairs[1][1],
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        except OSError:
            for reader, _ in pairs:
                os.close(reader)
            raise
        finally:
            for _, writer in pairs:
                os.close(writer)
        return cls(process, [_Stream(pairs[0][0], 1, on_output), _Stream(pairs[1][0], 2, on_output)])

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group; does nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def wait(self) -> int:
        """The return code, after all output was delivered; remaining processes of its group are killed."""
        returncode = await self._process.wait()
        self.signal(signal.SIGKILL)
        for stream in self._streams:
            stream.close()
        return returncode


class _Stream:
    """The read end of a pipe or pseudo-terminal."""

    def __init__(self, fd: int, number: int, on_output: Callable[[int, bytes], None]) -> None:
        self._fd = fd
        self._number = number
        self._on_output = on_output
        self._open = True
        os.set_blocking(fd, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._read)

    def _read(self) -> bool:
        """Whether there was any output."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the other end of a pseudo-terminal is closed
            data = b""
        if data:
            self._on_output(self._number, data)
        else:
            self._loop.remove_reader(self._fd)
        return bool(data)

    def close(self) -> None:
        """Reads the remaining output and closes the file."""
        if not self._open:
            return
        self._open = False
        while self._read():
            pass
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class LineBuffer:
    """Splits bytes into lines of text."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._rest = b""
        self._on_line = on_line

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            # Of a line that was overwritten repeatedly (a progress bar), the final text, as in a terminal.
            self._on_line(line.removesuffix(b"\r").rpartition(b"\r")[2].decode(errors="replace"))

    def flush(self) -> None:
        """Emits a last line without line end."""
        if self._rest:
            self.feed(b"\n")
