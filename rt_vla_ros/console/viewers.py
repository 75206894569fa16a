"""Simulated pages that receive pictures and state like a browser: `python -m rt_vla_ros.console.viewers PORT COUNT`.

Prints "ready" when each has received a picture; at SIGTERM it prints the average pictures per second and exits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Awaitable
from typing import Any

HEARTBEAT = 0.1  # of a page [s]


async def view(port: int, count: int) -> None:
    """Until SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    shown = [0] * count
    tasks = [asyncio.create_task(part) for i in range(count) for part in (_say(port), _look(port, shown, i))]
    while not all(shown):
        await _go_on(tasks, asyncio.sleep(0.02))
    print("ready", flush=True)
    begun, before = time.monotonic(), sum(shown)
    await _go_on(tasks, over.wait())
    print(json.dumps((sum(shown) - before) / count / (time.monotonic() - begun)), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _go_on(tasks: list[asyncio.Task[None]], what: Awaitable[Any]) -> None:
    """Raises the exception of a page, which must not end by itself."""
    waited = asyncio.ensure_future(what)
    ended, _ = await asyncio.wait({*tasks, waited}, return_when=asyncio.FIRST_COMPLETED)
    for task in ended - {waited}:
        task.result()
        raise RuntimeError("the console closed a page")


def _open(port: int, path: str) -> Any:
    from websockets.asyncio.client import connect  # of websockets 13; the server does with older ones

    return connect(f"ws://localhost:{port}/{path}", origin=f"http://localhost:{port}", compression=None)  # type: ignore[arg-type]


async def _say(port: int) -> None:
    async with _open(port, "say") as page:
        beats = asyncio.create_task(_beat(page))
        async for _ in page:
            pass
        beats.cancel()


async def _beat(page: Any) -> None:
    with contextlib.suppress(Exception):
        while True:
            await page.send('{"kind": "heartbeat"}')
            await asyncio.sleep(HEARTBEAT)


async def _look(port: int, shown: list[int], number: int) -> None:
    async with _open(port, "look") as page:
        async for _ in page:
            shown[number] += 1
            await page.send("{}")


if __name__ == "__main__":
    asyncio.run(view(int(sys.argv[1]), int(sys.argv[2])))
