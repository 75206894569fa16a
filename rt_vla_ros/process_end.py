"""For launch files: the end of a process without which the others are of no use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def ends_the_launch(sentence: str) -> Callable[[Any, Any], None]:
    """An `on_exit` that shuts everything down; `ros2 launch` then says the sentence and returns 1.

    An event Shutdown would do the first alone. A process that ends because the launch does is no error.
    """

    def on_exit(event: Any, context: Any) -> None:
        if not context.is_shutdown:
            raise RuntimeError(f"{sentence} (exit code {event.returncode})")

    return on_exit
