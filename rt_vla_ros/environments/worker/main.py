"""The environment's process: requests arrive on stdin, answers go to the original stdout.

It runs in the environment's own Python, without the rest of this package. It ends at the end of its input, so at the
latest with its parent process. Ctrl-C is handled by the parent.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

from rt_vla_ros.environments.worker.pipe import pack, receive

KINDS = {
    "metaworld": ("metaworld_world", "MetaWorldWorld"),
    "gymnasium": ("gymnasium_world", "GymnasiumWorld"),
    "inspect": ("inspect_world", "InspectWorld"),
    "libero": ("libero_world", "LiberoWorld"),
    "language-table": ("language_table_world", "LanguageTableWorld"),
}


def main(kind: str) -> None:
    """Answers until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    world: Any = None
    while True:
        try:
            request, _ = receive(_read)
        except EOFError:
            return
        body, operation = b"", request.pop("op")
        try:
            if world is None:
                module, name = KINDS[kind]
                world = getattr(importlib.import_module(f"rt_vla_ros.environments.worker.{module}"), name)()
            answer = getattr(world, f"on_{operation}")(**request)
            if isinstance(answer, tuple):
                answer, body = answer
        except Exception as error:  # whatever the libraries raise, the user reads it
            said = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
            answer = {"failure" if operation in ("do", "label") else "error": said}
        _send(out, pack(answer, body))


def image_answer(image: Any) -> tuple[dict[str, Any], bytes]:
    """RGB, uint8, shape (H, W, 3). Raises ValueError for anything else."""
    if str(image.dtype) != "uint8" or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"The image is {image.dtype} of shape {image.shape}, expected uint8 of shape (H, W, 3).")
    return {"shape": list(image.shape)}, image.tobytes()


def _read(count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = os.read(0, count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


def _send(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


if __name__ == "__main__":
    main(sys.argv[1])
