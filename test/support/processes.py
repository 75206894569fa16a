"""Python programs beside a test, spoken to in lines; never by fork, which a Zenoh session does not survive."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A Python script in a process of its own; its output is read line by line with a deadline."""

    def __init__(self, script: Path, *arguments: str, timeout: float = 30.0) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.timeout = timeout
        self._process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def expect(self, prefix: str) -> str:
        """The rest of the next line that begins with `prefix`; other lines are passed over."""
        seen: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=self.timeout)
            except queue.Empty:
                raise AssertionError(f"no line {prefix!r} within {self.timeout} s; got {seen}") from None
            if line is None:
                raise AssertionError(f"the program ended without a line {prefix!r}; got {seen}")
            if line.startswith(prefix):
                return line[len(prefix) :].strip()
            seen.append(line)

    def ask(self, line: str, prefix: str) -> str:
        """Send a line and return the answer that begins with `prefix`."""
        self.tell(line)
        return self.expect(prefix)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        self._process.kill()
        self._process.wait(self.timeout)

    def close(self) -> int:
        """Close its input, wait for it to end by itself and return its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(self.timeout)

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)
