"""The README and the data card of a fine-tuned policy."""

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

An RT-2: a vision-language model ({trained:,} of {parameters:,} weights trained, {method}) that outputs actions as text
tokens and still answers questions. Its inputs are {cameras} and the instruction. It was fine-tuned from `{base}`, whose
license applies.

## Results

{measured}

No success rate yet: `rt-vla evaluate --policy CHECKPOINT --suite SUITE`{plans}.

## Forgetting

{forgetting}

## Training

{data}

{steps:,} steps of {batch_size} samples, {minutes:.1f} minutes of wall time on {device} ({machine}).
Settings: {settings}.

## Limitations

- It is limited to its base model and its data. The loss measures how well recorded actions are predicted, not the
  success rate.
"""
DATA_TEXT = """\
# Data of {name}

| dataset | kind | samples | used |
|---|---|---|---|
{rows}

Robot data: {episodes} training episodes, {held_out} held out. A sample is a frame: the images of {cameras}, the
instruction, and the {horizon} action{plural} from that step on; none after the end of an episode. {plans}

## Use of the card's ranges by the recorded actions

Values outside are clipped.

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
    """Markdown with front matter for the Hugging Face Hub. rows: of the run log."""
    last = rows[-1]
    kinds = {
        "training": "in training",
        "validation_robot": "on held-out actions",
        "validation_web": "on held-out answers",
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
        measured=f"Step {last['step']:,}: cross-entropy per token {', '.join(losses)}.",
        plans=", and with `--plan` to plan first" if plans_on_request else "",
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
    """VQA accuracy before, during (at most ten rows) and after training."""
    asked = [row for row in rows if "vqa_free" in row]
    if not asked:
        return "Not measured: no held-out questions (`--web`, with short answers)."
    every = -(-len(asked) // 10)
    shown = [row for i, row in enumerate(asked) if i % every == 0 or i == len(asked) - 1]
    lines = [
        f"Accuracy on {shown[-1]['vqa_questions']} held-out questions with short answers: free generation, and "
        "restricted to the answers in the dataset.",
        "",
        "| step | free | restricted |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {r['step']:,} | {r['vqa_free']:.1%} | {r['vqa_restricted']:.1%} |" for r in shown)])


def data_card_text(
    name: str, card: ActionCard, settings: FineTuneSettings, data: FineTuneData, drawn: Mapping[str, int]
) -> str:
    """drawn: number of training samples of each dataset, in their order."""
    total = max(1, sum(drawn.values()))
    rows = [
        f"| {name} | {'robot' if source.is_robot else 'web'} | {len(source):,} | {count:,} ({count / total:.1%}) |"
        for source, (name, count) in zip(data.sources, drawn.items(), strict=True)
    ]
    plans = f"{settings.plan_share:.0%} of the actions are preceded by a plan in words." if settings.plan_share else ""
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
