"""The README and the data card beside a fine-tuned policy."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.plausibility import table
from rt_vla_ros.policies.checkpoint.resolve import hub_name
from rt_vla_ros.training.rt2.fine_tune_data import FineTuneData
from rt_vla_ros.training.rt2.fine_tune_settings import FineTuneSettings
from rt_vla_ros.training.rt2.settings_changes import flat_settings

MODEL_TEXT = """\
---
library_name: transformers
tags: [robotics, rt-2, vision-language-action]{front}
---

# {name}

An RT-2: a vision-language model ({trained:,} of {parameters:,} weights trained, {method}) that writes actions as tokens
of text and still answers questions. It sees {cameras} and the instruction. It was made from `{base}`, whose licence
goes with it.

## What was measured

{measured}

No success rate yet: `rt-vla evaluate --policy CHECKPOINT --suite SUITE`{plans}.

## Whether it forgot

{forgetting}

## How it was trained

{data}

{steps:,} steps of {batch_size} samples, {minutes:.1f} minutes of wall time on {device} ({machine}).
Settings: {settings}.

## What it cannot do

- It knows what is in its base and its data, and nothing else. A loss says how well recorded actions are predicted, not
  how often a task succeeds.
"""
DATA_TEXT = """\
# Data of {name}

| set | kind | samples there are | learned from |
|---|---|---|---|
{rows}

Robot data: {episodes} episodes to learn from, {held_out} held out. A sample is a frame: the images of {cameras}, the
instruction, and the {horizon} action{plural} from there on; behind an episode's end nothing is learned. {plans}

## What the recorded actions use of the card's ranges

What lies outside is learned as the limit.

{use}
"""


def model_card_text(
    name: str,
    base: str,
    card: ActionCard,
    settings: FineTuneSettings,
    data: FineTuneData,
    rows: Sequence[Mapping[str, Any]],
    *,
    trained: int,
    parameters: int,
    device: str,
    plans_on_request: bool,
) -> str:
    """Markdown with the front matter that the Hugging Face Hub reads. rows: of the run log."""
    last = rows[-1]
    kinds = {
        "training": "in training",
        "validation_robot": "on actions held out",
        "validation_web": "on answers held out",
    }
    losses = [f"{last[key]:.3f} {words}" for key, words in kinds.items() if key in last]
    return MODEL_TEXT.format(
        name=name,
        base=base,
        front=f"\nbase_model: {hub_name(base)}" if not Path(base).is_absolute() and hub_name(base) else "",
        trained=trained,
        parameters=parameters,
        method=f"LoRA of rank {settings.lora_rank}" if settings.method == "lora" else "fine-tuned",
        cameras=", ".join(f"`{camera.name}` ({camera.width}x{camera.height})" for camera in card.cameras),
        measured=f"Step {last['step']:,}: cross-entropy of a token {', '.join(losses)}.",
        plans=", and with `--plan` where it is to plan first" if plans_on_request else "",
        forgetting=forgetting_table(rows),
        data=f"From {', '.join(f'`{source.name}`' for source in data.sources)} (DATA_CARD.md).",
        steps=last["step"],
        batch_size=settings.batch_size,
        minutes=last["seconds"] / 60,
        device=device,
        machine=platform.machine(),
        settings=", ".join(f"{key} {value}" for key, value in flat_settings(settings).items() if value not in ("", [])),
    )


def forgetting_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Before, during (at most ten rows) and after."""
    asked = [row for row in rows if "vqa_free" in row]
    if not asked:
        return "Nobody asked: there were no questions held out (`--web`, with short answers)."
    every = -(-len(asked) // 10)
    shown = [row for i, row in enumerate(asked) if i % every == 0 or i == len(asked) - 1]
    lines = [
        f"Of {shown[-1]['vqa_questions']} held-out questions with short answers: answered right in its own words, and "
        "where the most likely of the set's answers is taken.",
        "",
        "| step | own words | of the set's answers |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {r['step']:,} | {r['vqa_free']:.1%} | {r['vqa_restricted']:.1%} |" for r in shown)])


def data_card_text(
    name: str, card: ActionCard, settings: FineTuneSettings, data: FineTuneData, drawn: Mapping[str, int]
) -> str:
    """drawn: samples of each set that were learned from, in the order of the sets."""
    total = max(1, sum(drawn.values()))
    rows = [
        f"| {name} | {'robot' if source.is_robot else 'web'} | {len(source):,} | {count:,} ({count / total:.1%}) |"
        for source, (name, count) in zip(data.sources, drawn.items(), strict=True)
    ]
    plans = f"A plan in words stands before {settings.plan_share:.0%} of the actions." if settings.plan_share else ""
    return DATA_TEXT.format(
        name=name,
        rows="\n".join(rows),
        episodes=data.episodes[0],
        held_out=data.episodes[1],
        cameras=", ".join(camera.name for camera in card.cameras),
        horizon=card.horizon,
        plural="s" * (card.horizon > 1),
        plans=plans,
        use="\n\n".join(f"{source.name}:\n\n{table(source.use)}" for source in data.robot),
    )
