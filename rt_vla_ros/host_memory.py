"""Free memory of this machine; needs only the standard library."""

from __future__ import annotations

from pathlib import Path

MEMORY_FILE = Path("/proc/meminfo")


def free_memory() -> int | None:
    """Memory that a program can still use without swapping [bytes]; None if unknown, as on other systems than Linux."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY_FILE.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
