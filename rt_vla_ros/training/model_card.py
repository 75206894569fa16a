"""The README of a checkpoint (model card): description, results, training, limitations."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.policies.rt1.modeling import RT1Model
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED
from rt_vla_ros.training.settings import TrainingSettings
from rt_vla_ros.training.settings_file import flat
from rt_vla_ros.training.source import SourceDescription

TEXT = """\
---
library_name: transformers
license: {license}
tags: [robotics, rt-1, vision-language-action]
---

# {name}

An RT-1 ({parameters:.1f} M parameters): input {seen} camera images and an instruction, output {tokens} action tokens,
at {rate:g} Hz. Its inputs are {cameras} and the instruction.
{initialisation}

## Results

{measured}

Step {row[step]:,}: loss {row[training]:.3f} in training{held_out}.

## Training

`{command}`

{method}

- {row[step]:,} steps, {images:,} images, {minutes:.1f} minutes of wall time on {device} ({machine}).
- Settings: {settings}.

## Limitations

{limits}
"""
MEASURED = """\
{table}

Each row: `rt-vla evaluate --policy CHECKPOINT --suite SUITE --episodes N --seed SEED`, with weights of SHA-256
`{sha256}`. Success means that the named object, and no other, is held 5 cm above the table for one second when the
policy terminates, or after 20 s. Training uses scene seeds from 2^{first_seed}, so none of these scenes was seen
before."""
NOT_MEASURED = "No success rate yet. Measure it with `rt-vla evaluate --policy CHECKPOINT --suite SUITE`."


NOT_INITIALISED = "Its weights were initialized randomly."
INITIALISED = "It was initialized from the weights of `{}` where names and shapes matched."


def model_card(
    settings: TrainingSettings,
    description: SourceDescription,
    row: Mapping[str, Any],
    *,
    model: RT1Model,
    card: ActionCard,
    device: str,
    evaluations: Sequence[Mapping[str, Any]] = (),
    sha256: str = "",
) -> str:
    """Markdown with front matter for the Hugging Face Hub.

    settings: as used. row: the last one of the run log. sha256: of the evaluated weights.
    """
    effective = replace(settings, micro_batch_size=settings.micro_batch, warmup=settings.warmup_steps)
    window, held_out = int(model.config.time_sequence_length), ""
    if "validation" in row:
        near = f"{row['token_accuracy']:.1%} of the tokens near"
        held_out = f", {row['validation']:.3f} on held-out episodes ({near})"
    return TEXT.format(
        name=settings.preset,
        parameters=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        seen=window * len(card.cameras),
        tokens=model.config.num_action_tokens,
        rate=card.control_rate,
        cameras=_inputs(card),
        initialisation=INITIALISED.format(settings.init_from) if settings.init_from else NOT_INITIALISED,
        measured=_measured(evaluations, sha256),
        row=row,
        held_out=held_out,
        **asdict(description),
        images=row["step"] * settings.batch_size * window * len(card.cameras),
        minutes=row["seconds"] / 60,
        device=device,
        machine=platform.machine(),
        settings=", ".join(f"{key} {value}" for key, value in flat(effective).items() if value != ""),
    )


def _inputs(card: ActionCard) -> str:
    """Its inputs besides the instruction."""
    names, first = " and ".join(f"`{camera.name}`" for camera in card.cameras), card.cameras[0]
    cameras = f"the camera{'s' * (len(card.cameras) > 1)} {names} ({first.width}x{first.height} pixels)"
    state = f", {len(card.state)} dimensions of robot state" if card.state else ""
    return cameras + state


def _measured(evaluations: Sequence[Mapping[str, Any]], sha256: str) -> str:
    if not evaluations:
        return NOT_MEASURED
    head = "| suite | seed | episodes | success | 95% interval | wrong object | drop | stopped early | timeout |"
    rows = [head, "|---|" + "---|" * 8]
    for result in evaluations:
        (low, high), outcomes = result["interval_95"], result["outcomes"]
        rows.append(
            f"| {result['suite']} | {result['seed']} | {result['episodes']} | {result['success_rate']:.1%} "
            f"| {low:.1%} to {high:.1%} | {outcomes['wrong_object']} | {outcomes['drop']} "
            f"| {outcomes['stopped_early']} | {outcomes['timeout']} |"
        )
    return MEASURED.format(table="\n".join(rows), sha256=sha256, first_seed=FIRST_TRAINING_SEED.bit_length() - 1)
