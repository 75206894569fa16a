"""Which machine code may run here: by default, only what an export of this user on this machine has compiled.

An export records the SHA-256 of each compiled graph as a file in the user's data directory; see folder(). A hash in the
exported directory would prove nothing: who can replace the graph can replace that hash.
"""

from __future__ import annotations

import os
from pathlib import Path

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.exported.manifest import sha256_of_bytes
from rt_vla_ros.policies.rt2.loading.remote_code import FLAG


def folder() -> Path:
    """rt_vla_ros/compiled in the user's data directory."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "rt_vla_ros" / "compiled"


def record(content: bytes) -> None:
    """Allows machine code to run for this user on this machine. Raises OSError."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder() / sha256_of_bytes(content)).touch(mode=0o600)


def check_recorded(content: bytes, where: str) -> None:
    """Raises CheckpointError for machine code that was not compiled here. where: the path of its file."""
    if not (folder() / sha256_of_bytes(content)).is_file():
        raise CheckpointError(
            f"{where} is machine code that was not compiled by this user on this machine, and is not run by default. "
            f"Export the policy here (rt-vla export CHECKPOINT --to aot --out DIR.aot), or, if you trust its source, "
            f"set {FLAG}:=true (in Python {FLAG}=True)."
        )
