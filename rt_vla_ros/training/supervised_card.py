"""The README beside a checkpoint that was trained from datasets."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

TEXT = """\
---
library_name: transformers
license: apache-2.0
tags: [robotics, rt-1, vision-language-action]
---

# {preset}, trained from datasets

An RT-1 ({parameters:.1f} M parameters), trained by imitation: `rt-vla train rt1 --data ...`. {beginning}

- Datasets: {datasets}: {training} episodes to learn from, {validation} held back, {frames:,} frames in all.
- Settings: {settings}.
- Device: {device} ({machine}), {minutes:.1f} minutes of wall time so far.
- Step {step:,}: loss {loss:.3f} in training{held_back}.

A loss says how well the recorded answers are repeated, not how often a task is done. That is measured with
`rt-vla evaluate --policy CHECKPOINT --suite SUITE`, and has not been for this checkpoint.
It knows what is in its datasets and nothing else.
"""


def supervised_card(
    settings: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
    *,
    datasets: Sequence[str],
    episodes: tuple[int, int],
    frames: int,
    parameters: int,
    device: str,
) -> str:
    """Markdown with the front matter that the Hugging Face Hub reads.

    settings: the values that were used, by the names of Settings. log: rows of losses.jsonl, one at least.
    """
    last = log[-1]
    held_back = ""
    if "validation" in last:
        held_back = f", {last['validation']:.3f} on the episodes held back ({last['near']:.1%} of the tokens near)"
    return TEXT.format(
        preset=settings["preset"],
        parameters=parameters / 1e6,
        beginning=_beginning(settings["start"]),
        datasets=", ".join(datasets),
        training=episodes[0],
        validation=episodes[1],
        frames=frames,
        settings=", ".join(f"{key} {value}" for key, value in settings.items() if value not in ("", {})),
        device=device,
        machine=platform.machine(),
        minutes=last["seconds"] / 60,
        step=last["step"],
        loss=last["training"],
        held_back=held_back,
    )


def _beginning(start: str) -> str:
    if not start:
        return "Its weights began at random."
    return f"It began with the weights of `{start}` wherever their names and shapes were the same."
