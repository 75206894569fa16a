"""Keeps a latched stop and a takeover on disk, so that they survive the process."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from datetime import datetime, timezone
from pathlib import Path

# A larger file is not one of ours [bytes].
LARGEST = 65_536


def stop_folder(domain: int) -> Path:
    """The folder of the stop files of a ROS domain's nodes: in $ROS_HOME, or ~/.ros."""
    return _folder("stopped", domain)


def stop_path(domain: int, node_name: str) -> Path:
    """The file of a node's stop. node_name: fully qualified, "/left/smoother_node"."""
    return stop_folder(domain) / f"{node_name.strip('/')}.json"


def takeover_path(domain: int, node_name: str) -> Path:
    """The file that exists while a human has taken over a node's arm. node_name: as of `stop_path`."""
    return _folder("taken_over", domain) / f"{node_name.strip('/')}.json"


def _folder(kind: str, domain: int) -> Path:
    home = os.path.expanduser(os.environ.get("ROS_HOME") or "~/.ros")
    return Path(home, "rt_vla_ros", kind, str(domain))


def stopped_nodes(domain: int) -> dict[str, str]:
    """Fully qualified names of the nodes that start stopped, and why. Raises OSError."""
    folder = stop_folder(domain)
    names = {f"/{path.relative_to(folder).with_suffix('').as_posix()}": path for path in folder.rglob("*.json")}
    return {name: reason for name, path in sorted(names.items()) if (reason := StopFile(path).read()) is not None}


class StopFile:
    """A file that exists while the stop is latched; it holds the reason and the time.

    what: its subject, for the messages.
    """

    def __init__(self, path: Path, what: str = "stop") -> None:
        self.path, self._what = path, what
        self._unflushed = False

    def read(self) -> str | None:
        """Why the stop was latched, and since when; None if it was not.

        An unreadable content counts as a stop. Raises OSError if it is unknown whether there is one.
        """
        try:
            regular = stat.S_ISREG(self.path.lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            if not regular:  # reading a named pipe would never end
                raise ValueError
            with self.path.open("rb") as file:
                content = json.loads(file.read(LARGEST))
            told = f"{content['reason']} (since {content['time']})"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return f"The file of the {self._what}, {self.path}, is damaged."
        return told

    def prepare(self) -> None:
        """Makes the folder. Raises OSError if `write` would fail."""
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    def write(self, reason: str) -> None:
        """Latches the stop, even if this process dies. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.new")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        new.write_text(json.dumps({"reason": reason, "time": now}) + "\n", encoding="utf-8")
        new.replace(self.path)
        self._unflushed = True

    def flush(self) -> None:
        """Makes it survive a power cut, too. This may take long: call it only while the arm stands still. Raises
        OSError.
        """
        if not self._unflushed:
            return
        self._unflushed = False
        for path in (self.path, self.path.parent):
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def clear(self) -> None:
        """Releases the stop. Raises OSError."""
        self._unflushed = False
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self.path.unlink()
